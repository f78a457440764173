"""Activations written out in elementary operators."""

from __future__ import annotations

from collections.abc import Sequence
from math import pi, sqrt

from strategies.builder import Builder, Value, Want
from strategies.patterns.parts import SINGLE, add, clip, mul, number, scalar
from strategies.patterns.registry import pattern

ANY = Want(ranks=(2, 3, 4, 1), lo=-50, hi=50, dtypes=SINGLE)


def _swapped(b: Builder, x: Value, y: Value) -> Value:
    """x y with either first; both have the shape of ``x``."""
    return mul(b, y, x) if b.flag(3) else mul(b, x, y)


@pattern("hard_swish", emits=("Add", "Clip", "Mul", "Div"), want=ANY, misses=("constant",))
def hard_swish(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x clip(x + 3, 0, 6) / 6, as exporters wrote it before opset 14."""
    shifted = add(b, x, scalar(b, x, 3.0))
    clipped = clip(b, shifted, 0.0, number(b, 6.0, miss))
    if b.flag():
        gate = b.node("Div", [clipped, scalar(b, x, 6.0)], b.like(x, lo=0.0, hi=2.0))
        return [shifted, clipped, gate, _swapped(b, x, gate)]
    product = _swapped(b, x, clipped)
    out = b.like(x, lo=product.lo / 6, hi=product.hi / 6)
    return [shifted, clipped, product, b.node("Div", [product, scalar(b, x, 6.0)], out)]


@pattern("hard_sigmoid_mul", emits=("HardSigmoid", "Mul"), want=ANY, misses=("constant",))
def hard_sigmoid_mul(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x HardSigmoid(x) with a sixth and a half: HardSwish."""
    gate = b.node(
        "HardSigmoid", [x], b.like(x, lo=0.0, hi=1.0), alpha=number(b, 1 / 6, miss), beta=b.pick((None, 0.5))
    )
    return [gate, _swapped(b, x, gate)]


@pattern("hard_sigmoid", emits=("Add", "Clip", "Div"), want=ANY, misses=("constant",))
def hard_sigmoid(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """clip(x + 3, 0, 6) / 6."""
    shifted = add(b, x, scalar(b, x, number(b, 3.0, miss)))
    clipped = clip(b, shifted, 0.0, 6.0)
    return [shifted, clipped, b.node("Div", [clipped, scalar(b, x, 6.0)], b.like(x, lo=0.0, hi=1.0))]


@pattern("silu", emits=("Sigmoid", "Mul", "Tanh"), want=ANY, misses=("operator",))
def silu(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x Sigmoid(x); near miss: Tanh in its place."""
    op_type = "Tanh" if miss == "operator" else "Sigmoid"
    gate = b.node(op_type, [x], b.like(x, lo=-1.0, hi=1.0))
    return [gate, _swapped(b, x, gate)]


@pattern("mish", emits=("Softplus", "Tanh", "Mul", "Sigmoid"), want=ANY, misses=("operator",))
def mish(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x tanh(softplus(x)); near miss: sigmoid in place of tanh."""
    soft = b.node("Softplus", [x], b.like(x, lo=0.0, hi=max(x.hi, 0.0) + 1.0))
    op_type = "Sigmoid" if miss == "operator" else "Tanh"
    gate = b.node(op_type, [soft], b.like(x, lo=0.0, hi=1.0))
    return [soft, gate, _swapped(b, x, gate)]


@pattern("gelu", emits=("Div", "Mul", "Erf", "Add"), want=ANY, misses=("constant",))
def gelu(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x (1 + erf(x / sqrt 2)) / 2; near miss: another divisor than the square root of two."""
    root = number(b, sqrt(2.0), miss)
    inner = b.node("Div", [x, scalar(b, x, root)], b.like(x, lo=min(x.lo, 0.0), hi=max(x.hi, 0.0)))
    wave = b.node("Erf", [inner], b.like(x, lo=-1.0, hi=1.0))
    gate = add(b, wave, scalar(b, x, 1.0))
    if b.flag():
        product = _swapped(b, x, gate)
        return [inner, wave, gate, product, mul(b, product, scalar(b, x, 0.5))]
    half = mul(b, x, scalar(b, x, 0.5))
    return [inner, wave, gate, half, _swapped(b, half, gate)]


@pattern("gelu_tanh", emits=("Pow", "Mul", "Add", "Tanh"), want=ANY, misses=("constant",))
def gelu_tanh(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) / 2; near miss: another cubic coefficient."""
    top = x.bound**3
    cube = b.node("Pow", [x, scalar(b, x, 3.0)], b.like(x, lo=-top, hi=top))
    small = mul(b, cube, scalar(b, x, number(b, 0.044715, miss)))
    inner = mul(b, add(b, x, small), scalar(b, x, sqrt(2 / pi)))
    wave = b.node("Tanh", [inner], b.like(x, lo=-1.0, hi=1.0))
    gate = add(b, wave, scalar(b, x, 1.0))
    half = mul(b, x, scalar(b, x, 0.5))
    return [cube, small, inner, wave, gate, half, _swapped(b, half, gate)]


@pattern("clamp", emits=("Max", "Min"), want=ANY, misses=("constant",))
def clamp(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """min(max(x, 0), 6), a ReLU6; near miss: another floor."""
    floor = -0.5 if miss == "constant" else 0.0
    low = b.node("Max", [x, scalar(b, x, floor)], b.like(x, lo=floor, hi=max(x.hi, floor)))
    return [low, b.node("Min", [low, scalar(b, x, 6.0)], b.like(x, lo=floor, hi=6.0))]
