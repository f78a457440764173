"""Where did a file's content move, how far, and why?

The first blob that is not where ncnn looks tells the distance: its constant lies so many bytes behind or
before. The layers before it whose constants were written with another size are the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.damage import data_offset, displacement
from fuzzconv.oracles.weights.encoding import decode
from fuzzconv.oracles.weights.matching import Matcher, find
from fuzzconv.runtime.execution import BlobRead, WeightTrace


@dataclass(frozen=True)
class Shift:
    """From the blob at ``position`` on, the content lies ``bytes`` behind the place where ncnn looks.

    Attributes:
        constant: what that blob should hold.
    """

    position: int
    bytes: int
    constant: Constant


def locate(
    matcher: Matcher, content: bytes, trace: WeightTrace, explained: list[Constant | None]
) -> Shift | None:
    """The first shift in the file, None when no misplaced constant can be found.

    When several constants can be meant, the distance that puts most of the later blobs right wins.
    """
    missing = [c for c in matcher.all_constants() if c not in explained and c.array.dtype.kind == "f"]
    starts = _wanted_starts(trace)
    for position, blob in enumerate(trace.blobs):
        if explained[position] is not None:
            continue
        found = [
            Shift(position, distance, constant)
            for constant in missing
            if constant.array.size == blob.count
            for half in _encodings(blob)
            if (distance := displacement(starts[position], constant, content, half=half)) is not None
        ]
        if found:
            return max(found, key=lambda s: (_support(s, missing, content, trace, starts), -abs(s.bytes)))
    return None


def _wanted_starts(trace: WeightTrace) -> list[int]:
    """Where each blob's first value would be if no read had come short."""
    starts = []
    lacking = 0
    for blob in trace.blobs:
        starts.append(data_offset(blob) + lacking)
        if blob.values is None and blob.load_type != 0:
            lacking += 4 * blob.count - blob.size
    return starts


def _support(
    shift: Shift, missing: list[Constant], content: bytes, trace: WeightTrace, starts: list[int]
) -> int:
    """How many blobs hold a constant if everything from ``shift`` on moved by the same distance."""
    return sum(
        any(
            values is not None and find(values, missing, half=half) is not None
            for half in _encodings(blob)
            for values in (decode(content, start + shift.bytes, blob.count, half=half),)
        )
        for blob, start in zip(trace.blobs[shift.position :], starts[shift.position :], strict=True)
    )


def _encodings(blob: BlobRead) -> tuple[bool, ...]:
    """Whether the blob's values may be halves: only tagged ones."""
    return (False, True) if blob.load_type == 0 else (False,)
