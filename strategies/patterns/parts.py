"""What several patterns are made of: scalars, scales, activations, normalisation parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategies.builder import Builder, Value
from strategies.dtypes import FLOAT32

SINGLE = frozenset({FLOAT32})
"""Patterns are float32: what converters know is written for that."""

ACTIVATIONS = ("Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSwish", "Tanh")
"""What converters fuse into a convolution or product; Tanh is one that they must leave."""


def scalar(b: Builder, x: Value, number: float) -> Value:
    """A constant of rank 0 or 1 of the type of ``x``."""
    array = np.array(number, dtype=x.dtype.numpy)
    return b.constant(array.reshape(1) if b.flag(4) else array, x.dtype, shape_data=False)


def number(b: Builder, exact: float, miss: str) -> float:
    """``exact``, or something near it where the near miss is a constant that is off."""
    return exact * b.pick((1.25, 0.9, 1.01)) if miss == "constant" else exact


def product_scale(x: Value, inner: int) -> float:
    """A weight magnitude that keeps sums of ``inner`` products under about 1000."""
    return max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * inner)))


def add(b: Builder, x: Value, y: Value) -> Value:
    """x + y, of the shape of ``x``."""
    return b.node("Add", [x, y], b.like(x, lo=x.lo + y.lo, hi=x.hi + y.hi))


def mul(b: Builder, x: Value, y: Value) -> Value:
    """x y, of the shape of ``x``."""
    ends = [p * q for p in (x.lo, x.hi) for q in (y.lo, y.hi)]
    return b.node("Mul", [x, y], b.like(x, lo=min(ends), hi=max(ends)))


def reduce_mean(b: Builder, x: Value, axes: Sequence[int]) -> Value:
    """The mean over ``axes`` (non-negative), dimensions kept; axes are an input from opset 18."""
    shape = tuple(1 if i in axes else d for i, d in enumerate(x.shape))
    out = b.like(x, shape=shape)
    if b.opset >= 18:
        return b.node("ReduceMean", [x, b.ints(axes)], out, keepdims=1)
    return b.node("ReduceMean", [x], out, axes=list(axes), keepdims=1)


def activation(b: Builder, x: Value) -> Value:
    """One of ``ACTIVATIONS``."""
    kinds = [a for a in ACTIVATIONS if a != "HardSwish" or b.opset >= 14]
    positive = b.like(x, lo=max(0.0, x.lo), hi=max(0.0, x.hi))
    match b.pick(kinds):
        case "LeakyRelu":
            out = b.like(x, lo=min(x.lo, 0.0), hi=max(x.hi, 0.0))
            return b.node("LeakyRelu", [x], out, alpha=b.pick((None, 0.1, 0.5)))
        case "Clip":
            return clip(b, x, *b.pick(((0.0, 6.0), (-1.0, 1.0))))
        case "HardSwish":
            return b.node("HardSwish", [x], b.like(x, lo=-0.5, hi=max(x.hi, 0.0)))
        case "Sigmoid":
            return b.node("Sigmoid", [x], b.like(x, lo=0.0, hi=1.0))
        case "Tanh":
            return b.node("Tanh", [x], b.like(x, lo=-1.0, hi=1.0))
        case _:
            return b.node("Relu", [x], positive)


def clip(b: Builder, x: Value, lo: float, hi: float) -> Value:
    """x between ``lo`` and ``hi``; bounds are attributes up to opset 10."""
    out = b.like(x, lo=lo, hi=hi)
    if b.opset < 11:
        return b.node("Clip", [x], out, min=lo, max=hi)
    bounds = [b.constant(np.array(n, dtype=x.dtype.numpy), x.dtype, shape_data=False) for n in (lo, hi)]
    return b.node("Clip", [x, *bounds], out)


def batch_norm(b: Builder, x: Value) -> Value:
    """BatchNormalization over channels."""
    channels = (x.shape[1],)
    scale, bias = b.weight(channels, -2.0, 2.0, x.dtype), b.weight(channels, -2.0, 2.0, x.dtype)
    mean, variance = b.weight(channels, -1.0, 1.0, x.dtype), b.weight(channels, 0.25, 4.0, x.dtype)
    bound = (x.bound + 1.0) * 4.0 + 2.0
    out = b.like(x, lo=-bound, hi=bound)
    return b.node("BatchNormalization", [x, scale, bias, mean, variance], out)
