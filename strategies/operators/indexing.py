"""Operators that pick elements by index: gathers, scatters, masks.

Indices are constants mostly. pnnx probes a graph with integer inputs of 0 to 9, so a graph input of indices
needs ten rows; fewer crash it (one known bug, at the rare rate). Scattered places never repeat, since ONNX
leaves the winner undefined.
"""

from __future__ import annotations

import numpy as np

from fuzzconv.case import Array
from strategies.builder import Builder, Value, Want
from strategies.dtypes import BOOL, FLOAT32, FLOATS, HALF_AND_SINGLE, INT32, INT64, INTS
from strategies.operators.movement import any_axis
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

PROBED = 10
"""pnnx's shape inference feeds integer inputs with numbers below this."""

FILLED = Want(ranks=(2, 3, 4, 5, 1), dtypes=FLOATS | INTS, lo=-1e6, hi=1e6, where=lambda s: 0 not in s)


def _constant(b: Builder, indices: Array) -> Value:
    """Indices as an int64 or int32 constant in any storage form."""
    dtype = INT64 if not b.flag(3) else INT32
    return b.constant(indices.astype(dtype.numpy), dtype, shape_data=False)


def _random(b: Builder, shape: Shape, size: int) -> Array:
    """Indices below ``size``, some of them counted from the end where the opset allows."""
    rng = np.random.default_rng(b.integer(0, 255))
    low = -size if b.opset >= 11 and b.flag(3) else 0
    return rng.integers(low, size, shape)


def _places(b: Builder, shape: Shape, axis: int, count: int) -> Array:
    """Indices of ``count`` different places along ``axis`` for every line of ``shape``."""
    rng = np.random.default_rng(b.integer(0, 255))
    order = np.argsort(rng.random(shape), axis=axis)
    return np.take(order, range(count), axis=axis)


@operator("Gather", want=FILLED)
def gather(b: Builder, x: Value) -> Value:
    """("Gather") indices of rank 0 to 2, negative since opset 11; embedding lookups have a constant x."""
    axis = any_axis(b, x.rank)
    at = axis % x.rank
    size = x.shape[at]
    room = MAX_ELEMENTS // max(elements(x.shape) // size, 1)
    # pnnx takes a constant vector for its first number: one known bug, so scalars have the larger share.
    known: list[tuple[Shape, float]] = [((), 5.0), ((1,), 2.0), ((2,), 0.7), ((3,), 0.7), ((5,), 0.3)]
    known += [((2, 3), 0.3), ((1, 4), 0.3), ((7,), 0.2)]
    fits = [(s, w) for s, w in known if not s or (elements(s) <= room and x.rank - 1 + len(s) <= 5)]
    shape = b.weighted(fits)
    if b.has("more_inputs") and (size >= PROBED or b.rare()) and b.flag(4):
        indices = b.input(shape, INT64, 0, size - 1)
    else:
        indices = _constant(b, _random(b, shape, size))
    out = b.like(x, shape=(*x.shape[:at], *indices.shape, *x.shape[at + 1 :]))
    return b.node("Gather", [x, indices], out, axis=None if axis == 0 and b.flag() else axis)


def _sentence(b: Builder) -> Shape:
    """(batch, tokens)."""
    return (b.batch(), b.size(13))


