"""Convolutions with what stands before and after them: padding, normalisation, scale, bias, activation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.patterns.parts import ACTIVATIONS, SINGLE, activation, batch_norm, product_scale
from strategies.patterns.registry import pattern
from strategies.shapes import Shape, elements

IMAGE = Want(ranks=(4, 3, 5), lo=-100, hi=100, where=lambda s: 0 not in s, dtypes=SINGLE)


def _conv(b: Builder, x: Value, *, bias: bool, most: int = 17) -> Value:
    """A small convolution that keeps or shrinks the image, plain or depthwise."""
    batch, channels, *spatial = x.shape
    kernel = tuple(min(b.pick((1, 3, 2)), d) for d in spatial)
    depthwise = channels > 1 and b.flag(4)
    out_channels = channels if depthwise else b.channels(min(most, 17))
    fan_in = elements(kernel) * (1 if depthwise else channels)
    scale = product_scale(x, fan_in)
    w = b.weight((out_channels, 1 if depthwise else channels, *kernel), -scale, scale, x.dtype)
    c = b.weight((out_channels,), -2.0, 2.0, x.dtype) if bias else None
    bound = x.bound * fan_in * w.bound + 2.0
    shape = (batch, out_channels, *(d - k + 1 for d, k in zip(spatial, kernel, strict=True)))
    out = b.like(x, shape=shape, lo=-bound, hi=bound)
    return b.node("Conv", [x, w, c], out, kernel_shape=kernel, group=channels if depthwise else None)


def _conv_transpose(b: Builder, x: Value) -> Value:
    batch, channels, *spatial = x.shape
    kernel = tuple(b.pick((2, 1, 3)) for _ in spatial)
    stride = b.pick((1, 2))
    scale = product_scale(x, channels * elements(kernel))
    out_channels = b.channels(5)
    w = b.weight((channels, out_channels, *kernel), -scale, scale, x.dtype)
    bound = x.bound * channels * elements(kernel) * w.bound
    shape = (batch, out_channels, *((d - 1) * stride + k for d, k in zip(spatial, kernel, strict=True)))
    out = b.like(x, shape=shape, lo=-bound, hi=bound)
    strides = [stride] * len(spatial)
    return b.node("ConvTranspose", [x, w], out, kernel_shape=kernel, strides=strides)


@pattern("conv_activation", emits=("Conv", *ACTIVATIONS), want=IMAGE)
def conv_activation(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A convolution and its activation."""
    y = _conv(b, x, bias=b.flag())
    return [y, activation(b, y)]


@pattern("conv_batchnorm", emits=("Conv", "BatchNormalization"), want=IMAGE)
def conv_batchnorm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A convolution and its batch normalisation, which folds into the weights."""
    y = _conv(b, x, bias=b.flag())
    return [y, batch_norm(b, y)]


@pattern("conv_batchnorm_activation", emits=("Conv", "BatchNormalization", *ACTIVATIONS), want=IMAGE)
def conv_batchnorm_activation(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """The block that most image networks are made of."""
    y = _conv(b, x, bias=b.flag())
    z = batch_norm(b, y)
    return [y, z, activation(b, z)]


@pattern("deconv_batchnorm", emits=("ConvTranspose", "BatchNormalization", *ACTIVATIONS), want=IMAGE)
def deconv_batchnorm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A transposed convolution, batch normalisation and activation."""
    y = _conv_transpose(b, x)
    z = batch_norm(b, y)
    return [y, z, activation(b, z)]


