"""What a builder draws: alternatives, numbers, flags, odd sizes and shapes.

``Choices`` turns Hypothesis draws into decisions. Every method puts the simplest alternative first, so that
shrinking ends there, and none of them rejects a draw.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from strategies.dtypes import FLOAT32, Dtype
from strategies.shapes import BATCHES, CHANNELS, MAX_ELEMENTS, RANKS, SIZES, Shape, elements, fitting
from strategies.swarm import Swarm

T = TypeVar("T")

_STRIDE = 1 << 20

_PARTS = 120
"""The weights of a choice are rounded to these parts of their sum. Hypothesis draws from a range of more than
about 128 numbers with a bias to the small ones (seen: with 4000, the first tenth came 4 times too often)."""


@lru_cache(maxsize=1 << 14)
def _numbered(count: int, ordinal: int) -> SearchStrategy[int]:
    """``count`` numbers, a different strategy for every ``ordinal``.

    Hypothesis turns five of six examples into copies of the one before, in which one draw is copied over
    another of an equal strategy. Here that mostly gives the same case once more (37 % duplicates were
    seen), so no two draws of a case use equal strategies.
    """
    return st.sampled_from(range(ordinal * _STRIDE, ordinal * _STRIDE + count))


@dataclass
class Choices:
    """Draws choices within a swarm.

    Attributes:
        draw: Hypothesis's draw function.
        swarm: what may be used.
        opset: version of the default operator set.
        dtype: the graph's own type: float32 mostly.
        rare_case: this case may hold what pnnx is known not to support.
        odds: factor in (0, 1] per operator, storage form, route, type or value pattern that lowers its odds.
    """

    draw: DrawFn
    swarm: Swarm
    opset: int
    dtype: Dtype = FLOAT32
    rare_case: bool = False
    odds: Mapping[str, float] = field(default_factory=dict)
    _draws: int = 0

    def _below(self, count: int) -> int:
        self._draws += 1
        ordinal = self._draws % 512
        return self.draw(_numbered(count, ordinal)) - ordinal * _STRIDE

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``, the first being the simplest."""
        return items[0] if len(items) == 1 else items[self._below(len(items))]

    def weighted(self, items: Sequence[tuple[T, float]]) -> T:
        """One of the (item, weight) pairs with odds by weight, the first being the simplest."""
        if len(items) == 1:
            return items[0][0]
        weights = [weight * self.odds.get(str(item), 1.0) for item, weight in items]
        scale = _PARTS / sum(weights)
        sums = list(accumulate(max(1, round(weight * scale)) for weight in weights))
        return items[bisect_right(sums, self._below(sums[-1]))][0]

    def spared(self, name: str) -> bool:
        """Whether the odds say to take something else than ``name`` this time; False is the simpler."""
        factor = self.odds.get(name, 1.0)
        return factor < 1 and self._below(_PARTS) >= max(1, round(factor * _PARTS))

    def flag(self, one_in: int = 2) -> bool:
        """True once in ``one_in`` draws; False is the simpler."""
        return self._below(one_in) == one_in - 1

    def integer(self, lo: int, hi: int) -> int:
        """An integer in [lo, hi], ``lo`` being the simplest."""
        return lo if lo == hi else lo + self._below(hi - lo + 1)

    def rare(self) -> bool:
        """Whether to use a form that pnnx is known not to support; True only in rare cases."""
        return self.rare_case and self.flag()

    def has(self, feature: str) -> bool:
        """Whether the swarm allows ``feature``."""
        return feature in self.swarm.features

    def size(self, budget: int = 33) -> int:
        """An odd size of one dimension, at most ``budget`` (at least 1)."""
        return self.pick(fitting(SIZES, budget))

    def channels(self, budget: int = 33) -> int:
        """A channel count, at most ``budget`` (at least 1)."""
        return self.pick(fitting(CHANNELS, budget))

    def batch(self) -> int:
        """A batch size: mostly 1."""
        if self.has("batches") and self.flag(8):
            return self.pick(BATCHES)
        return 1

    def shape(self, ranks: Collection[int] = (0, 1, 2, 3, 4, 5)) -> Shape:
        """A shape of one of ``ranks``: batch, channels, then sizes; at most ``MAX_ELEMENTS`` elements."""
        allowed = [r for r in RANKS if r[0] in ranks and r[0] in self.swarm.ranks]
        # Rank 5 is for images of three dimensions: a batch of them fits ncnn, most other tensors don't.
        few = {5: 1.0} if 2 in ranks else {}
        rank = self.weighted([(r, few.get(r, w)) for r, w in allowed or [r for r in RANKS if r[0] in ranks]])
        if rank < 2:
            return tuple(self.size() for _ in range(rank))
        channels = self.channels(33 if rank < 5 else 17)
        equal = self.has("batches") and self.flag(24)
        dims = [min(channels, 8) if equal else self.batch(), min(channels, 8) if equal else channels]
        for left in range(rank - 2, 0, -1):
            room = MAX_ELEMENTS // elements(tuple(dims))
            dims.append(self.size(int(room ** (1 / left))))
        return tuple(dims)
