"""Which features the next search round favours: those that the campaign has compared too rarely so far.

Swarms and equal odds bring every operator often enough, but not every type of constant in every storage form,
nor every fusion pattern; those are what steering is for (``strategies.steering`` does it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fuzzconv.campaign.tally import Tally
from fuzzconv.report.coverage import FEWEST, thin, wanted
from fuzzconv.route import Route

SOON = 100
"""Cases before which a campaign is not steered: everything is rare then."""

MOST = 16
"""Features that one round favours: of its hundred cases, about three aim at each."""

ENOUGH_TRIES = 5 * FEWEST
"""Cases with a feature after which it is favoured no more: if they hardly reach a comparison, more would not
either. The report lists it with both numbers."""


def favoured(tally: Tally, routes: Sequence[Route]) -> tuple[str, ...]:
    """The features that the next round favours, the poorest first; none where no PNNX route compares."""
    if tally.cases < SOON or all(route.converter != "pnnx" for route in routes):
        return ()
    return poorest(tally.features, wanted())


def poorest(counts: Mapping[str, tuple[int, int]], features: Sequence[str]) -> tuple[str, ...]:
    """The ``features`` with the fewest comparisons that it still pays to try.

    Args:
        counts: feature → (cases generated, cases compared).
        features: those that a campaign should compare often enough.
    """
    rows = [row for row in thin(counts, features) if row.generated < ENOUGH_TRIES]
    return tuple(row.feature for row in rows[:MOST])