@pattern("conv_add", emits=("Conv", "Add"), want=IMAGE, misses=("broadcast",))
def conv_add(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A bias written as an addition per channel; near miss: it runs along another axis."""
    y = _conv(b, x, bias=b.flag(3))
    c = b.weight(_per_channel(y.shape, miss), -2.0, 2.0, x.dtype)
    return [y, b.node("Add", [y, c], b.like(y, lo=y.lo - 2.0, hi=y.hi + 2.0))]


@pattern("conv_mul", emits=("Conv", "Mul"), want=IMAGE, misses=("broadcast",))
def conv_mul(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A scale per channel after a convolution; near miss: it runs along another axis."""
    y = _conv(b, x, bias=b.flag())
    c = b.weight(_per_channel(y.shape, miss), -2.0, 2.0, x.dtype)
    return [y, b.node("Mul", [y, c], b.like(y, lo=-2 * y.bound, hi=2 * y.bound))]


def _per_channel(shape: Shape, miss: str) -> Shape:
    if miss == "broadcast":
        return shape[-1:]
    return (shape[1], *(1,) * (len(shape) - 2))


@pattern(
    "residual",
    emits=("Conv", "Add", "GlobalAveragePool", *ACTIVATIONS),
    want=IMAGE,
    misses=("broadcast",),
)
def residual(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Two branches over one input, added and activated; near miss: one of them is pooled and broadcasts."""
    left = _conv(b, x, bias=True)
    if miss == "broadcast":
        shape = (*left.shape[:2], *(1,) * (left.rank - 2))
        right = b.node("GlobalAveragePool", [left], b.like(left, shape=shape))
    else:
        right = b.node("Sigmoid", [left], b.like(left, lo=0.0, hi=1.0))
    total = b.node("Add", [left, right], b.like(left, lo=left.lo + right.lo, hi=left.hi + right.hi))
    return [left, right, total, activation(b, total)]


@pattern("pad_conv", emits=("Pad", "Conv"), want=IMAGE, misses=("constant", "axis"))
def pad_conv(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Padding with zeros that a convolution can take over.

    Near misses: it pads with another number, or pads the channels too.
    """
    rank = x.rank
    first = 1 if miss == "axis" else 2
    begins = [0] * first + [b.integer(0, 2) for _ in range(rank - first)]
    ends = begins if not b.flag(3) else [0] * first + [b.integer(0, 2) for _ in range(rank - first)]
    filler = b.pick((1.0, -0.5)) if miss == "constant" else 0.0
    shape = tuple(p + d + q for p, d, q in zip(begins, x.shape, ends, strict=True))
    out = b.like(x, shape=shape, lo=min(x.lo, filler), hi=max(x.hi, filler))
    pads = [*begins, *ends]
    if b.opset < 11:
        padded = b.node("Pad", [x], out, pads=pads, mode="constant", value=filler)
    else:
        number = b.constant(np.array(filler, dtype=x.dtype.numpy), x.dtype, shape_data=False)
        padded = b.node("Pad", [x, b.ints(pads), number], out, mode="constant")
    return [padded, _conv(b, padded, bias=b.flag(), most=5)]


@pattern(
    "squeeze_excite",
    emits=("GlobalAveragePool", "Conv", "Sigmoid", "Mul", "Transpose"),
    want=IMAGE,
    misses=("axis",),
)
def squeeze_excite(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Channels weighted by their own means; near miss: the weights are those of the last axis."""
    pooled = b.node("GlobalAveragePool", [x], b.like(x, shape=(*x.shape[:2], *(1,) * (x.rank - 2))))
    size = x.shape[-1] if miss == "axis" else x.shape[1]
    scale = product_scale(pooled, x.shape[1])
    w = b.weight((size, x.shape[1], *(1,) * (x.rank - 2)), -scale, scale, x.dtype)
    bound = pooled.bound * x.shape[1] * w.bound
    mixed = b.node(
        "Conv", [pooled, w], b.like(pooled, shape=(x.shape[0], size, *pooled.shape[2:]), lo=-bound, hi=bound)
    )
    gate = b.node("Sigmoid", [mixed], b.like(mixed, lo=0.0, hi=1.0))
    if miss == "axis":
        order = [0, x.rank - 1, *range(2, x.rank - 1), 1]
        shape = tuple(gate.shape[i] for i in order)
        gate = b.node("Transpose", [gate], b.like(gate, shape=shape), perm=order)
    return [pooled, mixed, gate, b.node("Mul", [x, gate], b.like(x, lo=min(x.lo, 0.0), hi=max(x.hi, 0.0)))]
