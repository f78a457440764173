"""Remainders, bits and one-hot vectors, and small constants of every form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from strategies import values
from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, FLOAT64, INT32, INT64, UINT8, UINT32, UINT64
from strategies.initializers import tensor
from strategies.operators.logic import fitting_shape, joint
from strategies.operators.registry import Spec, add, operator
from strategies.shapes import MAX_ELEMENTS, elements

SIGNED = frozenset({INT32, INT64})
FLOATING = frozenset({FLOAT32, FLOAT64})
UNSIGNED = frozenset({UINT8, UINT32, UINT64})
DIVIDED = Want(dtypes=SIGNED, lo=-1e6, hi=1e6, fresh=(-20.0, 20.0))
SHIFTED = Want(dtypes=UNSIGNED, lo=0, hi=255, fresh=(0.0, 31.0))
CLASSES = Want(
    dtypes=frozenset({INT64}),
    ranks=(2, 1, 3, 0),
    lo=0,
    hi=9,
    fresh=(0.0, 9.0),
    where=lambda s: elements(s) <= 400,
)


def _floated(b: Builder, whole: Value) -> Value:
    """Mostly as floats, which ncnn's layers compute in."""
    if b.flag(4):
        return whole
    return b.node("Cast", [whole], b.like(whole, dtype=FLOAT32), to=FLOAT32.code)


@operator(
    "Mod",
    since=10,
    want=DIVIDED,
    emits=("Mod", "Cast"),
    pnnx=False,
)
def mod(b: Builder, x: Value) -> Value:
    """("Mod") of integers: with the divisor's sign, or (fmod=1) with the dividend's."""
    lo, hi = b.pick(((1.0, 7.0), (-7.0, -1.0)))
    y = b.weight(fitting_shape(b, x.shape), lo, hi, x.dtype)
    out = b.like(x, shape=joint(x, y), lo=-7.0, hi=7.0)
    return _floated(b, b.node("Mod", [x, y], out, fmod=b.pick((None, 0, 1))))


@operator(
    "FloatMod",
    since=10,
    want=Want(dtypes=FLOATING, jump=0.0),
    emits=("Mod",),
)
def float_mod(b: Builder, x: Value) -> Value:
    """("Mod") of floats needs fmod=1; divisors are whole numbers, of which no input is a multiple."""
    whole = values.build("uniform", b.integer(0, 255), fitting_shape(b, x.shape), INT32, 1.0, 3.0)
    y = b.constant(whole.astype(x.dtype.numpy), x.dtype, shape_data=False)
    return b.node("Mod", [x, y], b.like(x, shape=joint(x, y), lo=-3.0, hi=3.0), fmod=1)


@operator(
    "BitShift",
    since=11,
    want=SHIFTED,
    emits=("BitShift", "Cast"),
    pnnx=False,
)
def bit_shift(b: Builder, x: Value) -> Value:
    """("BitShift") left or right by 0 to 3 places; bits shifted out are lost."""
    y = b.weight(fitting_shape(b, x.shape), 0.0, 3.0, x.dtype)
    out = b.like(x, shape=joint(x, y), lo=0.0, hi=255.0 if x.dtype is UINT8 else x.hi * 8)
    return _floated(b, b.node("BitShift", [x, y], out, direction=b.pick(("LEFT", "RIGHT"))))


def _bitwise(op_type: str) -> Callable[[Builder, Value], Value]:
    def build(b: Builder, x: Value) -> Value:
        y = b.weight(fitting_shape(b, x.shape), 0.0, 255.0, x.dtype)
        out = b.like(x, shape=joint(x, y), lo=0.0, hi=255.0)
        return _floated(b, b.node(op_type, [x, y], out))

    return build


_BITS = Want(dtypes=SIGNED | {UINT8}, lo=0, hi=255, fresh=(0.0, 255.0))
for _name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
    add(Spec(_name, _bitwise(_name), _BITS, 18, pnnx=False, emits=frozenset({_name, "Cast"})))


@operator(
    "BitwiseNot",
    since=18,
    want=DIVIDED,
    emits=("BitwiseNot", "Cast"),
    pnnx=False,
)
def bitwise_not(b: Builder, x: Value) -> Value:
    """("BitwiseNot") -x - 1."""
    return _floated(b, b.node("BitwiseNot", [x], b.like(x, lo=-x.hi - 1, hi=-x.lo - 1)))


@operator(
    "OneHot",
    since=9,
    want=replace(CLASSES, ranks=(2, 1, 3)),  # onnx.checker refuses scalar indices
    pnnx=False,
)
def one_hot(b: Builder, x: Value) -> Value:
    """("OneHot") of int64; classes beyond the depth leave their row at the off value; any axis."""
    depth = b.pick((10, 3, 1, 16))
    if elements(x.shape) * depth > MAX_ELEMENTS:
        depth = 10
    count = b.constant(np.array(depth, dtype=np.int64), INT64)
    off, on = b.pick(((0.0, 1.0), (-1.0, 2.0), (0.5, 0.25)))
    numbers = b.constant(np.array([off, on], dtype=np.float32), FLOAT32, shape_data=False)
    axis = b.pick((None, -1, *range(x.rank + 1)))
    at = (-1 if axis is None else axis) % (x.rank + 1)
    shape = (*x.shape[:at], depth, *x.shape[at:])
    out = Value("", FLOAT32, shape, min(off, on), max(off, on))
    return b.node("OneHot", [x, count, numbers], out, axis=axis)


@operator(
    "Constant",
    want=Want(dtypes=frozenset({FLOAT32}), lo=-1e3, hi=1e3),
    emits=("Constant", "Cast", "Sub"),
)
def constant(b: Builder, x: Value) -> Value:
    """("Constant") value, or (since 12) value_float(s), value_int(s); the input is taken away from it."""
    shape = () if b.flag() or not x.rank else x.shape[-1:]
    plain = ("value",) if b.opset < 12 else ("value", "value_float", "value_int")
    form = b.pick(plain)
    dtype = INT64 if form == "value_int" else FLOAT32
    numbers = values.build("distinct", b.integer(0, 255), shape, dtype, -3.0, 3.0)
    out = Value("", dtype, shape, -3.0, 3.0, constant=True)
    if form == "value":
        y = b.node("Constant", [], out, value=tensor("", numbers, dtype, typed=b.flag()))
    else:
        y = b.node("Constant", [], out, **{form if shape == () else f"{form}s": numbers.tolist()})
    if dtype is INT64:
        y = b.node("Cast", [y], b.like(y, dtype=FLOAT32, constant=True), to=FLOAT32.code)
    return b.node("Sub", [y, x], b.like(x, lo=-3.0 - x.hi, hi=3.0 - x.lo))
