"""What one route made of one case: a kind, a sentence and the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from fuzzconv.route import Route

FEEDING = "feeding"
"""Key of a verdict's evidence: with which of the feedings it was seen, where not with the first."""


class Kind(Enum):
    """Verdict kinds in rising order of interest (``Kind.rank``)."""

    OK = "ok"
    SKIPPED = "skipped"
    UNSUPPORTED = "unsupported"
    REFUSED = "refused"
    LOAD_FAILURE = "load_failure"
    HANG = "hang"
    CRASH = "crash"
    SHAPE_MISMATCH = "shape_mismatch"
    NAN = "nan"
    DIVERGENCE = "divergence"
    NONDETERMINISM = "nondeterminism"
    WEIGHT_LOST = "weight_lost"
    WEIGHT_SHIFT = "weight_shift"
    WEIGHT_NAN = "weight_nan"

    @property
    def rank(self) -> int:
        """Position in the order of interest, 0 for ``ok``."""
        return _RANKS[self]

    @property
    def is_bad(self) -> bool:
        """Whether this kind is a fault of a tool under test (``refused`` and worse).

        ``unsupported`` is not: the tool said so about an operator of this graph.
        """
        return self.rank >= _RANKS[Kind.REFUSED]

    @property
    def is_weight_fault(self) -> bool:
        """Whether the weights oracle found it: such kinds carry no device."""
        return self in (Kind.WEIGHT_LOST, Kind.WEIGHT_SHIFT, Kind.WEIGHT_NAN)


_RANKS = {kind: position for position, kind in enumerate(Kind)}


@dataclass(frozen=True)
class Verdict:
    """The judgement of one case on one route.

    Attributes:
        route: where.
        kind: what.
        detail: one sentence a maintainer understands; empty for ``ok``.
        warned: what the tool itself printed about it; empty means the fault was silent.
        stage: where the evidence was seen: ``convert``, ``weights``, ``load``, ``run`` or ``compare``.
        evidence: plain JSON-able facts (``layer``, ``offset``, ``shift_bytes``, ``max_error``, ``signal``,
            ``stderr`` …); which keys exist is up to the oracle, see there.
    """

    route: Route
    kind: Kind
    detail: str = ""
    warned: str = ""
    stage: str = "compare"
    evidence: Mapping[str, object] = field(default_factory=dict)

    @property
    def silent(self) -> bool:
        """A bad verdict the tools gave no word about: the most dangerous ones, ranked first."""
        return self.kind.is_bad and not self.warned