@operator(
    "Embedding",
    want=Want(dtypes=INTS, ranks=(2, 1, 3), lo=0, hi=PROBED - 1, fresh=(0, PROBED - 1), shape=_sentence),
    emits=("Gather",),
)
def embedding(b: Builder, x: Value) -> Value:
    """("Gather") rows of a constant table, looked up by the graph's integers; ten rows or more."""
    rows, width = b.pick((PROBED, 11, 16, 17, 33)), b.pick((2, 1, 3, 5, 4, 7, 8, 9, 13))
    table = b.weight((rows, min(width, max(1, MAX_ELEMENTS // max(elements(x.shape), 1)))), -2.0, 2.0)
    out = Value("", table.dtype, (*x.shape, table.shape[1]), table.lo, table.hi)
    return b.node("Gather", [table, x], out, axis=b.pick((None, 0)))


@operator("GatherElements", since=11, want=FILLED, pnnx=False)
def gather_elements(b: Builder, x: Value) -> Value:
    """("GatherElements") indices of the input's rank, no longer than it off the axis."""
    axis = any_axis(b, x.rank)
    at = axis % x.rank
    shape = tuple(
        b.integer(1, 4) if i == at else (d if not b.flag(4) else b.integer(1, d))
        for i, d in enumerate(x.shape)
    )
    indices = _constant(b, _random(b, shape, x.shape[at]))
    return b.node("GatherElements", [x, indices], b.like(x, shape=shape), axis=axis)


@operator("GatherND", since=11, want=FILLED, pnnx=False)
def gather_nd(b: Builder, x: Value) -> Value:
    """("GatherND") index tuples; batch_dims since opset 12. Its indices are int64 only."""
    batch_dims = b.integer(0, 1) if b.opset >= 12 and x.rank >= 2 else 0
    depth = b.integer(1, x.rank - batch_dims)
    lead: Shape = (*x.shape[:batch_dims], *b.pick(((2,), (3,), (1,), (2, 2))))
    tail = x.shape[batch_dims + depth :]
    if elements(lead + tail) > MAX_ELEMENTS or len(lead + tail) > 5:
        lead = (*x.shape[:batch_dims], 1)
    columns = [_random(b, lead, x.shape[batch_dims + i]) for i in range(depth)]
    indices = b.constant(np.stack(columns, axis=-1).astype(np.int64), INT64, shape_data=False)
    out = b.like(x, shape=(*lead, *tail))
    return b.node("GatherND", [x, indices], out, batch_dims=batch_dims if batch_dims else None)


REDUCIBLE = Want(ranks=(2, 3, 4, 1), dtypes=HALF_AND_SINGLE, lo=-1e3, hi=1e3, where=lambda s: 0 not in s)


def _reduction(b: Builder, x: Value) -> str | None:
    """How scattered numbers join the ones there: add and mul since opset 16, max and min since 18.

    onnxruntime joins no half ones on the CPU.
    """
    if x.dtype is not FLOAT32:
        return None
    known = ["none", "add", *(("max", "min") if b.opset >= 18 else ())]
    return b.pick(known) if b.opset >= 16 and b.flag(3) else None


def _joined(b: Builder, x: Value, updates: Value) -> Value:
    low, high = x.lo + min(updates.lo, 0.0), x.hi + max(updates.hi, 0.0)
    return b.like(x, lo=min(low, updates.lo), hi=max(high, updates.hi))


def _scatter(b: Builder, x: Value, op_type: str) -> Value:
    axis = any_axis(b, x.rank) if op_type == "ScatterElements" else b.integer(0, x.rank - 1)
    at = axis % x.rank
    indices = _places(b, x.shape, at, b.integer(1, min(4, x.shape[at])))
    updates = b.partner(indices.shape, x.dtype, -3.0, 3.0, widest=1e3)
    reduction = _reduction(b, x) if op_type == "ScatterElements" else None
    nodes = [x, _constant(b, indices), updates]
    return b.node(op_type, nodes, _joined(b, x, updates), axis=axis, reduction=reduction)


@operator("ScatterElements", since=11, want=REDUCIBLE, pnnx=False)
def scatter_elements(b: Builder, x: Value) -> Value:
    """("ScatterElements") writes updates at places along one axis."""
    return _scatter(b, x, "ScatterElements")


@operator("Scatter", since=9, until=10, want=REDUCIBLE, pnnx=False)
def scatter(b: Builder, x: Value) -> Value:
    """("Scatter-9") the old name of ScatterElements."""
    return _scatter(b, x, "Scatter")


@operator("ScatterND", since=11, want=REDUCIBLE, pnnx=False)
def scatter_nd(b: Builder, x: Value) -> Value:
    """("ScatterND") writes whole slices at places of the leading axis."""
    count = b.integer(1, min(4, x.shape[0]))
    places = np.random.default_rng(b.integer(0, 255)).permutation(x.shape[0])[:count].reshape(count, 1)
    indices = b.constant(places.astype(np.int64), INT64, shape_data=False)
    updates = b.partner((count, *x.shape[1:]), x.dtype, -3.0, 3.0, widest=1e3)
    return b.node("ScatterND", [x, indices, updates], _joined(b, x, updates), reduction=_reduction(b, x))


def _mask(b: Builder, size: int) -> Array:
    """At least one true."""
    mask = np.random.default_rng(b.integer(0, 255)).random(size) < 0.6
    mask[b.integer(0, size - 1)] = True
    return mask


@operator("Compress", since=9, want=FILLED, pnnx=False)
def compress(b: Builder, x: Value) -> Value:
    """("Compress") a constant mask along an axis, or over the flattened input; it may be short."""
    axis = None if b.flag(3) else any_axis(b, x.rank)
    size = elements(x.shape) if axis is None else x.shape[axis % x.rank]
    mask = _mask(b, size if not b.flag(4) else b.integer(1, size))
    condition = b.constant(mask, BOOL, shape_data=False)
    count = int(mask.sum())
    shape: Shape = (count,)
    if axis is not None:
        at = axis % x.rank
        shape = (*x.shape[:at], count, *x.shape[at + 1 :])
    return b.node("Compress", [x, condition], b.like(x, shape=shape), axis=axis)


@operator(
    "NonZero",
    since=9,
    want=FILLED,
    emits=("NonZero", "Squeeze", "Gather"),
    pnnx=False,
    note="pnnx folds it, and what is left is Gather with a constant vector",
)
def non_zero(b: Builder, x: Value) -> Value:
    """("NonZero") of a constant mask, as x[mask] is exported; of an input its shape would hang on values."""
    axis = b.integer(0, x.rank - 1)
    mask = _mask(b, x.shape[axis])
    count = int(mask.sum())
    found = Value("", INT64, (1, count), 0, len(mask), constant=True)
    indices = b.node("NonZero", [b.constant(mask, BOOL, shape_data=False)], found)
    flat = Value("", INT64, (count,), 0, len(mask), constant=True)
    if b.opset >= 13:
        indices = b.node("Squeeze", [indices, b.ints([0])], flat)
    else:
        indices = b.node("Squeeze", [indices], flat, axes=[0])
    out = b.like(x, shape=(*x.shape[:axis], count, *x.shape[axis + 1 :]))
    return b.node("Gather", [x, indices], out, axis=axis)


@operator(
    "TensorScatter",
    since=24,
    want=Want(ranks=(3, 4), dtypes=frozenset({FLOAT32}), lo=-1e3, hi=1e3, where=lambda s: 0 not in s),
    pnnx=False,
)
def tensor_scatter(b: Builder, x: Value) -> Value:
    """("TensorScatter") a cache of keys or values, updated along an axis from a place of each batch on."""
    axis = b.pick((None, -2, 1, x.rank - 2))
    at = (-2 if axis is None else axis) % x.rank
    size = x.shape[at]
    count = b.integer(1, min(4, size))
    updates = b.partner((*x.shape[:at], count, *x.shape[at + 1 :]), x.dtype, -3.0, 3.0, widest=1e3)
    mode = b.pick((None, "linear", "circular"))
    starts = None
    if b.flag():
        last = size - 1 if mode == "circular" else size - count
        places = np.random.default_rng(b.integer(0, 255)).integers(0, last + 1, x.shape[0])
        starts = b.constant(places, INT64, shape_data=False)
    out = b.like(x, lo=min(x.lo, updates.lo), hi=max(x.hi, updates.hi))
    return b.node("TensorScatter", [x, updates, starts], out, axis=axis, mode=mode)
