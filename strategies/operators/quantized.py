"""int8 and uint8: quantised weights and activations (QDQ graphs), and the integer products.

Rounding must not hang on a tie. Activations are inputs near whole numbers, quantised with a scale of 1 or
1/2. A sum of integer products is requantised with an odd multiple of its own scale: a whole number divided
by an odd one never ends in one half.
Not generated: ``DynamicQuantizeLinear``, whose scale hangs on the numbers and so may put any of them on a
tie; the 4-bit types and 8-bit floats.
"""

from __future__ import annotations

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, INT8, UINT8, Dtype
from strategies.operators.conv import window
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

ONLY_FLOAT32 = frozenset({FLOAT32})
BYTES = (UINT8, INT8)

NEAR_WHOLE = Want(ranks=(4, 3, 2, 5, 1), dtypes=ONLY_FLOAT32, fresh=(-40.0, 40.0), jump=0.5)
BYTE_INPUT = frozenset(BYTES)


def _scalar(b: Builder, number: float, dtype: Dtype) -> Value:
    return b.constant(np.array(number, dtype=dtype.numpy), dtype, shape_data=False)


def _zero_point(b: Builder, dtype: Dtype) -> int:
    return b.pick((0, 1, -3, 10) if dtype is INT8 else (128, 0, 127, 3))


def quantize(b: Builder, x: Value) -> tuple[Value, Value, Value]:
    """x as bytes, its scale and its zero point ("QuantizeLinear", per tensor)."""
    dtype = b.pick(BYTES)
    zero = _zero_point(b, dtype)
    scale = b.pick((1.0, 0.5))
    lo, hi = (-128, 127) if dtype is INT8 else (0, 255)
    factor = _scalar(b, scale, FLOAT32)
    # Without a zero point the result is uint8 around zero.
    offset = None if dtype is UINT8 and zero == 0 and b.flag() else _scalar(b, zero, dtype)
    low, high = max(lo, x.lo / scale + zero - 1), min(hi, x.hi / scale + zero + 1)
    out = b.like(x, dtype=dtype, lo=min(low, hi), hi=max(high, lo))
    return b.node("QuantizeLinear", [x, factor, offset], out), factor, offset or _scalar(b, 0, dtype)


def dequantize(b: Builder, q: Value, scale: Value, zero: Value) -> Value:
    """Bytes as floats again ("DequantizeLinear", per tensor)."""
    ends = [(v - zero.lo) * scale.lo for v in (q.lo, q.hi)]
    out = Value("", FLOAT32, q.shape, min(ends), max(ends), constant=q.constant)
    return b.node("DequantizeLinear", [q, scale, zero], out)


@operator(
    "QuantizeLinear", since=10, want=NEAR_WHOLE, emits=("QuantizeLinear", "DequantizeLinear"), pnnx=False
)
def quantize_linear(b: Builder, x: Value) -> Value:
    """("QuantizeLinear") and back, as QDQ graphs have it; per axis since opset 13; bare at the rare rate."""
    if b.opset >= 13 and x.rank >= 2 and b.flag(3):
        return _per_axis_pair(b, x)
    q, scale, zero = quantize(b, x)
    return q if b.rare() else dequantize(b, q, scale, zero)


def _per_axis_pair(b: Builder, x: Value) -> Value:
    axis = b.pick((1, *range(2, x.rank), 0, -1))
    size = x.shape[axis % x.rank]
    dtype = b.pick(BYTES)
    zero = 128 if dtype is UINT8 else 0
    rng = np.random.default_rng(b.integer(0, 255))
    factors = rng.choice([1.0, 0.5], size).astype(np.float32)
    scale = b.constant(factors, FLOAT32, shape_data=False)
    offset = b.constant(np.full(size, zero, dtype=dtype.numpy), dtype, shape_data=False)
    whole = b.like(
        x, dtype=dtype, lo=0.0 if dtype is UINT8 else -128.0, hi=255.0 if dtype is UINT8 else 127.0
    )
    q = b.node("QuantizeLinear", [x, scale, offset], whole, axis=axis)
    return b.node("DequantizeLinear", [q, scale, offset], b.like(x, lo=-128.0, hi=128.0), axis=axis)


