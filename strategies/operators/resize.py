"""Resize and Upsample: every opset's form, away from coordinates at which nearest neighbours change.

A nearest-neighbour coordinate on the edge between two samples may fall on either side by rounding, so the
sizes drawn are those whose coordinates keep a distance from such edges, or whose arithmetic is exact
(ratios that are powers of two). Not generated: ``tf_crop_and_resize`` with a region that leaves the image.
"""

from __future__ import annotations

from math import floor, log2

import numpy as np

from strategies.builder import LIMIT, Builder, Value, Want
from strategies.dtypes import FLOAT32
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

SCALES = (2.0, 1.0, 3.0, 0.5, 1.5, 4.0, 0.75, 1.25, 2.5, 0.625)
"""Sums of a few powers of two, so that size times scale is exact in float32."""

EDGES = {"round_prefer_floor": 0.5, "round_prefer_ceil": 0.5, "floor": 0.0, "ceil": 0.0}
"""Where each nearest_mode jumps, modulo one."""

IMAGE = Want(ranks=(4, 3, 5), lo=-LIMIT, hi=LIMIT, where=lambda s: 0 not in s)


def coordinate(mode: str, at: int, size: int, out: int, scale: float) -> float:
    """The input coordinate of output ``at`` ("Resize", coordinate_transformation_mode)."""
    match mode:
        case "asymmetric":
            return at / scale
        case "align_corners":
            return at * (size - 1) / (out - 1) if out > 1 else 0.0
        case "pytorch_half_pixel" if out == 1:
            return 0.0
        case "tf_half_pixel_for_nn":
            return (at + 0.5) / scale
        case "half_pixel_symmetric":
            return size / 2 * (1 - out / (scale * size)) + (at + 0.5) / scale - 0.5
        case _:
            return (at + 0.5) / scale - 0.5


def steady(mode: str, nearest: str, size: int, out: int, scale: float) -> bool:
    """Whether no output's nearest neighbour hangs on rounding."""
    ratio = (size - 1) / (out - 1) if mode == "align_corners" and out > 1 and size > 1 else scale
    if ratio > 0 and log2(ratio).is_integer():
        return True
    edge = EDGES[nearest]
    for at in range(out):
        x = coordinate(mode, at, size, out, scale) - edge
        if x + edge != 0.0 and abs(x - round(x)) < 1e-3:
            return False
    return True


def _mode(b: Builder, rank: int) -> str | None:
    """Interpolation; cubic only for images, as onnxruntime has it."""
    linear = 4.0 if b.opset >= 11 else 0.3  # see upsample
    modes: list[tuple[str | None, float]] = [(None, 0.2), ("nearest", 3.0), ("linear", linear)]
    if b.opset >= 11 and rank == 4:
        modes.append(("cubic", 2.0))
    return b.weighted(modes)


def _transformation(b: Builder, mode: str | None) -> str | None:
    known = [("half_pixel", 4.0), ("align_corners", 2.0), ("pytorch_half_pixel", 1.0), ("asymmetric", 3.0)]
    if b.opset < 13 and mode in (None, "nearest"):
        known.append(("tf_half_pixel_for_nn", 0.3))
    if b.opset >= 19:
        known.append(("half_pixel_symmetric", 0.5))
    return b.weighted([(None, 2.0), *known])


def _target(b: Builder, size: int, room: int) -> tuple[float, int]:
    """A scale and the size it gives."""
    fits = [s for s in SCALES if 1 <= floor(size * s) <= max(room, size)]
    scale: float = b.pick(fits or (1.0,))
    return scale, floor(size * scale)


