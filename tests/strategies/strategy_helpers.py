"""What the tests of strategies ask of Hypothesis: draw many, find any, find the simplest."""

from collections.abc import Callable
from functools import cache
from random import Random

from hypothesis import HealthCheck, Phase, Verbosity, find, given, seed, settings
from hypothesis.strategies import SearchStrategy

from fuzzconv.case import Case
from strategies import cases

QUIET = settings(
    max_examples=2000,
    phases=[Phase.generate, Phase.shrink],
    database=None,
    deadline=None,
    derandomize=False,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


def draw_many(strategy: SearchStrategy[Case], count: int, start: int = 0) -> list[Case]:
    """``count`` cases as a search round draws them, the same ones for the same ``start``."""
    drawn: list[Case] = []

    @seed(start)
    @settings(QUIET, max_examples=count, phases=[Phase.generate])
    @given(strategy)
    def collect(case: Case) -> None:
        drawn.append(case)

    collect()
    return drawn


@cache
def mixed_cases(count: int = 1000) -> tuple[Case, ...]:
    """Cases of the campaign's full mix, drawn once for all tests."""
    return tuple(draw_many(cases(), count))


def find_any(strategy: SearchStrategy[Case], predicate: Callable[[Case], bool]) -> Case:
    """Any case that meets ``predicate``; an error when 2000 draws hold none."""
    return find(strategy, predicate, settings=settings(QUIET, phases=[Phase.generate]), random=Random(1))


def minimal(strategy: SearchStrategy[Case], predicate: Callable[[Case], bool] = lambda case: True) -> Case:
    """The case that shrinking ends with."""
    return find(strategy, predicate, settings=QUIET, random=Random(1))
