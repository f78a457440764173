"""What flows through a graph under construction: typed values with known ranges, and what operators want.

``Value`` is a tensor of the graph with its static type and a sound range of its numbers; ``Want`` says which
values an operator takes. The range of every value is carried along, so that the reference stays finite and
away from poles by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strategies.dtypes import HALF_AND_SINGLE, Dtype
from strategies.shapes import Shape

if TYPE_CHECKING:
    from strategies.builder import Builder

LIMIT = 1e4
"""Operators take values up to this magnitude by default: sums of them stay far from fp16's overflow at 65504
in most graphs and from fp32's always."""


@dataclass(frozen=True)
class Value:
    """A tensor of the graph.

    Attributes:
        name: its ONNX name.
        dtype, shape: its static type.
        lo, hi: every element lies within [lo, hi].
        constant: it depends on no graph input.
    """

    name: str
    dtype: Dtype
    shape: Shape
    lo: float = -3.0
    hi: float = 3.0
    constant: bool = False

    @property
    def rank(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def bound(self) -> float:
        """Largest magnitude of any element."""
        return max(abs(self.lo), abs(self.hi))


@dataclass(frozen=True)
class Want:
    """Which values an operator takes as its main input, and how to make a fresh one.

    Attributes:
        dtypes: element types; a fresh input has the graph's own float type where that is among them.
        ranks: ranks.
        lo, hi: the range that the values must lie in.
        fresh: the range of a fresh input with ordinary values; kept away from the operator's poles and jumps.
        where: a further condition on the shape (``shape`` must draw shapes that meet it).
        shape: draws the shape of a fresh input; None draws any shape of ``ranks``.
        jump: the operator jumps at every integer plus this; it then takes only fresh inputs, whose numbers
            stay 0.3 away from every jump.
        distinct: the operator ranks its elements; it then takes only fresh inputs, whose numbers all differ.
    """

    dtypes: frozenset[Dtype] = HALF_AND_SINGLE
    ranks: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    lo: float = -LIMIT
    hi: float = LIMIT
    fresh: tuple[float, float] = (-3.0, 3.0)
    where: Callable[[Shape], bool] | None = None
    shape: Callable[[Builder], Shape] | None = None
    jump: float | None = None
    distinct: bool = False

    def accepts(self, value: Value) -> bool:
        """Whether ``value`` may be the main input."""
        return (
            self.jump is None
            and not self.distinct
            and value.dtype in self.dtypes
            and len(value.shape) in self.ranks
            and self.lo <= value.lo
            and value.hi <= self.hi
            and (self.where is None or self.where(value.shape))
        )
