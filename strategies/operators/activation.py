"""Activations with attributes or parameters, and the soft maxima."""

from __future__ import annotations

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32
from strategies.operators.registry import operator

ALPHAS = (None, 0.1, 0.5, 1.0, 0.0, 2.0, 0.3)
"""Slopes and scales; None leaves the attribute out, so that its default counts."""


@operator("LeakyRelu")
def leaky_relu(b: Builder, x: Value) -> Value:
    """("LeakyRelu") alpha may be any number; default 0.01."""
    alpha = b.pick(ALPHAS)
    slope = 0.01 if alpha is None else alpha
    ends = [v if v > 0 else v * slope for v in (x.lo, x.hi, 0.0)]
    return b.node("LeakyRelu", [x], b.like(x, lo=min(ends), hi=max(ends)), alpha=alpha)


@operator("Elu", want=Want(hi=1e3))
def elu(b: Builder, x: Value) -> Value:
    """("Elu") alpha (e^x - 1) below zero."""
    alpha = b.pick(ALPHAS)
    return b.node("Elu", [x], b.like(x, lo=-2.0, hi=max(x.hi, 0.0)), alpha=alpha)


@operator("Celu", since=12, want=Want(dtypes=frozenset({FLOAT32})))
def celu(b: Builder, x: Value) -> Value:
    """("Celu") alpha must not be zero."""
    alpha = b.pick([a for a in ALPHAS if a != 0])
    return b.node("Celu", [x], b.like(x, lo=-2.0, hi=max(x.hi, 0.0)), alpha=alpha)


@operator("Selu", want=Want(lo=-1e3, hi=1e3))
def selu(b: Builder, x: Value) -> Value:
    """("Selu") gamma (alpha e^x - alpha) below zero, gamma x above; pnnx: the default constants only."""
    explicit = b.rare()
    alpha, gamma = (b.pick((1.0, 0.5, 2.0)), b.pick((1.0, 0.5, 2.0))) if explicit else (None, None)
    return b.node("Selu", [x], b.like(x, lo=-4.0, hi=2 * max(x.hi, 0.0)), alpha=alpha, gamma=gamma)


@operator("HardSigmoid")
def hard_sigmoid(b: Builder, x: Value) -> Value:
    """("HardSigmoid") max(0, min(1, alpha x + beta))."""
    alpha, beta = b.pick((None, 0.1, 1.0, 1 / 6)), b.pick((None, 0.0, 0.3, 0.5, -0.5))
    return b.node("HardSigmoid", [x], b.like(x, lo=0.0, hi=1.0), alpha=alpha, beta=beta)


@operator("HardSwish", since=14)
def hard_swish(b: Builder, x: Value) -> Value:
    """("HardSwish") x max(0, min(1, x/6 + 1/2))."""
    return b.node("HardSwish", [x], b.like(x, lo=-0.5, hi=max(x.hi, 0.0)))


@operator("Mish", since=18)
def mish(b: Builder, x: Value) -> Value:
    """("Mish") x tanh(softplus(x))."""
    return b.node("Mish", [x], b.like(x, lo=-0.5, hi=max(x.hi, 0.0)))


@operator("Gelu", since=20)
def gelu(b: Builder, x: Value) -> Value:
    """("Gelu") exact or tanh approximation."""
    approximate = b.pick((None, "none", "tanh"))
    return b.node("Gelu", [x], b.like(x, lo=-0.5, hi=max(x.hi, 0.0)), approximate=approximate)


@operator("PRelu", want=Want(ranks=(1, 2, 3, 4, 5), lo=-1e3, hi=1e3))
def prelu(b: Builder, x: Value) -> Value:
    """("PRelu") slope broadcasts to the input from the right: one for all, per channel, or full."""
    rank = x.rank
    per_channel = x.shape[1:2] + (1,) * (rank - 2)
    forms = [(1,), per_channel] if rank >= 2 else [(1,), x.shape]
    if rank >= 3 and b.flag(6):
        forms.append((1, *per_channel))
    if b.flag(8):
        forms.append(x.shape[1:])
    slope = b.weight(b.pick(forms), -1.0, 2.0, x.dtype)
    ends = [0.0, x.lo, x.hi, *(v * s for v in (x.lo, x.hi) for s in (slope.lo, slope.hi))]
    return b.node("PRelu", [x, slope], b.like(x, lo=min(ends), hi=max(ends)))


@operator("Clip")
def clip(b: Builder, x: Value) -> Value:
    """("Clip") bounds are attributes up to opset 10, optional inputs from 11."""
    lo, hi = b.pick(((0.0, 6.0), (None, 1.0), (-1.0, None), (-0.5, 0.5), (None, None), (0.1, 0.7)))
    out = b.like(x, lo=x.lo if lo is None else lo, hi=x.hi if hi is None else hi)
    if out.lo > out.hi or x.lo > out.hi or x.hi < out.lo:
        out = b.like(out, lo=min(out.lo, out.hi), hi=max(out.lo, out.hi))
    if b.opset < 11:
        # Clip-6 is float only in onnxruntime, casts for float16 included.
        return b.node("Clip", [x], out, min=lo, max=hi)
    limits = [
        None if v is None else b.constant(np.array(v, dtype=x.dtype.numpy), x.dtype, shape_data=False)
        for v in (lo, hi)
    ]
    return b.node("Clip", [x, *limits], out)


@operator("Shrink", since=9, want=Want(jump=0.5, dtypes=frozenset({FLOAT32})))
def shrink(b: Builder, x: Value) -> Value:
    """("Shrink") pnnx: only bias equal to zero or to lambd."""
    lambd = b.pick((None, 0.5, 1.5))
    width = 0.5 if lambd is None else lambd
    bias = b.pick((None, 0.0, width)) if not b.rare() else 0.25
    return b.node("Shrink", [x], b.like(x, lo=x.lo - 2, hi=x.hi + 2), lambd=lambd, bias=bias)


def _axis(b: Builder, rank: int, default: int) -> int | None:
    """An axis (negative ones from opset 11), or None for the default where that is legal.

    pnnx refuses the batch axis by word, so it is rare.
    """
    first = 0 if rank == 1 or b.rare() else 1
    axes = [*range(first, rank), *(range(first - rank, 0) if b.opset >= 11 else ())]
    choices: list[int | None] = [None, *axes] if -rank <= default < rank else list(axes)
    return b.pick(choices)


@operator("Softmax", want=Want(ranks=(1, 2, 3, 4, 5), lo=-1e3, hi=1e3))
def softmax(b: Builder, x: Value) -> Value:
    """("Softmax") opset 13 normalises along one axis, earlier ones over the flattened rest."""
    axis = _axis(b, x.rank, -1 if b.opset >= 13 else 1)
    return b.node("Softmax", [x], b.like(x, lo=0.0, hi=1.0), axis=axis)


@operator("LogSoftmax", want=Want(ranks=(1, 2, 3, 4, 5), lo=-1e2, hi=1e2))
def log_softmax(b: Builder, x: Value) -> Value:
    """("LogSoftmax") as Softmax."""
    axis = _axis(b, x.rank, -1 if b.opset >= 13 else 1)
    return b.node("LogSoftmax", [x], b.like(x, lo=x.lo - x.hi - 10, hi=0.0), axis=axis)
