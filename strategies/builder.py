"""The graph under construction: what an operator spec draws from and writes to.

``Builder`` draws choices (see ``choices.py``), makes inputs and weights (``constants.py``), and appends nodes
(``nodes.py``); every value it returns has a static type and a sound range of its numbers (``value.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fuzzconv.case import Array
from strategies import values
from strategies.constants import Constants
from strategies.dtypes import DTYPES, Dtype
from strategies.shapes import Shape
from strategies.value import LIMIT, Value, Want

__all__ = ["LIMIT", "Builder", "Value", "Want"]


@dataclass
class Builder(Constants):
    """Draws choices and collects the graph.

    Attributes:
        inputs: graph inputs with the numbers to feed.
        pool: values that later operators may take, oldest first.
    """

    inputs: list[tuple[Value, Array]] = field(default_factory=list)
    pool: list[Value] = field(default_factory=list)

    def take(self, want: Want) -> Value:
        """A value that ``want`` accepts: one of the pool, the latest first, or a fresh input."""
        found = [v for v in reversed(self.pool) if want.accepts(v)]
        if not found or (self.has("more_inputs") and self.flag(6)):
            return self.fresh(want)
        return found[0] if not self.has("branches") else self.pick(found[:4])

    def fresh(self, want: Want) -> Value:
        """A new graph input that ``want`` accepts."""
        dtype = self.dtype if self.dtype in want.dtypes else next(d for d in DTYPES if d in want.dtypes)
        shape = want.shape(self) if want.shape else self.shape(want.ranks)
        widest = None if want.jump is not None else (want.lo, want.hi)
        pattern = "distinct" if want.distinct else None
        return self.input(shape, dtype, *want.fresh, widest=widest, jump=want.jump, pattern=pattern)

    def input(
        self,
        shape: Shape,
        dtype: Dtype,
        lo: float,
        hi: float,
        *,
        widest: tuple[float, float] | None = None,
        jump: float | None = None,
        pattern: str | None = None,
    ) -> Value:
        """A new graph input with values in [lo, hi]; now and then as large as ``widest`` allows.

        ``jump`` moves the numbers 0.3 away from every integer plus ``jump``; ``pattern`` fixes their pattern.
        """
        array, lo, hi = self._numbers(shape, dtype, lo, hi, widest, pattern)
        if jump is not None:
            array, lo, hi = values.avoid_jumps(array, jump), lo - 1, hi + 1
        value = Value(self.name("x"), dtype, shape, lo, hi)
        self.inputs.append((value, array))
        self.pool.append(value)
        self.features.add(f"input:{dtype.name}")
        return value

    def partner(self, shape: Shape, dtype: Dtype, lo: float, hi: float, widest: float = LIMIT) -> Value:
        """A second operand of exactly this type: a pool value (a diamond), a weight, or a fresh input."""
        found = [
            v
            for v in self.pool
            if v.shape == shape and v.dtype is dtype and -widest <= v.lo and v.hi <= widest and not v.constant
        ]
        kinds = [("weight", 4.0)]
        if found and self.has("branches"):
            kinds.append(("pool", 4.0))
        if self.has("more_inputs") and (shape or self.rare()):
            kinds.append(("input", 1.5))
        match self.weighted(kinds):
            case "pool":
                return self.pick(found[::-1])
            case "input":
                return self.input(shape, dtype, lo, hi)
            case _:
                return self.weight(shape, lo, hi, dtype)
