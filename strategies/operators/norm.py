"""Normalisations."""

from __future__ import annotations

from strategies.builder import Builder, Value, Want
from strategies.operators.registry import operator
from strategies.shapes import Shape, elements

EPSILONS = (None, 1e-3, 1e-5, 1e-2, 0.1)


@operator("BatchNormalization", want=Want(ranks=(4, 2, 3, 5), lo=-1e3, hi=1e3))
def batch_normalization(b: Builder, x: Value) -> Value:
    """("BatchNormalization") inference mode: four parameters per channel."""
    channels = (x.shape[1],)
    scale, bias = b.weight(channels, -2.0, 2.0, x.dtype), b.weight(channels, -2.0, 2.0, x.dtype)
    mean, variance = b.weight(channels, -1.0, 1.0, x.dtype), b.weight(channels, 0.25, 4.0, x.dtype)
    bound = (x.bound + 1.0) * 2.0 / 0.5 + 2.0
    return b.node(
        "BatchNormalization",
        [x, scale, bias, mean, variance],
        b.like(x, lo=-bound, hi=bound),
        epsilon=b.pick(EPSILONS),
        momentum=0.8 if b.flag(6) else None,
    )


@operator("InstanceNormalization", want=Want(ranks=(4, 5), lo=-1e3, hi=1e3, shape=lambda b: instances(b)))
def instance_normalization(b: Builder, x: Value) -> Value:
    """("InstanceNormalization") mean and variance over the spatial dimensions; pnnx: two or three of them."""
    channels = (x.shape[1],)
    scale, bias = b.weight(channels, -2.0, 2.0, x.dtype), b.weight(channels, -2.0, 2.0, x.dtype)
    bound = 2.0 * elements(x.shape[2:]) ** 0.5 + 2.0
    out = b.like(x, lo=-bound, hi=bound)
    return b.node("InstanceNormalization", [x, scale, bias], out, epsilon=b.pick(EPSILONS))


def instances(b: Builder) -> Shape:
    """A batch of images; rows instead of images in rare cases."""
    return b.shape((3,) if b.rare() else (4, 5))


@operator("LayerNormalization", since=17, want=Want(ranks=(2, 3, 4, 5), lo=-1e3, hi=1e3))
def layer_normalization(b: Builder, x: Value) -> Value:
    """("LayerNormalization") over all dimensions from ``axis``; pnnx: with a bias only."""
    axis = b.pick((None, -1, *range(x.rank - 1, 0, -1), *range(-2, -x.rank, -1)))
    start = (-1 if axis is None else axis) % x.rank
    shape = x.shape[start:]
    scale = b.weight(shape, -2.0, 2.0, x.dtype)
    bias = None if b.rare() else b.weight(shape, -2.0, 2.0, x.dtype)
    bound = 2.0 * elements(shape) ** 0.5 + 2.0
    out = b.like(x, lo=-bound, hi=bound)
    return b.node("LayerNormalization", [x, scale, bias], out, axis=axis, epsilon=b.pick(EPSILONS))


@operator("RMSNormalization", since=23, want=Want(ranks=(2, 3, 4, 5), lo=-1e3, hi=1e3))
def rms_normalization(b: Builder, x: Value) -> Value:
    """("RMSNormalization") like LayerNormalization without the mean."""
    axis = b.pick((None, -1, *range(x.rank - 1, 0, -1)))
    start = (-1 if axis is None else axis) % x.rank
    scale = b.weight(x.shape[start:], -2.0, 2.0, x.dtype)
    bound = 2.0 * elements(x.shape[start:]) ** 0.5
    return b.node(
        "RMSNormalization", [x, scale], b.like(x, lo=-bound, hi=bound), axis=axis, epsilon=b.pick(EPSILONS)
    )


@operator("LRN", want=Want(ranks=(4,), lo=-1e2, hi=1e2), note="onnxruntime's CPU kernel takes rank 4 only")
def lrn(b: Builder, x: Value) -> Value:
    """("LRN") an odd window over channels: ncnn and onnxruntime agree on the window only there."""
    return b.node(
        "LRN",
        [x],
        b.like(x, lo=min(x.lo, -x.bound) * 8, hi=max(x.hi, x.bound) * 8),
        size=b.pick((1, 3, 5, 7)),
        alpha=b.pick((None, 1e-2, 0.1, 1.0)),
        beta=b.pick((None, 0.5, 1.0)),
        bias=b.pick((None, 1.0, 2.0, 0.5)),
    )
