"""Operators that repeat, fill or describe: Expand, Tile, ranges, shapes, triangles, blocks.

Those whose output does not depend on the numbers of the input (``Shape``, ``Range``, ``EyeLike``, …) are
mostly joined with the main input again, the way models use them.
"""

from __future__ import annotations

import numpy as np

from strategies.builder import LIMIT, Builder, Value, Want
from strategies.dtypes import DTYPES, FLOAT32, FLOAT64, FLOATS, INT64, INTS
from strategies.initializers import tensor
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, broadcast, elements

ANY = FLOATS | INTS
FILLED = Want(ranks=(2, 3, 4, 5, 1), dtypes=ANY, lo=-1e6, hi=1e6, where=lambda s: 0 not in s)
ADDABLE = Want(
    ranks=(2, 3, 4, 1), dtypes=frozenset({FLOAT32}), lo=-LIMIT, hi=LIMIT, where=lambda s: 0 not in s
)


def _with_ones(b: Builder) -> Shape:
    """A shape with something to expand."""
    shape = list(b.shape((2, 3, 4, 5, 1)))
    for i in range(min(1, len(shape) - 1), len(shape)):
        shape[i] = 1 if b.flag() else min(shape[i], 9)
    return tuple(shape)


@operator(
    "Expand",
    want=Want(
        ranks=(2, 3, 4, 5, 1, 0), dtypes=ANY, lo=-1e6, hi=1e6, shape=_with_ones, where=lambda s: 0 not in s
    ),
)
def expand(b: Builder, x: Value) -> Value:
    """("Expand") the given shape broadcasts both ways: it may be shorter, or hold ones."""
    room = MAX_ELEMENTS // max(elements(x.shape), 1)
    wanted = []
    for size in x.shape:
        wanted.append(b.size(min(room, 9)) if size == 1 else 1 if b.flag(3) else size)
        room = max(1, room // wanted[-1]) if size == 1 else room
    if b.flag(6) and x.rank < 5:
        wanted.insert(0, b.pick((1, 2)) if room >= 2 else 1)
    elif b.flag(6):
        wanted = wanted[1:]
    shape = broadcast(x.shape, tuple(wanted))
    return b.node("Expand", [x, b.ints(wanted)], b.like(x, shape=shape))


@operator("Tile", want=FILLED, pnnx=False)
def tile(b: Builder, x: Value) -> Value:
    """("Tile") repeats, one per dimension; a zero would leave nothing, so none is drawn."""
    room = MAX_ELEMENTS // elements(x.shape)
    repeats = [1] * x.rank
    for i in range(x.rank - 1, -1, -1):
        repeats[i] = b.weighted(((2, 3.0), (1, 4.0), (3, 1.5), (5, 0.5))) if i or b.flag(6) else 1
        repeats[i] = repeats[i] if repeats[i] <= room else 1
        room //= repeats[i]
    shape = tuple(d * r for d, r in zip(x.shape, repeats, strict=True))
    return b.node("Tile", [x, b.ints(repeats)], b.like(x, shape=shape))


def _even(b: Builder) -> Shape:
    block = b.pick((2, 3, 4))
    return (b.batch(), b.channels(9), b.pick((1, 2, 3)) * block, b.pick((1, 2, 3, 5)) * block)


def _blocks(shape: Shape) -> list[int]:
    return [n for n in (2, 3, 4) if shape[2] % n == 0 and shape[3] % n == 0]


@operator(
    "SpaceToDepth",
    want=Want(ranks=(4,), shape=_even, where=lambda s: 0 not in s and bool(_blocks(s))),
)
def space_to_depth(b: Builder, x: Value) -> Value:
    """("SpaceToDepth") blocks of the image to channels."""
    batch, channels, height, width = x.shape
    n = b.pick(_blocks(x.shape))
    out = b.like(x, shape=(batch, channels * n * n, height // n, width // n))
    return b.node("SpaceToDepth", [x], out, blocksize=n)


@operator("Trilu", since=14, want=Want(ranks=(2, 3, 4), dtypes=FLOATS, lo=-1e6, hi=1e6), pnnx=False)
def trilu(b: Builder, x: Value) -> Value:
    """("Trilu") upper or lower triangle from diagonal ``k``, which may lie outside."""
    k = b.pick((None, 0, 1, -1, 2, -3, 40))
    diagonal = None if k is None else b.constant(np.array(k, dtype=np.int64), INT64, shape_data=False)
    out = b.like(x, lo=min(x.lo, 0.0), hi=max(x.hi, 0.0))
    return b.node("Trilu", [x, diagonal], out, upper=b.pick((None, 1, 0)))


def _described(b: Builder, x: Value) -> Value:
    first, last = None, None
    if b.opset >= 15 and b.flag(3):
        first, last = b.pick((0, 1, -1)), b.pick((None, x.rank, -1))
    dims = x.shape[first:last]
    most = max(dims, default=0)
    return b.node("Shape", [x], Value("", INT64, (len(dims),), 0, most), start=first, end=last)


@operator(
    "Shape",
    want=FILLED,
    emits=("Shape", "Gather", "Unsqueeze", "Concat", "Reshape"),
)
def shape_(b: Builder, x: Value) -> Value:
    """("Shape") as exporters flatten: a size, joined with -1, fed to Reshape; alone at the rare rate."""
    if b.rare():
        return _described(b, x)
    dims = b.node("Shape", [x], Value("", INT64, (x.rank,), 1, max(x.shape)))
    at = x.rank - 1 - b.integer(0, x.rank - 1)
    if x.rank == 2 and x.shape[at] == x.shape[0]:
        at = 1  # a Reshape to the shape that x has would be dropped
    size = x.shape[at]
    one = Value("", INT64, (), size, size)
    index = b.constant(np.array(at, dtype=np.int64), INT64, shape_data=True)
    picked = b.node("Gather", [dims, index], one, axis=0)
    lifted = b.like(one, shape=(1,))
    if b.opset >= 13:
        vector = b.node("Unsqueeze", [picked, b.ints([0])], lifted)
    else:
        vector = b.node("Unsqueeze", [picked], lifted, axes=[0])
    target = b.node("Concat", [vector, b.ints([-1])], Value("", INT64, (2,), -1, size), axis=0)
    return b.node("Reshape", [x, target], b.like(x, shape=(size, elements(x.shape) // size)))


@operator("Size", want=ADDABLE, emits=("Size", "Cast", "Div"), pnnx=False)
def size_(b: Builder, x: Value) -> Value:
    """("Size") alone (rarely), or the divisor of a mean."""
    count = elements(x.shape)
    number = b.node("Size", [x], Value("", INT64, (), count, count))
    if b.weighted(((True, 0.3), (False, 4.0))):
        return number
    divisor = b.node("Cast", [number], b.like(number, dtype=FLOAT32), to=FLOAT32.code)
    return b.node("Div", [x, divisor], b.like(x))


@operator("Range", since=11, want=ADDABLE, emits=("Range", "Cast", "Add"))
def range_(b: Builder, x: Value) -> Value:
    """("Range") positions added to the last dimension; steps of any sign."""
    size = x.shape[-1]
    dtype = b.pick((FLOAT32, INT64, FLOAT64))
    start, step = b.pick((0, 1, -2, 5)), b.pick((1, 2, -1))
    stop = start + step * size
    ends = [b.constant(np.array(v, dtype=dtype.numpy), dtype) for v in (start, stop, step)]
    last = stop - step
    row = b.node("Range", ends, Value("", dtype, (size,), min(start, last), max(start, last), constant=True))
    if dtype is not FLOAT32:
        row = b.node("Cast", [row], b.like(row, dtype=FLOAT32, constant=True), to=FLOAT32.code)
    return b.node("Add", [x, row], b.like(x, lo=x.lo + row.lo, hi=x.hi + row.hi))


@operator("ConstantOfShape", since=9, want=ADDABLE, emits=("ConstantOfShape", "Shape", "Cast", "Sub"))
def constant_of_shape(b: Builder, x: Value) -> Value:
    """("ConstantOfShape") of a constant shape or of the input's own; any type, zero by default."""
    dtype = b.pick([d for d in DTYPES if d.name not in ("bfloat16", "bool")])
    number = b.pick((None, 1.0, 3.0, 0.0, *((-2.0,) if dtype.kind != "u" else ())))
    if number is None:
        dtype = FLOAT32
    own = b.flag(3)
    sizes = b.node("Shape", [x], Value("", INT64, (x.rank,), 1, max(x.shape))) if own else None
    shape = x.shape if own or b.flag() else x.shape[1:]
    filler = number or 0.0
    out = Value("", dtype, shape, filler, filler, constant=not own)
    value = None if number is None else tensor("", np.array([number], dtype=dtype.numpy), dtype)
    made = b.node("ConstantOfShape", [sizes or b.ints(shape)], out, value=value)
    if dtype is not FLOAT32:
        made = b.node("Cast", [made], b.like(made, dtype=FLOAT32), to=FLOAT32.code)
    # Adding a zero would be dropped whole, so the constant is the minuend.
    return b.node("Sub", [made, x], b.like(x, lo=filler - x.hi, hi=filler - x.lo))


@operator(
    "EyeLike",
    since=9,
    want=Want(ranks=(2,), dtypes=frozenset({FLOAT32})),
    emits=("EyeLike", "Mul"),
    pnnx=False,
)
def eye_like(b: Builder, x: Value) -> Value:
    """("EyeLike") ones on diagonal ``k``; alone (rarely), or as a mask."""
    eye = b.node(
        "EyeLike", [x], b.like(x, lo=0.0, hi=1.0), k=b.pick((None, 0, 1, -1)), dtype=b.pick((None, 1))
    )
    if b.weighted(((True, 0.5), (False, 4.0))):
        return eye
    return b.node("Mul", [x, eye], b.like(x, lo=min(x.lo, 0.0), hi=max(x.hi, 0.0)))
