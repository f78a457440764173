"""Operators that read an image at computed places, and windows that are seldom used."""

from __future__ import annotations

import numpy as np

from fuzzconv.case import Array
from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, INT64
from strategies.operators.conv import ones_left_out, window, zeros_left_out
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

ONLY_FLOAT32 = frozenset({FLOAT32})


def _image(b: Builder) -> Shape:
    return (b.batch(), b.channels(17), b.size(13), b.size(13))


IMAGE = Want(ranks=(4,), dtypes=ONLY_FLOAT32, shape=_image, where=lambda s: 0 not in s)


def _positions(b: Builder, size: int, shape: Shape, align: bool) -> Array:
    """Normalised coordinates 0.2 of a pixel beside random pixels, away from where the nearest one changes."""
    rng = np.random.default_rng(b.integer(0, 255))
    pixels = rng.integers(0, size, shape) + rng.choice([-0.2, 0.2], shape)
    if align:
        return np.asarray(pixels * 2 / max(size - 1, 1) - 1)
    return np.asarray((pixels * 2 + 1) / size - 1)


@operator("GridSample", since=16, want=IMAGE)
def grid_sample(b: Builder, x: Value) -> Value:
    """("GridSample") bilinear, bicubic, nearest (other names since opset 20); three paddings."""
    batch, channels, height, width = x.shape
    side = max(1, int((MAX_ELEMENTS // (batch * channels)) ** 0.5))
    shape = (batch, b.size(min(side, 13)), b.size(min(side, 13)), 2)
    new = b.opset >= 20
    mode = b.weighted(
        (
            (None, 1.0),
            ("linear" if new else "bilinear", 3.0),
            ("nearest", 1.0),
            ("cubic" if new else "bicubic", 1.0),
        )
    )
    align = b.pick((None, 0, 1))
    if mode == "nearest":
        axes = [_positions(b, size, shape[:3], align == 1) for size in (width, height)]
        grid = b.constant(np.stack(axes, axis=-1).astype(np.float32), FLOAT32, shape_data=False)
    else:
        reach = b.pick((0.95, 1.2))
        grid = b.input(shape, FLOAT32, -reach, reach) if b.flag() else b.weight(shape, -reach, reach, FLOAT32)
    bound = x.bound * (4.0 if mode in ("cubic", "bicubic") else 1.0)
    return b.node(
        "GridSample",
        [x, grid],
        b.like(x, shape=(batch, channels, *shape[1:3]), lo=-bound, hi=bound),
        mode=mode,
        padding_mode=b.pick((None, "zeros", "border", "reflection")),
        align_corners=align,
    )


@operator(
    "AffineGrid",
    since=20,
    want=Want(
        ranks=(3,), dtypes=ONLY_FLOAT32, shape=lambda b: (b.batch(), 2, 3), where=lambda s: s[1:] == (2, 3)
    ),
    pnnx=False,
)
def affine_grid(b: Builder, x: Value) -> Value:
    """("AffineGrid") theta (N, 2, 3) to a grid of an image's size."""
    height, width = b.size(13), b.size(13)
    out = b.like(x, shape=(x.shape[0], height, width, 2), lo=-3 * x.bound, hi=3 * x.bound)
    return b.node(
        "AffineGrid", [x, b.ints([x.shape[0], 1, height, width])], out, align_corners=b.pick((None, 0, 1))
    )


@operator("LpPool", since=11, want=Want(ranks=(4, 3, 5), dtypes=ONLY_FLOAT32, lo=-100, hi=100), pnnx=False)
def lp_pool(b: Builder, x: Value) -> Value:
    """("LpPool") p-norm of windows; ceil_mode and dilations since opset 18."""
    modern = b.opset >= 18
    w = window(b, x.shape[2:], dilate=modern, pad_limit=True)
    count = elements(w.kernel)
    return b.node(
        "LpPool",
        [x],
        b.like(x, shape=(*x.shape[:2], *w.out), lo=0.0, hi=x.bound * count),
        kernel_shape=w.kernel,
        strides=ones_left_out(b, w.strides),
        dilations=ones_left_out(b, w.dilations) if modern else None,
        pads=zeros_left_out(b, w.pads, w.auto_pad),
        auto_pad=w.auto_pad,
        p=b.pick((None, 2, 1, 3)),
    )


@operator(
    "CenterCropPad", since=18, want=Want(ranks=(4, 3, 2), dtypes=ONLY_FLOAT32, lo=-1e4, hi=1e4), pnnx=False
)
def center_crop_pad(b: Builder, x: Value) -> Value:
    """("CenterCropPad") each named axis cropped or padded to a size, about its middle."""
    axes = list(range(b.integer(0, x.rank - 1), x.rank))
    shape = list(x.shape)
    for i in axes:
        room = MAX_ELEMENTS * shape[i] // max(elements(tuple(shape)), 1)
        shape[i] = b.size(max(1, min(room, 17)))
    named = axes if len(axes) < x.rank or b.flag() else None
    out = b.like(x, shape=tuple(shape), lo=min(x.lo, 0.0), hi=max(x.hi, 0.0))
    return b.node("CenterCropPad", [x, b.ints([shape[i] for i in axes])], out, axes=named)


def _columns(b: Builder) -> Shape:
    return (b.batch(), b.pick((1, 2, 3, 5)) * 4, b.pick((2, 1, 3, 4)) * b.pick((2, 1, 3, 5)))


@operator(
    "Col2Im",
    since=18,
    want=Want(ranks=(3,), dtypes=ONLY_FLOAT32, shape=_columns, where=lambda s: s[1] % 4 == 0 and 0 not in s),
    pnnx=False,
)
def col_to_im(b: Builder, x: Value) -> Value:
    """("Col2Im") columns of 2 by 2 blocks summed into an image, the blocks side by side or overlapping."""
    batch, rows, count = x.shape
    high = b.pick([n for n in (1, 2, 3, 4, 5) if count % n == 0])
    stride = b.pick((1, 2))
    height, width = ((n - 1) * stride + 2 for n in (high, count // high))
    out = b.like(x, shape=(batch, rows // 4, height, width), lo=-4 * x.bound, hi=4 * x.bound)
    nodes = [x, b.ints([height, width]), b.ints([2, 2])]
    return b.node("Col2Im", nodes, out, strides=[stride, stride] if stride > 1 or b.flag() else None)


@operator(
    "RoiAlign", since=16, until=21, want=IMAGE, pnnx=False, note="onnxruntime has no kernel from opset 22"
)
def roi_align(b: Builder, x: Value) -> Value:
    """("RoiAlign") averages over regions inside the image (the maximum would jump between samples)."""
    batch, channels, height, width = x.shape
    count, rows, columns = b.pick((1, 2, 3)), b.pick((1, 2, 3)), b.pick((1, 2, 5))
    rng = np.random.default_rng(b.integer(0, 255))
    starts = rng.uniform(0.1, 0.4, (count, 2)) * (width - 1, height - 1)
    ends = rng.uniform(0.6, 0.9, (count, 2)) * (width - 1, height - 1)
    rois = b.constant(np.concatenate([starts, ends], axis=1).astype(np.float32), FLOAT32, shape_data=False)
    images = b.constant(rng.integers(0, batch, count).astype(np.int64), INT64, shape_data=False)
    return b.node(
        "RoiAlign",
        [x, rois, images],
        b.like(x, shape=(count, channels, rows, columns), lo=-x.bound, hi=x.bound),
        output_height=rows,
        output_width=columns,
        sampling_ratio=b.pick((1, 2, 3)),
        coordinate_transformation_mode=b.pick((None, "half_pixel", "output_half_pixel")),
    )


@operator("DeformConv", since=19, want=IMAGE, pnnx=False)
def deform_conv(b: Builder, x: Value) -> Value:
    """("DeformConv") a convolution whose samples are moved by offsets, scaled by an optional mask."""
    batch, channels, height, width = x.shape
    kernel = (min(b.pick((1, 3, 2)), height), min(b.pick((1, 3, 2)), width))
    out = (height - kernel[0] + 1, width - kernel[1] + 1)
    outer = min(b.channels(9), max(1, MAX_ELEMENTS // (elements(out) * batch)))
    places = elements(kernel)
    scale = max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * channels * places)))
    weight = b.weight((outer, channels, *kernel), -scale, scale, FLOAT32)
    offset = b.partner((batch, 2 * places, *out), FLOAT32, -0.8, 0.8, widest=3.0)
    bias = b.weight((outer,), -2.0, 2.0, FLOAT32) if b.flag() else None
    mask = b.partner((batch, places, *out), FLOAT32, 0.0, 1.0, widest=1.0) if b.flag() else None
    bound = x.bound * channels * places + 2.0
    shape = (batch, outer, *out)
    return b.node("DeformConv", [x, weight, offset, bias, mask], b.like(x, shape=shape, lo=-bound, hi=bound))
