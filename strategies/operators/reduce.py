"""Reductions over axes: an attribute first, an input since opset 13 (ReduceSum) or 18 (the others)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt

from strategies.builder import Builder, Value, Want
from strategies.operators.registry import Spec, add
from strategies.shapes import Shape, elements

Range = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One reduction: its domain, its fresh inputs, and how ``count`` numbers of a range reduce.

    ``axes`` says how many pnnx takes unless it is all of them, ``axes_input`` whether an input may name them.
    """

    name: str
    to: Callable[[float, float, int], Range]
    domain: Range = (-1e3, 1e3)
    fresh: Range = (-3.0, 3.0)
    input_since: int = 18
    axes: int = 5
    axes_input: bool = True


def _bound(lo: float, hi: float) -> float:
    return max(abs(lo), abs(hi))


def _prod(lo: float, hi: float, n: int) -> Range:
    top = max(1.0, _bound(lo, hi) ** n)
    return (0.0 if lo >= 0 else -top, top)


ROWS = (
    Row("ReduceSum", lambda lo, hi, n: (min(lo, lo * n), max(hi, hi * n)), input_since=13),
    Row("ReduceMean", lambda lo, hi, n: (lo, hi)),
    Row("ReduceMax", lambda lo, hi, n: (lo, hi), axes=1, axes_input=False),
    Row("ReduceMin", lambda lo, hi, n: (lo, hi), axes=1, axes_input=False),
    Row("ReduceProd", _prod, (-1.3, 1.3), (0.7, 1.25)),
    Row("ReduceL1", lambda lo, hi, n: (0.0, _bound(lo, hi) * n)),
    Row("ReduceL2", lambda lo, hi, n: (0.0, _bound(lo, hi) * sqrt(n))),
    Row("ReduceSumSquare", lambda lo, hi, n: (0.0, _bound(lo, hi) ** 2 * n), (-30.0, 30.0), axes_input=False),
    Row("ReduceLogSum", lambda lo, hi, n: (log(lo), log(hi * n)), (0.05, 1e3), (0.1, 4.0), axes_input=False),
    Row("ReduceLogSumExp", lambda lo, hi, n: (lo, hi + log(n)), (-20.0, 20.0)),
)


def reduced(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    """The shape after reducing ``axes`` (non-negative)."""
    return tuple(1 if i in axes else d for i, d in enumerate(shape) if keepdims or i not in axes)


def some_axes(b: Builder, rank: int) -> tuple[int, ...]:
    """At least one axis, in any order, none twice; mostly the last ones, as models have it."""
    count = b.integer(1, rank)
    start = rank - 1 - b.integer(0, rank - 1)
    axes = [(start - i) % rank for i in range(count)]
    return tuple(sorted(axes)) if not b.flag(6) else tuple(axes)


def _spec(row: Row) -> Spec:
    def build(b: Builder, x: Value) -> Value:
        by_input = b.opset >= row.input_since
        unsupported = b.rare()
        everything = x.rank == 0 or b.flag(8) or (by_input and not row.axes_input and not unsupported)
        axes = tuple(range(x.rank)) if everything else some_axes(b, x.rank)
        if not everything and not unsupported:
            # pnnx refuses the batch axis by word, wherever it is not all axes that are reduced.
            axes = tuple(a for a in axes if a)[: row.axes] or (x.rank - 1,)
        if row.name == "ReduceProd" and elements(x.shape) > 40:
            axes, everything = axes[-1:] if x.shape[axes[-1]] <= 40 else axes[:1], False
        keepdims = b.pick((None, 0, 1))
        count = elements(tuple(x.shape[a] for a in axes)) or 1
        lo, hi = row.to(x.lo, x.hi, count)
        out = b.like(x, shape=reduced(x.shape, axes, keepdims != 0), lo=lo, hi=hi)
        # Negative axes came with opset 11 ("ReduceSum-11" and its family).
        written = [a - x.rank if b.opset >= 11 and b.flag(3) else a for a in axes]
        if everything and x.rank:
            return b.node(row.name, [x], out, keepdims=keepdims)
        if by_input and x.rank:
            return b.node(row.name, [x, b.ints(written)], out, keepdims=keepdims)
        return b.node(row.name, [x], out, axes=written or None, keepdims=keepdims)

    want = Want(lo=row.domain[0], hi=row.domain[1], fresh=row.fresh, ranks=(1, 2, 3, 4, 5))
    return Spec(row.name, build, want)


for _row in ROWS:
    add(_spec(_row))
