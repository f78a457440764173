"""The cases that are measured: drawn as a campaign's rounds draw them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from fuzzconv.case import Case
from fuzzconv.cli.sample import draw
from strategies import SPECS, Swarm, cases

_PER_SWARM = 25


def distinct_cases(start: int) -> Iterator[Case]:
    """Cases without end, no two alike, the same for the same ``start``; every 25 have another swarm."""
    seen: set[str] = set()
    for number in count(start * 1000):
        swarm = Swarm.of_seed(number, operators=SPECS)
        for case in draw(cases(swarm=swarm), _PER_SWARM, number):
            if case.key not in seen:
                seen.add(case.key)
                yield case
