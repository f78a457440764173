"""Normalisations written out in means and roots."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32
from strategies.patterns.parts import SINGLE, add, mul, number, reduce_mean, scalar
from strategies.patterns.registry import pattern
from strategies.shapes import Shape

ROWS = Want(
    ranks=(3, 2, 4),
    lo=-30,
    hi=30,
    where=lambda s: 0 not in s and s[-1] > 1,
    dtypes=SINGLE,
    shape=lambda b: _rows(b),
)
IMAGE = Want(ranks=(4,), lo=-30, hi=30, where=lambda s: 0 not in s and s[1] > 1, dtypes=SINGLE)
EPSILONS = (1e-5, 1e-3, 0.1)


def _rows(b: Builder) -> Shape:
    shape = b.shape((3, 2, 4))
    return (*shape[:-1], max(2, shape[-1]))


def _centred(b: Builder, x: Value, axes: Sequence[int]) -> tuple[Value, Value]:
    mean = reduce_mean(b, x, axes)
    centred = b.node("Sub", [x, mean], b.like(x, lo=x.lo - x.hi, hi=x.hi - x.lo))
    return mean, centred


def _root(b: Builder, variance: Value) -> tuple[Value, Value]:
    shifted = add(b, variance, scalar(b, variance, b.pick(EPSILONS)))
    root = b.node("Sqrt", [shifted], b.like(shifted, lo=1e-3, hi=max(1.0, shifted.hi)))
    return shifted, root


def _squared(b: Builder, x: Value, miss: str) -> Value:
    """x squared; near miss: another exponent that keeps it positive."""
    top = max(1.0, x.bound**4)
    if miss != "constant" and b.flag(3):
        return b.node("Mul", [x, x], b.like(x, lo=0.0, hi=top))
    return b.node("Pow", [x, scalar(b, x, 4.0 if miss == "constant" else 2.0)], b.like(x, lo=0.0, hi=top))


def _affine(b: Builder, x: Value, shape: Shape, *, bias: bool = True) -> list[Value]:
    scaled = mul(b, x, b.weight(shape, -2.0, 2.0, x.dtype))
    return [scaled, add(b, scaled, b.weight(shape, -2.0, 2.0, x.dtype))] if bias else [scaled]


@pattern(
    "layer_norm",
    emits=("ReduceMean", "Sub", "Pow", "Mul", "Add", "Sqrt", "Div"),
    want=ROWS,
    misses=("constant", "axis"),
)
def layer_norm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """LayerNormalization over the last axis.

    Near misses: another exponent, the variance over another axis.
    """
    last = x.rank - 1
    mean, centred = _centred(b, x, (last,))
    power = _squared(b, centred, miss)
    variance = reduce_mean(b, power, (last - 1,) if miss == "axis" else (last,))
    shifted, root = _root(b, variance)
    bound = 2.0 * x.shape[-1] ** 0.5 if miss != "axis" else 2e4
    ratio = b.node("Div", [centred, root], b.like(x, lo=-bound, hi=bound))
    ratio = b.like(ratio, lo=-bound, hi=bound)
    return [mean, centred, power, variance, shifted, root, ratio, *_affine(b, ratio, x.shape[-1:])]


@pattern(
    "layer_norm_channels",
    emits=("ReduceMean", "Sub", "Pow", "Mul", "Add", "Sqrt", "Div"),
    want=IMAGE,
    misses=("constant", "axis"),
)
def layer_norm_channels(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """The normalisation over the channels of an image that ConvNeXt writes out; near misses as above."""
    mean, centred = _centred(b, x, (1,))
    power = _squared(b, centred, miss)
    variance = reduce_mean(b, power, (3,) if miss == "axis" else (1,))
    shifted, root = _root(b, variance)
    bound = 2.0 * x.shape[1] ** 0.5 if miss != "axis" else 2e4
    ratio = b.node("Div", [centred, root], b.like(x, lo=-bound, hi=bound))
    return [mean, centred, power, variance, shifted, root, ratio, *_affine(b, ratio, (x.shape[1], 1, 1))]


@pattern(
    "rms_norm",
    emits=("Pow", "Mul", "ReduceMean", "Add", "Sqrt", "Div", "Reciprocal"),
    want=ROWS,
    misses=("constant", "axis"),
)
def rms_norm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x over its root mean square, times a weight."""
    last = x.rank - 1
    power = _squared(b, x, miss)
    mean = reduce_mean(b, power, (last - 1,) if miss == "axis" else (last,))
    shifted, root = _root(b, mean)
    bound = 2.0 * x.shape[-1] ** 0.5 if miss != "axis" else 2e4
    if b.flag(3):
        inverse = b.node("Reciprocal", [root], b.like(root, lo=0.0, hi=1e3))
        ratio = b.node("Mul", [x, inverse], b.like(x, lo=-bound, hi=bound))
        return [power, mean, shifted, root, inverse, ratio, *_affine(b, ratio, x.shape[-1:], bias=False)]
    ratio = b.node("Div", [x, root], b.like(x, lo=-bound, hi=bound))
    return [power, mean, shifted, root, ratio, *_affine(b, ratio, x.shape[-1:], bias=False)]


@pattern(
    "instance_norm_as_reshape",
    emits=("Reshape", "InstanceNormalization", "Mul", "Add"),
    want=IMAGE,
    misses=("constant", "broadcast"),
)
def group_norm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """GroupNormalization as exporters write it: Reshape, InstanceNormalization, Reshape, Mul, Add.

    Near misses: the inner scale is not one, the last weights run along the last axis instead of the channels.
    """
    batch, channels, height, width = x.shape
    groups = b.pick([g for g in range(1, channels + 1) if channels % g == 0])
    grouped = (batch, groups, channels // groups * height * width)
    flat = b.node("Reshape", [x, b.ints((0, groups, -1))], b.like(x, shape=grouped))
    ones = np.full(groups, number(b, 1.0, miss), dtype=np.float32)
    scale = b.constant(ones, FLOAT32, shape_data=False)
    zero = b.constant(np.zeros_like(ones), FLOAT32, shape_data=False)
    bound = 2.0 * grouped[2] ** 0.5
    normed = b.node(
        "InstanceNormalization",
        [flat, scale, zero],
        b.like(flat, lo=-bound, hi=bound),
        epsilon=b.pick(EPSILONS),
    )
    image = b.node("Reshape", [normed, b.ints(x.shape)], b.like(normed, shape=x.shape))
    shape = (width,) if miss == "broadcast" else (channels, 1, 1)
    return [flat, normed, image, *_affine(b, image, shape)]
