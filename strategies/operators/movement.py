"""Operators that only move, cut or join elements."""

from __future__ import annotations

import numpy as np

from strategies.builder import LIMIT, Builder, Value, Want
from strategies.dtypes import FLOATS, INTS
from strategies.operators.reduce import some_axes
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

ANY = FLOATS | INTS
RANKED = Want(ranks=(2, 3, 4, 5, 1), dtypes=ANY, lo=-1e6, hi=1e6)
FILLED = Want(ranks=(2, 3, 4, 5, 1), dtypes=ANY, lo=-1e6, hi=1e6, where=lambda s: 0 not in s)


def any_axis(b: Builder, rank: int) -> int:
    """An axis, negative too from opset 11; the second first, since axis 0 is the batch."""
    axes = [*range(1, rank), 0]
    if b.opset >= 11:
        axes += range(-1, -rank - 1, -1)
    axis: int = b.pick(axes)
    return axis


@operator("Concat", want=RANKED)
def concat(b: Builder, x: Value) -> Value:
    """("Concat") 1 to 4 operands that differ only along the axis."""
    axis = any_axis(b, x.rank)
    at = axis % x.rank
    room = MAX_ELEMENTS // max(elements(x.shape), 1)
    parts = [x]
    for _ in range(min(b.pick((1, 2, 0, 3)), max(room - 1, 0))):
        size = x.shape[at] if b.flag() else b.size(max(x.shape[at], 4))
        shape = (*x.shape[:at], size, *x.shape[at + 1 :])
        parts.append(b.partner(shape, x.dtype, -3.0, 3.0, widest=1e6))
    if b.flag(3):
        parts = parts[::-1]
    joint = sum(p.shape[at] for p in parts)
    out = b.like(
        x,
        shape=(*x.shape[:at], joint, *x.shape[at + 1 :]),
        lo=min(p.lo for p in parts),
        hi=max(p.hi for p in parts),
    )
    return b.node("Concat", parts, out, axis=axis)


