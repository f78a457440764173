"""The registry of fusion patterns, and what a near miss is.

A pattern is a small graph that a converter knows and replaces by one layer. Its *near miss* differs in one
respect, so that the replacement would be wrong: one constant is off, an axis or an operator is another one, a
second operand broadcasts differently, or an inner value has a further user. Adding one is a function::

    @pattern("hard_swish", emits=("Add", "Clip", "Mul", "Div"), misses=("constant",))
    def hard_swish(b: Builder, x: Value, miss: str) -> Sequence[Value]:
        \"\"\"x clip(x + 3, 0, 6) / 6.\"\"\"

It gets its main input and the kind of its near miss (empty for the exact pattern) and returns the values it
made in order, the result last. An extra user is added here, so no pattern has to care.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from strategies.builder import Builder, Value, Want

Make = Callable[[Builder, Value, str], Sequence[Value]]

EXTRA_USER = "extra_user"


@dataclass(frozen=True)
class Pattern:
    """How to generate one pattern and its near misses.

    Attributes:
        name: for census and features.
        make: appends the nodes, returns the values it made, the result last.
        want: which values it takes as its main input.
        emits: the operator types it may append.
        misses: the kinds of near miss that ``make`` can do.
        since, until: the opsets in which it can be written.
    """

    name: str
    make: Make
    want: Want
    emits: frozenset[str]
    misses: tuple[str, ...] = ()
    since: int = 9
    until: int = 99

    @property
    def operators(self) -> frozenset[str]:
        """The operator types it may append."""
        return self.emits

    def exists(self, opset: int) -> bool:
        """Whether the pattern can be written in this opset."""
        return self.since <= opset <= self.until

    def build(self, b: Builder, x: Value) -> Sequence[Value]:
        """Append the pattern or a near miss of it; returns what later operators may take."""
        kinds = [("", 4.0), *((miss, 1.5) for miss in self.misses), (EXTRA_USER, 1.0)]
        miss = b.weighted(kinds)
        steps = self.make(b, x, miss)
        b.features.add(f"near_miss:{self.name}:{miss}" if miss else f"pattern:{self.name}")
        if miss == EXTRA_USER and len(steps) > 1:
            inner = b.pick(steps[-2::-1])
            return [b.node("Relu", [inner], b.like(inner, lo=0.0, hi=max(0.0, inner.hi))), steps[-1]]
        return steps[-1:]


PATTERNS: dict[str, Pattern] = {}
"""Every pattern by name, in the order of definition."""


def pattern(
    name: str,
    *,
    emits: Sequence[str],
    want: Want | None = None,
    misses: Sequence[str] = (),
    since: int = 9,
    until: int = 99,
) -> Callable[[Make], Make]:
    """Register the decorated function as the pattern called ``name``.

    Raises:
        ValueError: the name is taken.
    """

    def register(make: Make) -> Make:
        if name in PATTERNS:
            raise ValueError(f"two patterns are called {name}")
        PATTERNS[name] = Pattern(
            name, make, want or Want(), frozenset((*emits, "Relu")), tuple(misses), since, until
        )
        return make

    return register
