"""Which features a campaign compared too rarely to say anything about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
