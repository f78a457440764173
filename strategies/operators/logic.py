"""Comparisons, logic and the casts that join them to floats.

Numbers that are compared differ by 0.1 at least: the inputs stay 0.3 away from integers, what they are
compared with is an integer or near one. A bool can't leave an ncnn network, so results are mostly cast to
float or select between tensors; as a bare bool output they are rare.
"""

from __future__ import annotations

from collections.abc import Callable

from strategies import values
from strategies.builder import Builder, Value, Want
from strategies.dtypes import BOOL, FLOAT16, FLOAT32, FLOAT64, FLOATS, INT32, INT64, INTS, UINT8
from strategies.operators.binary import other_shape
from strategies.operators.registry import Spec, add, operator
from strategies.shapes import MAX_ELEMENTS, Shape, broadcast, elements

COMPARED = Want(jump=0.0, dtypes=frozenset({FLOAT32, FLOAT64}))


def fitting_shape(b: Builder, shape: Shape) -> Shape:
    """A shape that broadcasts with ``shape`` to no more than ``MAX_ELEMENTS`` elements."""
    other = other_shape(b, shape)
    both = broadcast(shape, other)
    return other if both is not None and elements(both) <= MAX_ELEMENTS else shape


def joint(left: Value, right: Value) -> Shape:
    """What two operands broadcast to."""
    shape = broadcast(left.shape, right.shape)
    if shape is None:
        raise AssertionError(f"{left.shape} and {right.shape} don't broadcast")
    return shape


def _rival(b: Builder, x: Value) -> Value:
    """What x is compared with: whole numbers as a constant, or an input near whole numbers."""
    shape = fitting_shape(b, x.shape)
    if b.has("more_inputs") and b.flag(4):
        return b.input(shape, x.dtype, -3.0, 3.0, jump=0.5)
    whole = values.build("uniform", b.integer(0, 255), shape, INT32, -2.0, 2.0)
    return b.constant(whole.astype(x.dtype.numpy), x.dtype, shape_data=False)


def _decision(b: Builder, x: Value, condition: Value) -> Value:
    """A condition as a float, a choice between two tensors, or (rarely) as it is."""
    if b.rare():
        return condition
    if b.weighted((("cast", 3.0), ("where", 2.0))) == "cast":
        return b.node("Cast", [condition], b.like(condition, dtype=FLOAT32), to=FLOAT32.code)
    other = b.partner((1,) if b.flag() else condition.shape, x.dtype, -3.0, 3.0)
    left, right = (x, other) if b.flag() else (other, x)
    return _where(b, condition, left, right)


def _where(b: Builder, condition: Value, left: Value, right: Value) -> Value:
    shape = joint(condition, b.like(left, shape=joint(left, right)))
    out = b.like(left, shape=shape, lo=min(left.lo, right.lo), hi=max(left.hi, right.hi))
    return b.node("Where", [condition, left, right], out)


def _comparison(op_type: str) -> Callable[[Builder, Value], Value]:
    def build(b: Builder, x: Value) -> Value:
        if op_type == "Equal" and b.flag():
            return _equal_to_self(b, x)
        y = _rival(b, x)
        left, right = (y, x) if b.flag(3) else (x, y)
        condition = Value("", BOOL, joint(left, right), 0.0, 1.0)
        return _decision(b, x, b.node(op_type, [left, right], condition))

    return build


def _equal_to_self(b: Builder, x: Value) -> Value:
    """Equal everywhere, since what differs by 0.1 is equal nowhere."""
    return _decision(b, x, b.node("Equal", [x, x], b.like(x, dtype=BOOL, lo=0.0, hi=1.0)))


for _name, _since in (
    ("Greater", 9),
    ("Less", 9),
    ("Equal", 11),
    ("GreaterOrEqual", 12),
    ("LessOrEqual", 12),
):
    add(
        Spec(
            _name,
            _comparison(_name),
            COMPARED,
            _since,
            pnnx=False,
            emits=frozenset({_name, "Cast", "Where"}),
        )
    )


def _condition(b: Builder, x: Value) -> Value:
    """A comparison of x; or a bool input, which crashes pnnx (one known bug, at the rare rate)."""
    if b.rare():
        return b.input(x.shape, BOOL, 0.0, 1.0)
    y = _rival(b, x)
    return b.node(b.pick(("Greater", "Less")), [x, y], Value("", BOOL, joint(x, y), 0.0, 1.0))


def _float(b: Builder, bits: Value) -> Value:
    if b.rare():
        return bits
    return b.node("Cast", [bits], b.like(bits, dtype=FLOAT32), to=FLOAT32.code)


