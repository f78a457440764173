"""Operators that rank, order or accumulate along an axis.

What ranks takes inputs whose numbers all differ, few enough that the gaps outlast rounding.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, FLOAT64, INT32, INT64
from strategies.operators.movement import any_axis
from strategies.operators.registry import operator
from strategies.shapes import Shape, elements

MOST = 400
"""Numbers evenly spread over [-8, 8] then lie 0.04 apart: more than fp16 loses there."""


def _few(b: Builder) -> Shape:
    dims: list[int] = []
    for size in b.shape((2, 3, 4, 1, 5)):
        dims.append(min(size, max(1, MOST // elements(tuple(dims)))))
    return tuple(dims)


RANKED = Want(
    ranks=(2, 3, 4, 1, 5),
    dtypes=frozenset({FLOAT32, FLOAT64, INT32}),
    fresh=(-8.0, 8.0),
    shape=_few,
    distinct=True,
)


def _indices(b: Builder, numbers: Value) -> Value:
    """int64 indices, mostly as floats."""
    if b.weighted(((False, 3.0), (True, 1.0))):
        return b.node("Cast", [numbers], b.like(numbers, dtype=FLOAT32), to=FLOAT32.code)
    return numbers


def _arg(b: Builder, x: Value, op_type: str) -> Value:
    axis = None if b.flag(4) else any_axis(b, x.rank)
    at = (axis or 0) % x.rank
    keepdims = b.pick((None, 0, 1))
    kept = () if keepdims == 0 else (1,)
    shape = (*x.shape[:at], *kept, *x.shape[at + 1 :])
    out = Value("", INT64, shape, 0, max(x.shape[at] - 1, 0))
    last = b.pick((None, 0, 1)) if b.opset >= 12 else None
    return _indices(b, b.node(op_type, [x], out, axis=axis, keepdims=keepdims, select_last_index=last))


@operator("ArgMax", want=RANKED, pnnx=False, emits=("ArgMax", "Cast"))
def arg_max(b: Builder, x: Value) -> Value:
    """("ArgMax") index of the largest; select_last_index since opset 12 (no ties here)."""
    return _arg(b, x, "ArgMax")


@operator("ArgMin", want=RANKED, pnnx=False, emits=("ArgMin", "Cast"))
def arg_min(b: Builder, x: Value) -> Value:
    """("ArgMin") index of the smallest."""
    return _arg(b, x, "ArgMin")


@operator("TopK", want=RANKED, pnnx=False, emits=("TopK", "Cast"))
def top_k(b: Builder, x: Value) -> list[Value]:
    """("TopK") k is an input since opset 10; largest and sorted since 11 (unsorted: order is undefined)."""
    axis = None if b.flag(4) else any_axis(b, x.rank)
    at = (-1 if axis is None else axis) % x.rank
    k = b.integer(1, min(x.shape[at], 5))
    shape = (*x.shape[:at], k, *x.shape[at + 1 :])
    outs = [b.like(x, shape=shape), Value("", INT64, shape, 0, x.shape[at] - 1)]
    largest = b.pick((None, 1, 0)) if b.opset >= 11 else None
    ordered = b.pick((None, 1)) if b.opset >= 11 else None
    count = [b.ints([k])] if b.opset >= 10 else []
    number = None if b.opset >= 10 else k
    top = b.nodes_out("TopK", [x, *count], outs, axis=axis, k=number, largest=largest, sorted=ordered)
    return [top[0], *(_indices(b, v) for v in top[1:])]


@operator("Hardmax", want=replace(RANKED, dtypes=frozenset({FLOAT32})), pnnx=False)
def hardmax(b: Builder, x: Value) -> Value:
    """("Hardmax") one at the largest: along an axis since opset 13, over the flattened rest before."""
    axes: list[int | None] = [*range(x.rank), *(range(-x.rank, 0) if b.opset >= 11 else ())]
    default = -1 if b.opset >= 13 else 1
    axis = b.pick([None, *axes] if default < x.rank else axes)
    return b.node("Hardmax", [x], b.like(x, lo=0.0, hi=1.0), axis=axis)


@operator(
    "CumSum",
    since=11,
    want=Want(ranks=(2, 3, 4, 1, 5), dtypes=frozenset({FLOAT32, FLOAT64, INT32}), lo=-1e3, hi=1e3),
    pnnx=False,
)
def cum_sum(b: Builder, x: Value) -> Value:
    """("CumSum") the axis is a scalar input; exclusive, reverse."""
    axis = any_axis(b, x.rank)
    dtype = b.pick((INT64, INT32))
    where = b.constant(np.array(axis, dtype=dtype.numpy), dtype)
    count = x.shape[axis % x.rank]
    out = b.like(x, lo=min(0.0, x.lo) * count, hi=max(0.0, x.hi) * count)
    return b.node("CumSum", [x, where], out, exclusive=b.pick((None, 0, 1)), reverse=b.pick((None, 0, 1)))


@operator("ReverseSequence", since=10, want=Want(ranks=(2, 3, 4), lo=-1e6, hi=1e6), pnnx=False)
def reverse_sequence(b: Builder, x: Value) -> Value:
    """("ReverseSequence") each row's first numbers turned round; time and batch are axes 0 and 1."""
    time, batch = b.pick(((None, None), (1, 0), (0, 1)))
    steps, rows = x.shape[time or 0], x.shape[1 if batch is None else batch]
    lengths = [b.integer(1, steps) for _ in range(rows)] if steps else [0] * rows
    sizes = b.constant(np.array(lengths, dtype=np.int64), INT64, shape_data=False)
    return b.node("ReverseSequence", [x, sizes], b.like(x), time_axis=time, batch_axis=batch)


def _lines(b: Builder) -> Shape:
    return tuple(min(d, 17) for d in b.shape((2, 3, 4)))


@operator(
    "CumProd",
    since=26,
    want=Want(
        ranks=(2, 3, 4),
        dtypes=frozenset({FLOAT32}),
        lo=-1.3,
        hi=1.3,
        fresh=(0.7, 1.25),
        shape=_lines,
        where=lambda s: max(s) <= 33,
    ),
    pnnx=False,
)
def cum_prod(b: Builder, x: Value) -> Value:
    """("CumProd") as CumSum, with products."""
    axis = any_axis(b, x.rank)
    where = b.constant(np.array(axis, dtype=np.int64), INT64)
    top = max(1.0, x.bound ** x.shape[axis % x.rank])
    out = b.like(x, lo=-top if x.lo < 0 else 0.0, hi=top)
    return b.node("CumProd", [x, where], out, exclusive=b.pick((None, 0, 1)), reverse=b.pick((None, 0, 1)))
