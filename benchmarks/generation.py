"""How fast cases are generated, on one core."""

from __future__ import annotations

import time
from itertools import islice

from benchmarks.figure import Figure, median_of
from benchmarks.models import distinct_cases
from benchmarks.plan import Plan


def measure(plan: Plan) -> list[Figure]:
    """Models per second of processor time."""

    def models_per_second(number: int) -> float:
        started = time.process_time()
        drawn = len(list(islice(distinct_cases(number), plan.cases * 5)))
        return drawn / (time.process_time() - started)

    list(islice(distinct_cases(98), 10))  # Hypothesis reads our modules' constants once per process
    rate = median_of(plan.repeats, models_per_second)
    return [Figure("generation, one core", rate, "models/s", 100.0, note="processor time")]
