"""Steering: what some cases of a round aim at, because a campaign has compared it too rarely.

``aims`` turns names of features (those of ``census.wanted_features``) into ``Aim`` values. Half of the cases
of ``cases`` then begin with an operator or pattern aimed at, store a constant in a type and form aimed at, or
both where there are aims of both kinds. The other half is drawn as ever, so that a steered round is still a
round of its swarm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from strategies.dtypes import DTYPES
from strategies.initializers import FORMS, ROUTES, Storage
from strategies.operators import SPECS, Spec
from strategies.patterns import PATTERNS, Pattern


@dataclass(frozen=True)
class Aim:
    """What one feature asks of a case: an anchor to begin with, or a storage for one of its constants."""

    anchor: Spec | Pattern | None = None
    storage: Storage | None = None


def aims(features: Iterable[str]) -> list[Aim]:
    """The aims of these features, in their order.

    Raises:
        ValueError: a name that no case can be steered to.
    """
    return [_aim(feature) for feature in features]


def _aim(feature: str) -> Aim:
    match feature.split(":"):
        case ["op", name] if spec := _spec_of(name):
            return Aim(spec)
        case ["pattern", name] if name in PATTERNS:
            return Aim(PATTERNS[name])
        case ["weight", name, form] if name in _DTYPES and form in FORMS:
            return Aim(storage=Storage(form=form, dtype=_DTYPES[name]))
        case ["route", route] if route in ROUTES:
            return Aim(storage=Storage(route=route))
    raise ValueError(f"no case can be steered to {feature}; see strategies.census.wanted_features")


_DTYPES = {dtype.name: dtype for dtype in DTYPES}


def _spec_of(operator: str) -> Spec | None:
    """The operator's own spec, or the first that makes it on the way; one that pnnx converts if there is."""
    makers = [spec for spec in SPECS.values() if operator in spec.operators]
    return min(makers, key=lambda spec: (not spec.pnnx, spec.name != operator), default=None)
