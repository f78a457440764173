"""The constants of a graph under construction: their numbers, types, storage forms and the routes to them.

``Constants`` adds to ``Nodes`` what stores a tensor. What it draws is any legal storage, or the one aimed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import TensorProto

from fuzzconv.case import Array
from strategies import values
from strategies.dtypes import DTYPES, FLOAT32, INT8, INT64, UINT8, Dtype
from strategies.initializers import FORMS, INITIALIZER_FORMS, ROUTES, Storage, legal, node, tensor
from strategies.nodes import Nodes
from strategies.shapes import Shape, elements
from strategies.value import Value

_ROUTE_ODDS = {"direct": 12.0, "cast": 4.0}
"""Weights of the routes, 1 for the others: casts carry all the other types of constants."""

SHAPE_FORMS = ("raw_data", "typed", "constant", "constant_typed", "constant_list")
"""Storage forms of constants that fix a shape (axes, sizes, pads): shape inference must see them."""


@dataclass
class Constants(Nodes):
    """Draws choices and collects nodes and stored tensors.

    Attributes:
        initializers: the stored tensors that are no nodes.
        defaults: initializers that are graph inputs too: name, type and shape.
        aim: how the first constant that can is to be stored, whatever the swarm says (see ``steering.py``).
    """

    initializers: list[TensorProto] = field(default_factory=list)
    defaults: list[tuple[str, Dtype, Shape]] = field(default_factory=list)
    aim: Storage | None = None
    _stored: list[Value] = field(default_factory=list)

    def weight(self, shape: Shape, lo: float, hi: float, dtype: Dtype | None = None) -> Value:
        """A constant of this type and shape with values in [lo, hi], stored in any legal form."""
        dtype = dtype or self.dtype
        if self.has("shared_weights"):
            same = [
                v for v in self._stored if v.shape == shape and v.dtype is dtype and lo <= v.lo and v.hi <= hi
            ]
            if same and self.flag(3):
                self.features.add("weight:shared")
                return same[-1]
        value = self._routed(shape, lo, hi, dtype)
        self._stored.append(value)
        return value

    def constant(self, array: Array, dtype: Dtype = INT64, *, shape_data: bool = True) -> Value:
        """A constant with given numbers. ``shape_data``: it fixes a shape, so inference must see it."""
        name = self._store(array, dtype, SHAPE_FORMS if shape_data else FORMS)
        if shape_data:
            self.features.add("shape_data")
        numbers = array.astype(np.float64)
        lo, hi = (float(numbers.min()), float(numbers.max())) if array.size else (0.0, 0.0)
        return Value(name, dtype, array.shape, lo, hi, constant=True)

    def ints(self, numbers: Sequence[int]) -> Value:
        """An int64 vector that fixes a shape: axes, sizes, pads."""
        return self.constant(np.array(numbers, dtype=np.int64))

    def _routed(self, shape: Shape, lo: float, hi: float, dtype: Dtype) -> Value:
        """Store a tensor, perhaps with Identity, Cast, Transpose, … between it and its user."""
        aim = self.aim if self.aim and self._can_meet(self.aim, shape, lo, hi, dtype) else None
        route = self._route(aim, shape, lo, hi, dtype)
        stored_dtype, stored_shape = dtype, shape
        if route == "cast":
            holders = [d for d in self._dtypes() if d is not dtype and _integers(d, lo, hi)]
            stored_dtype = aim.dtype if aim and aim.form else self.weighted([(d, 1.0) for d in holders])
        elif route == "dequantize":
            return self._dequantized(shape, lo, hi)
        elif route == "computed":
            return self._computed(shape, lo, hi, dtype)
        elif route == "transpose":
            stored_shape = shape[::-1]
        elif route == "reshape":
            stored_shape = (elements(shape),)
        form = aim.form if aim else ""
        pattern = "constant" if form == "constant_of_shape" else None
        array, _, _ = self._numbers(stored_shape, stored_dtype, lo, hi, pattern=pattern)
        name = self._store(array, stored_dtype, (form,) if form else FORMS, even=route == "cast")
        self.features.add(f"route:{route}")
        numbers = array.astype(np.float64)
        lo, hi = (float(numbers.min()), float(numbers.max())) if array.size else (0.0, 0.0)
        value = Value(name, dtype, shape, lo, hi, constant=True)
        match route:
            case "identity":
                return self.node("Identity", [value], value)
            case "cast":
                return self.node("Cast", [value], value, to=dtype.code)
            case "transpose":
                return self.node("Transpose", [value], value, perm=list(range(len(shape)))[::-1])
            case "reshape":
                return self.node("Reshape", [value, self.ints(shape)], value)
        return value

    def _dequantized(self, shape: Shape, lo: float, hi: float) -> Value:
        """int8 or uint8 numbers times a scale ("DequantizeLinear", per tensor)."""
        stored = self.weighted([(INT8, 1.0), (UINT8, 1.0)])
        scale = max(abs(lo), abs(hi)) / 128
        low = max(stored.lowest, np.ceil(lo / scale)) if stored.kind == "i" else 0.0
        high = min(stored.limit, np.floor(hi / scale))
        array, low, high = self._numbers(shape, stored, low, high)
        name = self._store(array, stored, FORMS)
        scale32 = np.array(scale, dtype=np.float32)
        zero = np.zeros((), dtype=stored.numpy)
        inputs = [name, self._store(scale32, FLOAT32, FORMS[:1]), self._store(zero, stored, FORMS[:1])]
        self.features.add("route:dequantize")
        value = Value(name, FLOAT32, shape, low * scale, high * scale, constant=True)
        return self.node("DequantizeLinear", inputs, value)

    def _computed(self, shape: Shape, lo: float, hi: float, dtype: Dtype) -> Value:
        """The sum of two stored tensors: a branch that depends on initializers alone."""
        arrays = [self._numbers(shape, dtype, lo / 2, hi / 2)[0] for _ in range(2)]
        names = [self._store(array, dtype, FORMS) for array in arrays]
        self.features.add("route:computed")
        return self.node("Add", names, Value("", dtype, shape, lo, hi, constant=True))

    def unused(self) -> None:
        """A constant of any type that no node uses: a scalar, a vector, or one without elements."""
        dtype = self.weighted([(d, 1.0) for d in self._dtypes()])
        shape = self.pick(((1,), (3,), (), (2, 3), (0,), (2, 0)))
        array, _, _ = self._numbers(shape, dtype, -5.0, 5.0)
        self._store(array, dtype, FORMS, even=True)
        self.features.add("weight:unused" if array.size else "weight:unused_empty")

    def _can_meet(self, aim: Storage, shape: Shape, lo: float, hi: float, dtype: Dtype) -> bool:
        """Whether this constant can be the one that the case aims at (there is none yet)."""
        if aim.feature in self.features:
            return False
        if not aim.form:
            return self._may_route(aim.route, shape, lo, hi, dtype)
        return aim.holds(shape, self.opset) and (aim.dtype is dtype or _integers(aim.dtype, lo, hi))

    def _route(self, aim: Storage | None, shape: Shape, lo: float, hi: float, dtype: Dtype) -> str:
        if aim and aim.form:
            return "direct" if aim.dtype is dtype else "cast"
        if aim:
            return aim.route
        allowed = [r for r in ROUTES if r == "direct" or r in self.swarm.storages]
        routes = [(r, _ROUTE_ODDS.get(r, 1.0)) for r in allowed if self._may_route(r, shape, lo, hi, dtype)]
        return self.weighted(routes)

    def _may_route(self, route: str, shape: Shape, lo: float, hi: float, dtype: Dtype) -> bool:
        if route == "cast":
            return any(d is not dtype and _integers(d, lo, hi) for d in self._dtypes())
        if route == "dequantize":
            return dtype is FLOAT32 and self.opset >= 10 and lo < hi and hi > 0 and lo <= 0
        if route == "computed":
            return dtype.kind == "f"
        if route == "transpose":
            return len(shape) >= 2
        return True

    def _dtypes(self) -> list[Dtype]:
        return [d for d in DTYPES if (d is FLOAT32 or d.name in self.swarm.dtypes) and self.opset >= d.since]

    def _store(self, array: Array, dtype: Dtype, forms: Sequence[str], *, even: bool = False) -> str:
        """Put the numbers into the graph in one of ``forms``; returns the tensor's name.

        A single form is taken unasked; of several, only what the swarm and ONNX allow. ``even``: every pair
        of type and form gets its share; the form that only repeated numbers can have is taken where it can.
        """
        usable = [
            (f, 4.0 if f == ("constant_of_shape" if even else "raw_data") else 1.0)
            for f in forms
            if len(forms) == 1
            or f == "raw_data"
            or (f in self.swarm.storages and legal(f, dtype, array, self.opset))
        ]
        form = self.weighted(usable)
        name = self.name("w")
        self.features.add(f"weight:{dtype.name}:{form}")
        if form in INITIALIZER_FORMS:
            self.initializers.append(tensor(name, array, dtype, typed=form == "typed"))
            if form == "input":
                self.defaults.append((name, dtype, array.shape))
            return name
        shape_input = ""
        if form == "constant_of_shape":
            shape_input = self._store(np.array(array.shape, dtype=np.int64), INT64, ("raw_data",))
        proto = node(form, name, array, dtype, shape_input)
        proto.name = self.name("n")
        self.nodes.append(proto)
        return name

    def _numbers(
        self,
        shape: Shape,
        dtype: Dtype,
        lo: float,
        hi: float,
        widest: tuple[float, float] | None = None,
        pattern: str | None = None,
    ) -> tuple[Array, float, float]:
        lo, hi = max(lo, dtype.lowest), min(hi, dtype.limit)
        patterns: Sequence[str] = values.PATTERNS
        if not (widest and self.has("large_values")):
            patterns = [p for p in patterns if p != "large"]
        if self.rare_case and lo <= 0 <= hi:
            patterns = [*patterns, *values.RARE_PATTERNS]
        pattern = pattern or self.weighted(
            [(p, 6.0 if p in ("distinct", "uniform") else 1.0) for p in patterns]
        )
        if pattern == "large" and widest:
            lo, hi = max(widest[0], -1e3, dtype.lowest), min(widest[1], 1e3, dtype.limit)
        seed = self._below(values.SEEDS)
        self.features.add(f"values:{pattern}")
        return values.build(pattern, seed, shape, dtype, lo, hi), lo, hi


def _integers(dtype: Dtype, lo: float, hi: float) -> bool:
    """Whether ``dtype`` can hold at least two different numbers of [lo, hi]."""
    if dtype.kind == "f":
        return dtype.limit >= max(abs(lo), abs(hi))
    return bool(np.floor(min(hi, dtype.limit)) - np.ceil(max(lo, dtype.lowest)) >= 1)
