"""Swarm testing: each round of a campaign uses a random subset of operators, types and features.

A graph that may hold anything mostly holds the same few things; leaving parts out lets the rest meet more
often, and keeps one common bug from masking the others. ``Swarm()`` is the full mix; ``Swarm.of_seed``
draws a subset that depends on the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from strategies.dtypes import DTYPES
from strategies.initializers import FORMS, ROUTES

OPSETS = (13, 11, 12, 17, 18, 14, 16, 15, 10, 9, 19, 20, 21, 22, 23, 24, 25, 26)
"""Opsets that onnxruntime and pnnx's embedded onnxruntime both accept (pnnx 20261020 crashes on 27 and 28),
simplest (best known to converters) first."""

FEATURES = (
    "branches",
    "more_inputs",
    "inner_outputs",
    "inputshape",
    "symbolic",
    "batches",
    "external_data",
    "shared_weights",
    "large_values",
    "float16",
    "float64",
    "integers",
    "unused_weights",
    "constant_outputs",
    "passthrough",
    "patterns",
)
"""Optional features of cases, see ``graphs.py``, ``builder.py`` and ``constants.py`` for what each does."""


@dataclass(frozen=True)
class Swarm:
    """What one round may use.

    Attributes:
        operators: spec names; None is all of them.
        dtypes: names of the types that weights are stored in; float32 is always allowed.
        ranks: ranks of new graph inputs (a spec that can take none of them uses its own).
        storages: names out of ``FORMS`` and ``ROUTES``; ``raw_data`` and ``direct`` are always allowed.
        features: names out of ``FEATURES``.
        opsets: opset versions, simplest first.
    """

    operators: frozenset[str] | None = None
    dtypes: frozenset[str] = frozenset(d.name for d in DTYPES)
    ranks: frozenset[int] = frozenset(range(6))
    storages: frozenset[str] = frozenset((*FORMS, *ROUTES))
    features: frozenset[str] = frozenset(FEATURES)
    opsets: tuple[int, ...] = OPSETS

    @classmethod
    def of_seed(cls, seed: int, *, operators: Collection[str]) -> Swarm:
        """A random subset of everything, the same for the same seed and ``operators`` (all spec names)."""
        rng = random.Random(seed)

        def subset(items: Iterable[str | int], share: float) -> list[str | int]:
            every = sorted(items, key=str)
            return [i for i in every if rng.random() < share] or [rng.choice(every)]

        chosen_opsets = set(subset(OPSETS, 0.5))
        return cls(
            operators=frozenset(map(str, subset(operators, rng.choice((0.25, 0.5, 0.75))))),
            dtypes=frozenset(map(str, subset((d.name for d in DTYPES), 0.6))),
            ranks=frozenset(map(int, subset(range(6), 0.6))),
            storages=frozenset(map(str, subset((*FORMS, *ROUTES), 0.6))),
            features=frozenset(map(str, subset(FEATURES, 0.5))),
            opsets=tuple(o for o in OPSETS if o in chosen_opsets),
        )