def _stored(b: Builder, shape: Shape, axis: int | None, bound: float) -> Value:
    """A float tensor of magnitude up to ``bound`` that is stored in int8 or uint8, per tensor or per axis."""
    dtype = b.pick((INT8, UINT8))
    zero = 0 if dtype is INT8 else 128
    raw = b.weight(shape, -127.0 if dtype is INT8 else 1.0, 127.0 if dtype is INT8 else 255.0, dtype)
    shares = np.random.default_rng(b.integer(0, 255)).uniform(
        0.3, 1.0, shape[axis] if axis is not None else ()
    )
    scale = b.constant((shares * bound / 128).astype(np.float32), FLOAT32, shape_data=False)
    offset = None
    if zero or not b.flag():
        offset = b.constant(np.full(scale.shape, zero, dtype=dtype.numpy), dtype, shape_data=False)
    out = Value("", FLOAT32, shape, -bound, bound, constant=True)
    return b.node("DequantizeLinear", [raw, scale, offset], out, axis=axis)


@operator(
    "DequantizeLinear",
    since=10,
    want=Want(ranks=(4, 3, 2, 5, 1), dtypes=ONLY_FLOAT32, lo=-1e3, hi=1e3),
    emits=("DequantizeLinear", "Add"),
)
def dequantize_linear(b: Builder, x: Value) -> Value:
    """("DequantizeLinear") of a constant, per tensor or (since opset 13) per axis, added to the input."""
    axis = b.integer(0, x.rank - 1) if b.opset >= 13 and b.flag() else None
    y = _stored(b, x.shape, axis, 3.0)
    return b.node("Add", [x, y], b.like(x, lo=x.lo + y.lo, hi=x.hi + y.hi))


IMAGE = Want(ranks=(4, 3), dtypes=ONLY_FLOAT32, fresh=(-40.0, 40.0), jump=0.5, where=lambda s: 0 not in s)


@operator(
    "QDQConv", since=10, want=IMAGE, emits=("QuantizeLinear", "DequantizeLinear", "Conv", "Relu"), pnnx=False
)
def qdq_conv(b: Builder, x: Value) -> Value:
    """A convolution between quantised activations and weights, as static quantisation writes it."""
    y = dequantize(b, *quantize(b, x))
    return _convolved(b, y)


@operator(
    "WeightQConv",
    since=10,
    want=Want(ranks=(4, 3, 5), dtypes=ONLY_FLOAT32, lo=-1e3, hi=1e3, where=lambda s: 0 not in s),
    emits=("DequantizeLinear", "Conv", "Relu"),
)
def weight_q_conv(b: Builder, x: Value) -> Value:
    """A convolution whose weights alone are quantised."""
    return _convolved(b, x)


def _convolved(b: Builder, x: Value) -> Value:
    batch, channels, *spatial = x.shape
    w = window(b, tuple(spatial))
    depthwise = channels > 1 and b.flag(3)
    group, inner = (channels, 1) if depthwise else (1, channels)
    outer = channels if depthwise else min(b.channels(), max(1, MAX_ELEMENTS // (elements(w.out) * batch)))
    axis = 0 if b.opset >= 13 and b.flag() else None
    fan_in = inner * elements(w.kernel)
    scale = max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * fan_in)))
    weight = _stored(b, (outer, inner, *w.kernel), axis, scale)
    bias = b.weight((outer,), -2.0, 2.0, FLOAT32) if b.flag() else None
    bound = x.bound * fan_in * scale + 2.0
    out = b.node(
        "Conv",
        [x, weight, bias],
        Value("", FLOAT32, (batch, outer, *w.out), -bound, bound),
        kernel_shape=w.kernel,
        strides=w.strides,
        dilations=w.dilations,
        pads=None if w.auto_pad else w.pads,
        auto_pad=w.auto_pad,
        group=group,
    )
    return b.node("Relu", [out], b.like(out, lo=0.0)) if b.flag(3) else out


@operator(
    "WeightQGemm",
    since=10,
    want=Want(ranks=(2,), dtypes=ONLY_FLOAT32, lo=-1e3, hi=1e3, where=lambda s: 0 not in s),
    emits=("DequantizeLinear", "Gemm", "MatMul"),
)
def weight_q_gemm(b: Builder, x: Value) -> Value:
    """A matrix product whose weights are quantised: MatMul, or Gemm with a bias."""
    rows, inner = x.shape
    columns = b.size(17)
    scale = max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * inner)))
    turned = b.flag()
    axis = (0 if turned else 1) if b.opset >= 13 and b.flag() else None
    bound = x.bound * inner * scale + 2.0
    out = Value("", FLOAT32, (rows, columns), -bound, bound)
    if b.flag():
        return b.node("MatMul", [x, _stored(b, (inner, columns), axis and 1, scale)], out)
    weight = _stored(b, (columns, inner) if turned else (inner, columns), axis, scale)
    return b.node("Gemm", [x, weight, b.weight((columns,), -2.0, 2.0, FLOAT32)], out, transB=int(turned))