def regrouped(b: Builder, shape: Shape) -> Shape:
    """A shape with the same elements: merged neighbours, split dimensions, ones put in, or flat."""
    form = b.pick(("merge", "flat", "split", "ones", "same"))
    rank = len(shape)
    if form == "merge" and rank >= 2:
        at = b.integer(0, rank - 2)
        return (*shape[:at], shape[at] * shape[at + 1], *shape[at + 2 :])
    if form == "split" and rank < 5:
        for at in range(rank - 1, -1, -1):
            factor = next((f for f in (2, 3, 5, 7) if shape[at] % f == 0 and shape[at] > f), 0)
            if factor:
                return (*shape[:at], factor, shape[at] // factor, *shape[at + 1 :])
    if form == "ones" and rank < 5:
        at = b.integer(0, rank)
        return (*shape[:at], 1, *shape[at:])
    if form == "same":
        return shape
    return (1, elements(shape)) if not b.flag(3) else (elements(shape),)


@operator("Reshape", want=FILLED)
def reshape(b: Builder, x: Value) -> Value:
    """("Reshape") literal sizes, one -1, or 0 for a size that stays."""
    shape = regrouped(b, x.shape)
    written = list(shape)
    for i, size in enumerate(shape):
        if i < x.rank and x.shape[i] == size and b.flag(4):
            written[i] = 0
    if written and b.flag():
        written[b.integer(0, len(written) - 1)] = -1
    return b.node("Reshape", [x, b.ints(written)], b.like(x, shape=shape))


@operator("Transpose", want=RANKED)
def transpose(b: Builder, x: Value) -> Value:
    """("Transpose") any permutation; pnnx: never the default, which reverses."""
    if b.rare():
        return b.node("Transpose", [x], b.like(x, shape=x.shape[::-1]))
    rest = list(range(x.rank))
    keep = x.rank > 2 and not b.flag(3)
    perm = [rest.pop(0)] if keep else []
    while rest:
        perm.append(rest.pop(len(rest) - 1 - b.integer(0, len(rest) - 1)))
    return b.node("Transpose", [x], b.like(x, shape=tuple(x.shape[p] for p in perm)), perm=perm)


@operator("Flatten", want=FILLED)
def flatten(b: Builder, x: Value) -> Value:
    """("Flatten") to a matrix, split at ``axis``; negative axes since opset 11."""
    axes = [None, *range(1, x.rank + 1), 0, *(range(-1, -x.rank - 1, -1) if b.opset >= 11 else ())]
    axis = b.pick(axes)
    at = 1 if axis is None else axis % x.rank if axis < 0 else axis
    shape = (elements(x.shape[:at]), elements(x.shape[at:]))
    return b.node("Flatten", [x], b.like(x, shape=shape), axis=axis)


def _axes_node(b: Builder, op_type: str, x: Value, axes: list[int] | None, shape: Shape) -> Value:
    """Squeeze and Unsqueeze: axes are an attribute up to opset 12, an input from 13."""
    out = b.like(x, shape=shape)
    if axes is None:
        return b.node(op_type, [x], out)
    if b.opset >= 13:
        return b.node(op_type, [x, b.ints(axes)], out)
    return b.node(op_type, [x], out, axes=axes)


@operator(
    "Squeeze",
    want=Want(
        ranks=(3, 4, 2, 5), dtypes=ANY, lo=-1e6, hi=1e6, where=lambda s: 1 in s, shape=lambda b: one_inside(b)
    ),
)
def squeeze(b: Builder, x: Value) -> Value:
    """("Squeeze") some or all 1-sized dimensions."""
    ones = [i for i, d in enumerate(x.shape) if d == 1]
    if b.flag(8):
        return _axes_node(b, "Squeeze", x, None, tuple(d for d in x.shape if d != 1))
    chosen = [i for i in reversed(ones) if b.flag()] or [ones[-1]]
    written = [i - x.rank if b.opset >= 11 and b.flag(3) else i for i in sorted(chosen)]
    return _axes_node(b, "Squeeze", x, written, tuple(d for i, d in enumerate(x.shape) if i not in chosen))


def one_inside(b: Builder) -> Shape:
    """A shape with at least one 1 behind the batch axis."""
    shape = list(b.shape((3, 4, 2, 5)))
    shape[b.integer(1, len(shape) - 1)] = 1
    return tuple(shape)


@operator("Unsqueeze", want=Want(ranks=(2, 3, 1, 4, 0), dtypes=ANY, lo=-1e6, hi=1e6))
def unsqueeze(b: Builder, x: Value) -> Value:
    """("Unsqueeze") axes count in the output's rank; negative since opset 11."""
    # Most tensors of rank 5 don't fit ncnn.
    count = b.integer(1, 5 - x.rank if b.flag(6) else max(1, min(2, 4 - x.rank)))
    rank = x.rank + count
    first = b.integer(0, rank - 1)
    axes = sorted({(first + i) % rank for i in range(count)})
    dims = iter(x.shape)
    shape = tuple(1 if i in axes else next(dims) for i in range(rank))
    written = [a - rank if b.opset >= 11 and b.flag(3) else a for a in axes]
    return _axes_node(b, "Unsqueeze", x, written, shape)


@operator("Slice", want=FILLED)
def slice_(b: Builder, x: Value) -> Value:
    """("Slice") several axes, negative starts, open ends, steps; all attributes below opset 10.

    pnnx: steps of one, and axes written out where they are an input.
    """
    axes = some_axes(b, x.rank)
    starts, ends, steps, shape = [], [], [], list(x.shape)
    stepping = b.opset >= 10 and b.rare()
    for axis in axes:
        size = x.shape[axis]
        step = b.weighted(((1, 2.0), (2, 3.0), (3, 1.0), (-1, 1.0), (-2, 1.0))) if stepping else 1
        lo = b.integer(0, size - 1)
        hi = size - b.integer(0, size - 1 - lo)
        if step > 0:
            shape[axis] = len(range(lo, hi, step))
            starts.append(lo - size if b.flag(3) else lo)
            open_end = hi == size and b.flag()
            ends.append(2**31 - 1 if open_end else hi - size if hi < size and b.flag(3) else hi)
        else:
            shape[axis] = len(range(hi - 1, lo - 1, step))
            starts.append(hi - 1)
            ends.append(lo - 1 if lo else -(2**31) + 1)
        steps.append(step)
    out = b.like(x, shape=tuple(shape))
    written = [a - x.rank if b.opset >= 11 and b.flag(4) else a for a in axes]
    leave_axes = list(axes) == list(range(len(axes))) and (b.opset < 10 or b.rare()) and b.flag()
    if b.opset < 10:
        return b.node("Slice", [x], out, starts=starts, ends=ends, axes=None if leave_axes else list(axes))
    leave_steps = all(s == 1 for s in steps) and not b.flag()
    extra = [None if leave_axes else b.ints(written), None if leave_steps else b.ints(steps)]
    return b.node("Slice", [x, b.ints(starts), b.ints(ends), *extra], out)


@operator(
    "Split",
    want=Want(
        ranks=(2, 3, 4, 5, 1),
        dtypes=FLOATS,
        lo=-1e6,
        hi=1e6,
        where=lambda s: max(s) >= 2,
        shape=lambda b: two_inside(b),
    ),
)
def split(b: Builder, x: Value) -> list[Value]:
    """("Split") sizes as attribute (up to 12) or input, or equal parts (num_outputs from 18)."""
    axes = [i for i in range(x.rank) if x.shape[i] >= 2]
    at = b.pick(axes[::-1])
    size = x.shape[at]
    parts = b.integer(2, min(4, size))
    equal = size % parts == 0 and not b.flag()
    if equal:
        sizes = [size // parts] * parts
    else:
        sizes, left = [], size
        for i in range(parts - 1, 0, -1):
            sizes.append(b.integer(1, left - i))
            left -= sizes[-1]
        sizes.append(left)
    outs = [b.like(x, shape=(*x.shape[:at], s, *x.shape[at + 1 :])) for s in sizes]
    axis = at - x.rank if b.opset >= 11 and b.flag(3) else None if at == 0 and b.flag() else at
    if equal and b.flag():
        return b.nodes_out("Split", [x], outs, axis=axis, num_outputs=parts if b.opset >= 18 else None)
    if b.opset < 13:
        return b.nodes_out("Split", [x], outs, axis=axis, split=sizes)
    return b.nodes_out("Split", [x, b.ints(sizes)], outs, axis=axis)


def two_inside(b: Builder) -> Shape:
    """A shape with at least one dimension to split."""
    shape = list(b.shape((2, 3, 4, 5, 1)))
    shape[-1] = max(2, shape[-1])
    return tuple(shape)


@operator("Pad", want=Want(ranks=(4, 3, 2, 5, 1), lo=-LIMIT, hi=LIMIT, where=lambda s: 0 not in s))
def pad(b: Builder, x: Value) -> Value:
    """("Pad") constant, reflect, edge; on the spatial dimensions mostly; an input from opset 11.

    pnnx: with a mode only, the default one (constant) written out. ncnn has no batch axis to pad.
    """
    mode = b.weighted((("constant", 4.0), ("reflect", 2.0), ("edge", 2.0))) if not b.rare() else None
    first = min(2, x.rank - 1)
    if b.flag(8):
        first = 0 if x.rank < 4 or b.rare() else 1
    begins, ends = [0] * x.rank, [0] * x.rank
    room = MAX_ELEMENTS // elements(x.shape)
    for i in range(first, x.rank):
        most = min(3, x.shape[i] - 1) if mode == "reflect" else 3
        begins[i] = b.integer(0, most) if room >= 4 else 0
        ends[i] = b.integer(0, most) if room >= 4 else 0
        room //= max(1, -(-(x.shape[i] + begins[i] + ends[i]) // x.shape[i]))
    shape = tuple(p + d + q for p, d, q in zip(begins, x.shape, ends, strict=True))
    number = b.pick((None, 0.0, 1.0, -2.5, 0.1)) if mode in (None, "constant") else None
    filler = number or 0.0
    out = b.like(x, shape=shape, lo=min(x.lo, filler), hi=max(x.hi, filler))
    if b.opset < 11:
        return b.node("Pad", [x], out, pads=begins + ends, mode=mode, value=number)
    constant = None
    if number is not None:
        constant = b.constant(np.array(number, dtype=x.dtype.numpy), x.dtype, shape_data=False)
    return b.node("Pad", [x, b.ints(begins + ends), constant], out, mode=mode)


@operator("Dropout", vanishes=True)
def dropout(b: Builder, x: Value) -> Value:
    """("Dropout") does nothing at inference; ratio is an attribute up to opset 11."""
    ratio = b.pick((None, 0.3)) if b.opset < 12 else None
    return b.node("Dropout", [x], b.like(x), ratio=ratio)


@operator(
    "DepthToSpace",
    want=Want(ranks=(4,), shape=lambda b: blocked(b), where=lambda s: s[1] % 4 == 0 and s[1] > 0),
)
def depth_to_space(b: Builder, x: Value) -> Value:
    """("DepthToSpace") mode since opset 11; pnnx: CRD only."""
    blocks = [n for n in (2, 3, 4) if x.shape[1] % (n * n) == 0]
    n = b.pick(blocks)
    batch, channels, height, width = x.shape
    mode = "CRD" if b.opset >= 11 and not b.rare() else b.pick((None, "DCR")) if b.opset >= 11 else None
    out = b.like(x, shape=(batch, channels // n // n, height * n, width * n))
    return b.node("DepthToSpace", [x], out, blocksize=n, mode=mode)


def blocked(b: Builder) -> Shape:
    """An image whose channels hold a square block."""
    block = b.pick((4, 8, 12, 16, 36))
    return (b.batch(), block, b.size(9), b.size(9))
