"""Arithmetic of two or more inputs, with broadcasting from either side."""

from __future__ import annotations

from collections.abc import Callable

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOATS
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, broadcast, elements

SMALL = Want(lo=-1e3, hi=1e3, dtypes=FLOATS)


def other_shape(b: Builder, shape: Shape) -> Shape:
    """A shape that broadcasts with ``shape``: equal, a scalar, per channel, with ones, shorter or longer."""
    rank = len(shape)
    form = b.weighted(
        (
            ("equal", 4.0),
            ("scalar", 2.0),
            ("one", 1.0),
            ("channel", 3.0),
            ("ones", 2.0),
            ("short", 2.0),
            ("wide", 1.0),
        )
    )
    match form:
        case "scalar":
            return ()
        case "one":
            return (1,) * b.integer(1, max(rank, 1))
        case "channel" if rank >= 2:
            lead = (1,) if b.flag(3) else ()
            return (*lead, shape[1], *(1,) * (rank - 2))
        case "ones":
            return tuple(1 if b.flag() else d for d in shape)
        case "short" if rank:
            return shape[b.integer(0, rank) :]
        case "wide":
            # The second operand is the larger: where the first has a 1, it has more.
            room = MAX_ELEMENTS // max(elements(shape), 1)
            dims = [b.size(min(room, 5)) if d == 1 and i > 0 else d for i, d in enumerate(shape)]
            return tuple(dims) if elements(tuple(dims)) <= MAX_ELEMENTS else shape
        case _:
            return shape


def binary(
    b: Builder,
    op_type: str,
    x: Value,
    lo: float,
    hi: float,
    to: Callable[[Value, Value], tuple[float, float]],
    widest: float = 1e3,
) -> Value:
    """One node of two operands in either order; ``to`` maps (left, right) to the range."""
    y = b.partner(other_shape(b, x.shape), x.dtype, lo, hi, widest=widest)
    left, right = (y, x) if b.flag(3) else (x, y)
    shape = broadcast(left.shape, right.shape)
    if shape is None:
        raise AssertionError(f"{left.shape} and {right.shape} don't broadcast")
    low, high = to(left, right)
    return b.node(op_type, [left, right], b.like(x, shape=shape, lo=low, hi=high))


def _products(left: Value, right: Value) -> tuple[float, float]:
    ends = [a * c for a in (left.lo, left.hi) for c in (right.lo, right.hi)]
    return min(ends), max(ends)


@operator("Add", want=SMALL)
def add(b: Builder, x: Value) -> Value:
    """("Add")."""
    return binary(b, "Add", x, -3.0, 3.0, lambda p, q: (p.lo + q.lo, p.hi + q.hi))


@operator("Sub", want=SMALL)
def sub(b: Builder, x: Value) -> Value:
    """("Sub")."""
    return binary(b, "Sub", x, -3.0, 3.0, lambda p, q: (p.lo - q.hi, p.hi - q.lo))


@operator("Mul", want=Want(lo=-50, hi=50, dtypes=FLOATS))
def mul(b: Builder, x: Value) -> Value:
    """("Mul")."""
    return binary(b, "Mul", x, -3.0, 3.0, _products, widest=50.0)


@operator("Div", want=SMALL)
def div(b: Builder, x: Value) -> Value:
    """("Div") the divisor is a weight or an input kept away from zero, or x itself where it is positive."""
    shape = other_shape(b, x.shape)
    if x.lo >= 0.1 and b.flag():
        y = b.partner(shape, x.dtype, -3.0, 3.0, widest=1e3)
        left, right = y, x
    else:
        lo, hi = b.pick(((0.5, 3.0), (-3.0, -0.5)))
        y = b.weight(shape, lo, hi, x.dtype) if not b.flag(4) else b.input(shape, x.dtype, lo, hi)
        left, right = x, y
    ends = [a / c for a in (left.lo, left.hi) for c in (right.lo, right.hi)]
    out = b.like(x, shape=broadcast(left.shape, right.shape), lo=min(ends), hi=max(ends))
    return b.node("Div", [left, right], out)


@operator("Pow", want=Want(lo=0.1, hi=10, fresh=(0.2, 3.0), dtypes=FLOATS))
def power(b: Builder, x: Value) -> Value:
    """("Pow") positive base, so that every exponent is legal."""
    y = b.weight(other_shape(b, x.shape), -2.0, 3.0, x.dtype)
    return b.node("Pow", [x, y], b.like(x, shape=broadcast(x.shape, y.shape), lo=0.0, hi=1e3))


def _variadic(b: Builder, op_type: str, x: Value, to: Callable[[list[Value]], tuple[float, float]]) -> Value:
    """1 to 4 operands that broadcast together ("Max", "Min", "Sum", "Mean")."""
    shapes = [other_shape(b, x.shape) for _ in range(b.weighted(((1, 6.0), (2, 3.0), (3, 1.5), (0, 0.5))))]
    shape: Shape | None = x.shape
    for other in shapes:
        shape = broadcast(shape, other) if shape is not None else None
    if shape is None or elements(shape) > MAX_ELEMENTS:
        shapes, shape = [x.shape], x.shape
    parts = [x, *(b.partner(s, x.dtype, -3.0, 3.0, widest=1e3) for s in shapes)]
    low, high = to(parts)
    return b.node(op_type, parts, b.like(x, shape=shape, lo=low, hi=high))


@operator("Max", want=SMALL)
def maximum(b: Builder, x: Value) -> Value:
    """("Max")."""
    return _variadic(b, "Max", x, lambda vs: (max(v.lo for v in vs), max(v.hi for v in vs)))


@operator("Min", want=SMALL)
def minimum(b: Builder, x: Value) -> Value:
    """("Min")."""
    return _variadic(b, "Min", x, lambda vs: (min(v.lo for v in vs), min(v.hi for v in vs)))


@operator("Sum", want=SMALL)
def total(b: Builder, x: Value) -> Value:
    """("Sum")."""
    return _variadic(b, "Sum", x, lambda vs: (sum(v.lo for v in vs), sum(v.hi for v in vs)))


@operator("Mean", want=Want(lo=-1e3, hi=1e3), pnnx=False)
def mean(b: Builder, x: Value) -> Value:
    """("Mean")."""
    return _variadic(b, "Mean", x, lambda vs: (min(v.lo for v in vs), max(v.hi for v in vs)))
