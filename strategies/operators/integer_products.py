"""Products of bytes: ConvInteger, MatMulInteger, QLinearConv and QLinearMatMul.

Each begins at a float input that is quantised first, since ncnn takes no bytes as input. Requantising divides
by an odd number, so no sum lies on a tie (see ``quantized``).
"""

from __future__ import annotations

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, INT8, INT32, UINT8, Dtype
from strategies.operators.conv import Window, window
from strategies.operators.quantized import dequantize, quantize
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, elements

_FLOAT32 = frozenset({FLOAT32})
IMAGE = Want(ranks=(4, 3), dtypes=_FLOAT32, fresh=(-40.0, 40.0), jump=0.5, where=lambda s: 0 not in s)
MATRIX = Want(ranks=(2, 3), dtypes=_FLOAT32, fresh=(-40.0, 40.0), jump=0.5, where=lambda s: 0 not in s)

WHOLE = ("QuantizeLinear", "Cast")
ROUND = ("QuantizeLinear", "DequantizeLinear")


def _scalar(b: Builder, number: float, dtype: Dtype) -> Value:
    return b.constant(np.array(number, dtype=dtype.numpy), dtype, shape_data=False)


def _bytes(b: Builder, shape: tuple[int, ...], dtype: Dtype) -> Value:
    return b.weight(shape, -127.0 if dtype is INT8 else 0.0, 127.0 if dtype is INT8 else 255.0, dtype)


def _as_float(b: Builder, sums: Value) -> Value:
    return b.node("Cast", [sums], b.like(sums, dtype=FLOAT32), to=FLOAT32.code)


def _kernel(b: Builder, q: Value, dtype: Dtype) -> tuple[Value, Window, int]:
    batch, channels, *spatial = q.shape
    w = window(b, tuple(spatial))
    group = channels if channels > 1 and b.flag(4) else 1
    room = max(1, MAX_ELEMENTS // (elements(w.out) * batch))
    outer = channels if group > 1 else min(b.channels(17), room)
    return _bytes(b, (outer, channels // group, *w.kernel), dtype), w, group


def _attributes(w: Window, group: int) -> dict[str, object]:
    return {
        "kernel_shape": w.kernel,
        "strides": w.strides,
        "dilations": w.dilations,
        "pads": None if w.auto_pad else w.pads,
        "auto_pad": w.auto_pad,
        "group": group,
    }


def _sum_bound(q: Value, weight: Value, count: int) -> float:
    return 2.0 * 255.0 * max(weight.bound, 128.0) * count


@operator("ConvInteger", since=10, want=IMAGE, emits=("ConvInteger", *WHOLE), pnnx=False)
def conv_integer(b: Builder, x: Value) -> Value:
    """("ConvInteger") byte times byte, summed in int32, with optional zero points."""
    q, _, zero = quantize(b, x)
    weight, w, group = _kernel(b, q, UINT8)
    weight_zero = _scalar(b, 128, UINT8) if b.flag() else None
    bound = _sum_bound(q, weight, elements(weight.shape[1:]))
    out = Value("", INT32, (x.shape[0], weight.shape[0], *w.out), -bound, bound)
    given = [q, weight, zero, weight_zero]
    return _as_float(b, b.node("ConvInteger", given, out, **_attributes(w, group)))


@operator("MatMulInteger", since=10, want=MATRIX, emits=("MatMulInteger", *WHOLE), pnnx=False)
def matmul_integer(b: Builder, x: Value) -> Value:
    """("MatMulInteger") like MatMul, in int32."""
    q, _, zero = quantize(b, x)
    dtype = b.pick((UINT8, INT8))
    weight = _bytes(b, (x.shape[-1], b.size(17)), dtype)
    weight_zero = _scalar(b, 3, dtype) if b.flag() else None
    bound = _sum_bound(q, weight, x.shape[-1])
    out = Value("", INT32, (*x.shape[:-1], weight.shape[1]), -bound, bound)
    return _as_float(b, b.node("MatMulInteger", [q, weight, zero, weight_zero], out))


def _requantised(b: Builder, weight: Value, count: int) -> tuple[float, float]:
    """The weights' scale, and the odd number by which sums are divided so that most fit a byte.

    It stays below 1000, so that one half is further away than float32 rounds.
    """
    odd = 2 * int(min(998.0, max(1.0, 60.0 * weight.bound * count / 128.0)) / 2) + 1
    return b.pick((0.25, 1.0, 0.03125)), float(odd)


@operator("QLinearConv", since=10, want=IMAGE, emits=("QLinearConv", *ROUND), pnnx=False)
def qlinear_conv(b: Builder, x: Value) -> Value:
    """("QLinearConv") bytes in, bytes out, int32 bias."""
    q, scale, zero = quantize(b, x)
    weight, w, group = _kernel(b, q, b.pick((UINT8, INT8) if q.dtype is UINT8 else (INT8,)))
    factor, odd = _requantised(b, weight, elements(weight.shape[1:]))
    out_scale, out_zero = _scalar(b, scale.lo * factor * odd, FLOAT32), _scalar(b, 5, q.dtype)
    bias = b.weight((weight.shape[0],), -500.0, 500.0, INT32) if b.flag() else None
    given = [q, scale, zero, weight, _scalar(b, factor, FLOAT32), _scalar(b, 0, weight.dtype)]
    shape = (x.shape[0], weight.shape[0], *w.out)
    low, high = (-128.0, 127.0) if q.dtype is INT8 else (0.0, 255.0)
    out = Value("", q.dtype, shape, low, high)
    made = b.node("QLinearConv", [*given, out_scale, out_zero, bias], out, **_attributes(w, group))
    return dequantize(b, made, out_scale, out_zero)


@operator("QLinearMatMul", since=10, want=MATRIX, emits=("QLinearMatMul", *ROUND), pnnx=False)
def qlinear_matmul(b: Builder, x: Value) -> Value:
    """("QLinearMatMul") bytes in, bytes out."""
    q, scale, zero = quantize(b, x)
    weight = _bytes(b, (x.shape[-1], b.size(17)), q.dtype)
    factor, odd = _requantised(b, weight, x.shape[-1])
    out_scale, out_zero = _scalar(b, scale.lo * factor * odd, FLOAT32), _scalar(b, 5, q.dtype)
    given = [q, scale, zero, weight, _scalar(b, factor, FLOAT32), _scalar(b, 0, q.dtype)]
    low, high = (-128.0, 127.0) if q.dtype is INT8 else (0.0, 255.0)
    out = Value("", q.dtype, (*x.shape[:-1], weight.shape[1]), low, high)
    made = b.node("QLinearMatMul", [*given, out_scale, out_zero], out)
    return dequantize(b, made, out_scale, out_zero)
