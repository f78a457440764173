"""Further normalisations, and activations that came late or are seldom used."""

from __future__ import annotations

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import DTYPES, FLOAT32, Dtype
from strategies.operators.norm import EPSILONS
from strategies.operators.registry import operator
from strategies.shapes import Shape, elements

ONLY_FLOAT32 = frozenset({FLOAT32})


def _grouped(b: Builder) -> Shape:
    """A shape whose channels fall into groups."""
    shape = b.shape((4, 3, 5))
    return (shape[0], b.pick((4, 6, 2, 8, 9, 12, 15, 16, 1)), *(min(d, 9) for d in shape[2:]))


@operator("GroupNormalization", since=21, want=Want(ranks=(4, 3, 5), lo=-1e3, hi=1e3, shape=_grouped))
def group_normalization(b: Builder, x: Value) -> Value:
    """("GroupNormalization") scale and bias per channel.

    The form of opsets 18 to 20, with one number per group, is deprecated: onnx.checker refuses it.
    """
    channels = x.shape[1]
    groups = b.pick([g for g in (2, 1, 3, 4, 5, 8, channels) if channels % g == 0])
    scale, bias = (b.weight((channels,), -2.0, 2.0, x.dtype) for _ in range(2))
    bound = 2.0 * (channels // groups * elements(x.shape[2:])) ** 0.5 + 2.0
    return b.node(
        "GroupNormalization",
        [x, scale, bias],
        b.like(x, lo=-bound, hi=bound),
        num_groups=groups,
        epsilon=b.pick(EPSILONS),
    )


@operator(
    "LpNormalization",
    want=Want(ranks=(2, 3, 4, 1), dtypes=ONLY_FLOAT32, lo=0.05, hi=1e3, fresh=(0.2, 3.0)),
    pnnx=False,
)
def lp_normalization(b: Builder, x: Value) -> Value:
    """("LpNormalization") divides by the 1- or 2-norm along an axis; kept away from zero vectors."""
    axes = (
        [None, -1, *range(x.rank), *range(-2, -x.rank - 1, -1)] if b.opset >= 11 else [None, *range(x.rank)]
    )
    return b.node(
        "LpNormalization", [x], b.like(x, lo=0.0, hi=1.0), axis=b.pick(axes), p=b.pick((None, 1, 2))
    )


def _spread(b: Builder) -> Shape:
    """An image with several pixels a channel."""
    return (b.batch(), b.channels(17), b.pick((2, 3, 5, 7, 8, 9)), b.pick((2, 3, 4, 5, 7, 9, 13)))


@operator(
    "MeanVarianceNormalization",
    since=9,
    want=Want(ranks=(4,), dtypes=ONLY_FLOAT32, shape=_spread, distinct=True),
    pnnx=False,
)
def mean_variance_normalization(b: Builder, x: Value) -> Value:
    """("MeanVarianceNormalization") over space and batch, or channels too: all that onnxruntime takes.

    The axes are always written: strict shape inference stumbles over their default. The numbers all differ,
    for equal ones have no variance and give NaN.
    """
    axes = b.pick(([0, 2, 3], [0, 1, 2, 3]))
    bound = float(elements(x.shape)) ** 0.5
    return b.node("MeanVarianceNormalization", [x], b.like(x, lo=-bound, hi=bound), axes=axes)


@operator("ThresholdedRelu", since=10, want=Want(dtypes=ONLY_FLOAT32, jump=0.0), pnnx=False)
def thresholded_relu(b: Builder, x: Value) -> Value:
    """("ThresholdedRelu") x where it is above alpha, else 0: a jump at alpha, so alpha is a whole number."""
    alpha = b.pick((None, 1.0, 0.0, 2.0))
    return b.node("ThresholdedRelu", [x], b.like(x, lo=min(0.0, x.lo), hi=max(0.0, x.hi)), alpha=alpha)


@operator("Swish", since=24, until=24, want=Want(lo=-1e3, hi=1e3), note="onnxruntime has it in opset 24 only")
def swish(b: Builder, x: Value) -> Value:
    """("Swish") x sigmoid(alpha x); pnnx takes few graphs with another alpha than 1."""
    alpha = b.weighted(((None, 4.0), (1.0, 4.0), (1.702, 1.0), (0.5, 1.0)))
    return b.node("Swish", [x], b.like(x, lo=-1.0, hi=max(0.0, x.hi)), alpha=alpha)


@operator(
    "ClipInteger",
    since=12,
    want=Want(dtypes=frozenset(d for d in DTYPES if d.name in ("int32", "int64")), lo=-1e6, hi=1e6),
    emits=("Clip", "Cast"),
    pnnx=False,
    note="ncnn's Clip takes the integers for floats",
)
def clip_integer(b: Builder, x: Value) -> Value:
    """("Clip-12") bounds of integers."""
    lo, hi = b.pick(((0, 2), (None, 1), (-1, None), (-2, 5)))
    limits = [None if v is None else _number(b, v, x.dtype) for v in (lo, hi)]
    low = x.lo if lo is None else float(lo)
    high = x.hi if hi is None else float(hi)
    out = b.node("Clip", [x, *limits], b.like(x, lo=min(low, high), hi=max(low, high)))
    return b.node("Cast", [out], b.like(out, dtype=FLOAT32), to=FLOAT32.code) if b.flag() else out


def _number(b: Builder, number: float, dtype: Dtype) -> Value:
    return b.constant(np.array(number, dtype=dtype.numpy), dtype, shape_data=False)
