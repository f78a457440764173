"""Which features a campaign compared too rarely to say anything about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from fuzzconv.findings.store import RunStore

FEWEST = 20
"""Comparisons that a half-hour campaign should make of everything that pnnx supports."""


@dataclass(frozen=True)
class Thin:
    """A feature with too few comparisons.

    Attributes:
        feature: ``op:Conv``, ``weight:int8:typed`` and the like.
        generated: cases that carried it.
        compared: those of them that reached a comparison.
    """

    feature: str
    generated: int
    compared: int


def thin(counts: Mapping[str, tuple[int, int]], wanted: Iterable[str], fewest: int = FEWEST) -> list[Thin]:
    """The ``wanted`` features with fewer than ``fewest`` comparisons, the poorest first.

    Args:
        counts: feature → (cases generated, cases compared), as the run's store keeps them.
        wanted: the features that should be there (``strategies.census.wanted_features``).
        fewest: how many comparisons are enough.
    """
    rows = [Thin(feature, *counts.get(feature, (0, 0))) for feature in dict.fromkeys(wanted)]
    return sorted((row for row in rows if row.compared < fewest), key=lambda row: (row.compared, row.feature))


@cache
def wanted() -> Sequence[str]:
    """What a campaign should compare often enough."""
    from strategies.census import wanted_features  # at the top it would delay the first case of a campaign

    return wanted_features()


def note_thin(store: RunStore) -> None:
    """Put into a run's store what it compared too rarely: feature → how often generated, and compared."""
    rows = thin(store.features(), wanted())
    facts = {row.feature: {"generated": row.generated, "compared": row.compared} for row in rows}
    store.set_facts({"thin": facts})
