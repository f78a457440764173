"""The spec protocol and the registry of all operators.

Adding an operator is one function in one family module::

    @operator("Relu", want=Want())
    def relu(b: Builder, x: Value) -> Value:
        \"\"\"("Relu") max(0, x).\"\"\"
        return b.node("Relu", [x], b.like(x, lo=max(0.0, x.lo), hi=max(0.0, x.hi)))

A spec gets its main input ``x`` ready made: one that its ``want`` accepts, from the graph so far or a fresh
graph input. It draws everything else from the builder (``b.pick``, ``b.flag``, ``b.integer``, ``b.weighted``:
simplest alternative first, never an ``assume``), takes further operands (``b.take(want)`` any value,
``b.partner(shape, …)`` a second operand of a given type, ``b.weight(shape, lo, hi)`` a constant with drawn
numbers and storage, ``b.ints([…])`` a constant that fixes a shape), appends nodes with ``b.node`` and returns
its output or outputs. The spec computes each output's type and range (``b.like(x, shape=…, lo=…, hi=…)``):
the shape must be exactly what ONNX infers, the range must hold every element.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strategies.builder import Builder, Value, Want

Build = Callable[[Builder, Value], Value | Sequence[Value]]


@dataclass(frozen=True)
class Spec:
    """How to generate one operator (or one pattern of several operators).

    Attributes:
        name: the ONNX operator type; a pattern has a name of its own.
        build: draws the attributes and the other inputs, appends the nodes, returns the outputs.
        want: which values it takes as its main input.
        since, until: the opsets in which it exists in the form that is generated (inclusive).
        pnnx: it converts: pnnx's own table says so, or the plain form was seen to load. False is generated at
            a low, constant rate.
        emits: the operator types it may append; an operator emits itself, a pattern several.
        vanishes: converters drop it; pnnx crashes on a graph without any other operator (one known bug, so
            such graphs are drawn at the rare rate only).
        note: what is known not to be supported, or not generated and why.
    """

    name: str
    build: Build
    want: Want
    since: int = 1
    until: int = 99
    pnnx: bool = True
    emits: frozenset[str] = frozenset()
    vanishes: bool = False
    note: str = ""

    @property
    def operators(self) -> frozenset[str]:
        """The operator types it may append."""
        return self.emits or frozenset({self.name})

    def exists(self, opset: int) -> bool:
        """Whether the operator exists in this opset."""
        return self.since <= opset <= self.until


SPECS: dict[str, Spec] = {}
"""Every spec by name, in the order of definition."""


def add(spec: Spec) -> None:
    """Register a spec.

    Raises:
        ValueError: the name is taken.
    """
    if spec.name in SPECS:
        raise ValueError(f"two specs are called {spec.name}")
    SPECS[spec.name] = spec


def operator(
    name: str,
    *,
    want: Want | None = None,
    since: int = 1,
    until: int = 99,
    pnnx: bool = True,
    emits: Sequence[str] = (),
    vanishes: bool = False,
    note: str = "",
) -> Callable[[Build], Build]:
    """Register the decorated function as the spec called ``name``."""

    def register(build: Build) -> Build:
        add(Spec(name, build, want or Want(), since, until, pnnx, frozenset(emits), vanishes, note))
        return build

    return register