@operator("Resize", since=10, want=IMAGE)
def resize(b: Builder, x: Value) -> Value:
    """("Resize") scales or sizes; antialias, axes and keep_aspect_ratio_policy since opset 18."""
    mode = _mode(b, x.rank)
    transformation = _transformation(b, mode) if b.opset >= 11 else None
    nearest = None
    if b.opset >= 11 and mode in (None, "nearest"):
        nearest = b.weighted((("floor", 5.0), (None, 1.0), *((m, 0.4) for m in EDGES if m != "floor")))
    by_sizes = b.opset >= 11 and b.flag()
    # onnxruntime interpolates over spatial dimensions only.
    first = 0 if mode in (None, "nearest") and b.rare() else 2
    shape, scales = _sizes(b, x.shape, first, mode, transformation, nearest, by_sizes)
    out = _ranged(x, shape, mode)
    if b.opset < 11:
        return b.node("Resize", [x, _floats(b, scales)], out, mode=mode)
    axes = list(range(first, x.rank)) if b.opset >= 18 and b.rare() else None
    written = range(x.rank) if axes is None else axes
    empty = b.constant(np.zeros(0, dtype=np.float32), FLOAT32) if b.opset < 13 or b.flag(6) else None
    second = b.ints([shape[i] for i in written]) if by_sizes else None
    factors = (empty if b.opset < 13 else None) if by_sizes else _floats(b, [scales[i] for i in written])
    cubic = mode == "cubic"
    smooth = mode in ("cubic", "linear")
    return b.node(
        "Resize",
        [x, empty, factors, second],
        out,
        mode=mode,
        coordinate_transformation_mode=transformation,
        nearest_mode=nearest,
        cubic_coeff_a=b.pick((None, -0.5)) if cubic else None,
        exclude_outside=1 if cubic and b.flag(6) else None,
        antialias=1 if smooth and b.opset >= 18 and b.rare() else None,
        axes=axes,
        keep_aspect_ratio_policy="stretch" if by_sizes and b.opset >= 18 and b.flag(6) else None,
    )


def _sizes(
    b: Builder,
    shape: Shape,
    first: int,
    mode: str | None,
    transformation: str | None,
    nearest: str | None,
    by_sizes: bool,
) -> tuple[Shape, list[float]]:
    """The output shape, and the scale of each dimension."""
    sizes, scales = list(shape), [1.0] * len(shape)
    room = MAX_ELEMENTS / max(elements(shape), 1)
    same = b.flag()
    for i in range(first, len(shape)):
        size = shape[i]
        scale, out = _target(b, size, int(size * room ** (1 / (len(shape) - first))))
        if same and i > first and floor(size * scales[first]) >= 1:
            scale, out = scales[first], floor(size * scales[first])
        if by_sizes and b.flag(3):
            out = min(b.size(), max(1, int(size * room ** (1 / (len(shape) - first)))))
        if by_sizes:
            scale = out / size
        if mode in (None, "nearest"):
            old = b.opset < 11
            kind = "asymmetric" if old else transformation or "half_pixel"
            edge = "floor" if old else nearest or "round_prefer_floor"
            if not steady(kind, edge, size, out, scale):
                scale, out = 1.0, size
        sizes[i], scales[i] = out, scale
    if tuple(sizes) == shape and not b.flag(8):
        # Nothing would change, which converters drop: one bug that is not to drown the others.
        last = shape[-1]
        if elements(shape) * 2 <= MAX_ELEMENTS and (transformation != "align_corners" or last == 1):
            sizes[-1], scales[-1] = last * 2, 2.0
    return tuple(sizes), scales


def _floats(b: Builder, numbers: list[float]) -> Value:
    return b.constant(np.array(numbers, dtype=np.float32), FLOAT32)


def _ranged(x: Value, shape: Shape, mode: str | None) -> Value:
    """The type and range of the result: cubic weights overshoot, to a sum of magnitudes below two."""
    bound = x.bound * 4.0 if mode == "cubic" else x.bound
    return Value("", x.dtype, shape, -bound, bound)


@operator("Upsample", until=9, want=IMAGE)
def upsample(b: Builder, x: Value) -> Value:
    """("Upsample-9") scales as an input, at least 1; the predecessor of Resize."""
    # The coordinates of linear are open before opset 11, so that nothing can be said about the values.
    linear = (("linear", 0.3),) if x.rank != 5 else ()
    mode = None if b.rare() else b.weighted((("nearest", 4.0), *linear))
    wanted = [b.pick((2.0, 4.0, 1.0, 3.0) if mode == "linear" else (2.0, 4.0, 1.0)) for _ in x.shape[2:]]
    room = MAX_ELEMENTS / max(elements(x.shape), 1)
    scales = [1.0, 1.0, *(s if room >= s ** (x.rank - 2) else 1.0 for s in wanted)]
    shape = tuple(floor(d * s) for d, s in zip(x.shape, scales, strict=True))
    return b.node("Upsample", [x, _floats(b, scales)], _ranged(x, shape, mode), mode=mode)