def _logic(op_type: str) -> Callable[[Builder, Value], Value]:
    def build(b: Builder, x: Value) -> Value:
        left = _condition(b, x)
        constant = b.flag(3)
        shape = fitting_shape(b, left.shape)
        right = b.weight(shape, 0.0, 1.0, BOOL) if constant else _condition(b, x)
        if broadcast(left.shape, right.shape) is None:
            right = left
        out = b.node(op_type, [left, right], Value("", BOOL, joint(left, right), 0.0, 1.0))
        return _float(b, out)

    return build


for _name in ("And", "Or", "Xor"):
    add(
        Spec(
            _name, _logic(_name), COMPARED, 9, pnnx=False, emits=frozenset({_name, "Greater", "Less", "Cast"})
        )
    )


@operator("Not", want=COMPARED, since=9, pnnx=False, emits=("Not", "Greater", "Less", "Cast"))
def not_(b: Builder, x: Value) -> Value:
    """("Not")."""
    condition = _condition(b, x)
    return _float(b, b.node("Not", [condition], b.like(condition)))


@operator("Where", since=9, want=Want(dtypes=frozenset({FLOAT32, INT32, INT64}), lo=-1e6, hi=1e6), pnnx=False)
def where(b: Builder, x: Value) -> Value:
    """("Where") three-way broadcast; the condition is a constant, or an input at the rare rate."""
    y = b.partner(fitting_shape(b, x.shape), x.dtype, -3.0, 3.0, widest=1e6)
    both = joint(x, y)
    shape = both if b.flag() else fitting_shape(b, both)
    condition = b.input(shape, BOOL, 0.0, 1.0) if b.rare() else b.weight(shape, 0.0, 1.0, BOOL)
    left, right = (y, x) if b.flag(3) else (x, y)
    return _where(b, condition, left, right)


def _finite(op_type: str, **attributes: int) -> Callable[[Builder, Value], Value]:
    def build(b: Builder, x: Value) -> Value:
        wanted = {name: number for name, number in attributes.items() if b.flag()}
        return _float(b, b.node(op_type, [x], b.like(x, dtype=BOOL, lo=0.0, hi=1.0), **wanted))

    return build


_FLOATS = Want(dtypes=frozenset({FLOAT32, FLOAT64}), lo=-1e6, hi=1e6)
add(Spec("IsNaN", _finite("IsNaN"), _FLOATS, 9, pnnx=False, emits=frozenset({"IsNaN", "Cast"})))
add(
    Spec(
        "IsInf",
        _finite("IsInf", detect_negative=0, detect_positive=0),
        _FLOATS,
        10,
        pnnx=False,
        emits=frozenset({"IsInf", "Cast"}),
    )
)


@operator("Cast", want=Want(dtypes=FLOATS | INTS | {BOOL}, lo=-1e4, hi=1e4), pnnx=False)
def cast(b: Builder, x: Value) -> Value:
    """("Cast") between floats, from integers and bools to anything that holds them."""
    targets = [FLOAT32, FLOAT64, FLOAT16]
    if x.dtype.kind != "f":
        targets += [INT32, INT64, *((UINT8,) if x.lo >= 0 and x.hi <= 255 else ())]
    to = b.pick([t for t in targets if t is not x.dtype or b.rare()])
    return b.node("Cast", [x], b.like(x, dtype=to), to=to.code)


@operator(
    "CastToInteger", want=Want(jump=0.0, dtypes=frozenset({FLOAT32, FLOAT64})), emits=("Cast",), pnnx=False
)
def cast_to_integer(b: Builder, x: Value) -> Value:
    """("Cast") floats to integers, toward zero; mostly back to floats again."""
    to = b.pick((INT32, INT64))
    whole = b.node("Cast", [x], b.like(x, dtype=to), to=to.code)
    if b.rare():
        return whole
    return b.node("Cast", [whole], b.like(whole, dtype=FLOAT32), to=FLOAT32.code)


@operator(
    "CastLike", since=15, want=Want(dtypes=frozenset({FLOAT32, FLOAT64}) | INTS, lo=-1e4, hi=1e4), pnnx=False
)
def cast_like(b: Builder, x: Value) -> Value:
    """("CastLike") to the type of another tensor."""
    to = b.pick([t for t in (FLOAT32, FLOAT64) if t is not x.dtype])
    return b.node("CastLike", [x, b.weight((1,), -1.0, 1.0, to)], b.like(x, dtype=to))
