"""Whether memory stays flat: all processes of a campaign together."""

from __future__ import annotations

from statistics import median

from benchmarks.campaigns import run_campaign
from benchmarks.figure import Figure
from benchmarks.plan import Plan
from benchmarks.processes import tree_memory

_MB = 1e6


def measure(plan: Plan) -> list[Figure]:
    """The median over the last quarter of the campaign, and how much more it is than over the second."""
    options = ["--routes", "cpu", "--seed", "1", "--jobs", str(plan.jobs)]
    watched = run_campaign(options, plan.memory_seconds, lambda pid: float(tree_memory(pid)))
    samples = [size for _, size in watched.samples]
    quarter = len(samples) // 4
    early, late = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
    note = f"over {watched.run['cases']} cases"
    return [
        Figure("memory of all processes, CPU routes", late / _MB, "MB", note=note),
        Figure(
            "memory growth, second to last quarter",
            100 * (late / early - 1),
            "%",
            10.0,
            at_most=True,
            note=note,
        ),
    ]
