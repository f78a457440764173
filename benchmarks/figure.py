"""A measured number beside what it should be (``Figure``), and medians of repeated measurements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what was measured.
        value, unit: the number; None where it could not be measured (``note`` says why).
        target: what it should reach (``at_most``: stay below), None when it is for information only.
        ratio: how many times the naive loop's, None where there is nothing to compare.
        ratio_target: what the ratio should reach.
        note: how it was measured, if that needs a word.
    """

    name: str
    value: float | None
    unit: str
    target: float | None = None
    at_most: bool = False
    ratio: float | None = None
    ratio_target: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether every target is met; None when there is none or nothing was measured."""
        reached = []
        if self.target is not None and self.value is not None:
            reached.append(self.value <= self.target if self.at_most else self.value >= self.target)
        if self.ratio_target is not None and self.ratio is not None:
            reached.append(self.ratio >= self.ratio_target)
        return all(reached) if reached else None


def median_of(repeats: int, measure: Callable[[int], float]) -> float:
    """The median of ``measure(0)``, ``measure(1)``, …: each number of the row is another seed."""
    return median(measure(number) for number in range(repeats))
