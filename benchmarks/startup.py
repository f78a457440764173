"""From the start of the command to its first judged case."""

from __future__ import annotations

from benchmarks.campaigns import run_campaign
from benchmarks.figure import Figure, median_of
from benchmarks.plan import Plan

_BUDGET = 30.0


def measure(plan: Plan) -> list[Figure]:
    """Seconds, interpreter start, imports, tool search and fork server warm-up included."""

    def seconds(number: int) -> float:
        options = ["--seed", str(number + 1), "--jobs", str(plan.jobs)]
        first = run_campaign(options, _BUDGET, first_only=True).first_case
        return _BUDGET if first is None else first

    return [Figure("first case after the start", median_of(plan.repeats, seconds), "s", 3.0, at_most=True)]
