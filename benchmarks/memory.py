"""Whether memory stays flat: all processes of a campaign together."""

from __future__ import annotations

from statistics import median

from benchmarks.campaigns import run_campaign
from benchmarks.figure import Figure
from benchmarks.plan import Plan
from benchmarks.processes import tree_memory

_MB = 1e6
_WARM_SECONDS = 40.0


def measure(plan: Plan) -> list[Figure]:
    """The median over the last third of the campaign, and how much more it is than over the first.

    Left out is the time in which everything starts and is used for the first time.
    """
    options = ["--seed", "1", "--jobs", str(plan.jobs)]
    watched = run_campaign(options, plan.memory_seconds, lambda pid: float(tree_memory(pid)))
    samples = [size for at, size in watched.samples if at >= _WARM_SECONDS]
    third = max(1, len(samples) // 3)
    early, late = median(samples[:third]), median(samples[-third:])
    note = f"over {watched.run['cases']} cases"
    growth = 100 * (late / early - 1)
    return [
        Figure("memory of all processes", late / _MB, "MB", note=note),
        Figure("memory growth, first to last third", growth, "%", 10.0, at_most=True, note=note),
    ]
