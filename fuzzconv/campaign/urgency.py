"""Which failing case to reduce next: ``urgency`` orders them, ``most_urgent`` sees that none starve."""

from __future__ import annotations

from collections.abc import Sequence

from fuzzconv.campaign.messages import CandidateFound

LEGACY_EVERY = 4
"""One reduction in so many goes to the legacy converter while both have cases that wait: it has more bugs
than a campaign can reduce, and is still in use."""

_FAMILIES = ("weights", "result", "nondeterminism", "crash", "hang", "load", "refused")


def urgency(candidate: CandidateFound) -> tuple[object, ...]:
    """Sort key: silent wrong results before crashes before refusals, few operators first; legacy last."""
    signature = candidate.signature
    return (_is_legacy(candidate), _FAMILIES.index(signature.family), len(signature.operators))


def most_urgent(pending: Sequence[CandidateFound], given: int) -> CandidateFound:
    """What to reduce after ``given`` reductions; ``pending`` is in order of ``urgency`` and not empty."""
    legacy = given % LEGACY_EVERY == LEGACY_EVERY - 1
    return next((c for c in pending if _is_legacy(c) == legacy), pending[0])


def _is_legacy(candidate: CandidateFound) -> bool:
    return candidate.signature.converter == "onnx2ncnn"
