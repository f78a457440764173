"""From one job to two, each with all its processes on a core of its own, CPU routes."""

from __future__ import annotations

import os

from benchmarks.figure import Figure, median_of
from benchmarks.load import Load, cases_per_second
from benchmarks.plan import Plan

NAME = "scaling from 1 to 2 pinned jobs, CPU routes"


def measure(plan: Plan) -> list[Figure]:
    """The ratio of the rates, measured in turn."""
    if len(os.sched_getaffinity(0)) < 2:
        return [Figure(NAME, None, "×", note="needs two cores")]

    def factor(number: int) -> float:
        load = Load(plan.toolchain, plan.cpu_routes, plan.load_seconds, number, pinned=True)
        return cases_per_second(load, 2) / cases_per_second(load, 1)

    return [Figure(NAME, median_of(plan.repeats, factor), "×", 1.8)]
