"""Does ncnn read the ``.bin`` as it was written: all of it, nothing beyond, each blob where it lies?

When it does not, the first blob that is not where ncnn looks tells how far everything moved, and the blob
before it is the culprit: the converter wrote more or fewer bytes for it than ncnn reads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.damage import displacement
from fuzzconv.oracles.weights.encoding import KNOWN_TAGS
from fuzzconv.oracles.weights.fault import WeightFault
from fuzzconv.oracles.weights.matching import Matcher
from fuzzconv.runtime.execution import BlobRead, WeightTrace
from fuzzconv.verdict import Kind


@dataclass(frozen=True)
class _Shift:
    """From which blob on, and by how many bytes, the file's content lies elsewhere than ncnn looks."""

    position: int
    bytes: int
    constant: Constant


def judge_layout(
    matcher: Matcher, content: bytes, trace: WeightTrace, explained: list[Constant | None]
) -> WeightFault | None:
    """The fault in the file's layout, None when every byte is read exactly once under a known tag."""
    short = next((blob for blob in trace.blobs if blob.values is None and blob.count > 0), None)
    strange = next((b for b in trace.blobs if b.tag is not None and b.tag not in KNOWN_TAGS), None)
    if short is None and strange is None and trace.consumed == len(content):
        return None
    shift = _locate(matcher, content, trace, explained)
    if shift is not None:
        return _shifted(content, trace, shift, matcher)
    if strange is not None:
        return _strange_tag(content, trace, strange)
    if short is not None:
        return _cut_off(content, trace, short)
    return _left_over(content, trace, matcher)


def place(blob: BlobRead, content: bytes, trace: WeightTrace) -> dict[str, object]:
    """Evidence that says which blob of which file."""
    evidence: dict[str, object] = {
        "layer": blob.layer,
        "layer_type": blob.layer_type,
        "blob": blob.index,
        "offset": blob.offset,
        "file_size": len(content),
        "consumed": trace.consumed,
    }
    if blob.tag is not None:
        evidence["tag"] = f"0x{blob.tag:08x}"
    return evidence


def _locate(
    matcher: Matcher, content: bytes, trace: WeightTrace, explained: list[Constant | None]
) -> _Shift | None:
    missing = [c for c in (*matcher.constants.stored, *matcher.constants.computed) if c not in explained]
    for position, blob in enumerate(trace.blobs):
        if explained[position] is not None:
            continue
        for constant in missing:
            if constant.array.size != blob.count or constant.array.dtype.kind != "f":
                continue
            halves = (False, True) if blob.load_type == 0 else (False,)
            for half in halves:
                distance = displacement(blob, constant, content, half=half)
                if distance is not None:
                    return _Shift(position, distance, constant)
    return None


def _shifted(content: bytes, trace: WeightTrace, shift: _Shift, matcher: Matcher) -> WeightFault:
    blob = trace.blobs[shift.position]
    before = trace.blobs[shift.position - 1] if shift.position else None
    evidence = place(blob, content, trace) | {
        "shift_bytes": shift.bytes,
        "constant": shift.constant.name,
    }
    if shift.bytes % 4 == 0:
        evidence["shift_elements"] = shift.bytes // 4
    parts = []
    if before is None:
        parts.append(f"the file's content starts {_amount(shift.bytes)} from where ncnn expects it")
    else:
        evidence |= {"culprit": before.layer, "culprit_type": before.layer_type}
        written = before.size + shift.bytes
        source = _source(before, written, matcher)
        if source is not None:
            evidence["culprit_constant"] = source.name
        parts.append(
            f"{before.layer_type} {before.layer!r}"
            + (f" (ONNX constant {source})" if source is not None else "")
            + f" takes {written} bytes of the file, ncnn reads {before.size}"
        )
    parts.append(
        f"from {blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset} on, "
        f"weights are shifted by {_amount(shift.bytes)}"
    )
    parts += _symptoms(content, trace, blob, evidence)
    return WeightFault(Kind.WEIGHT_SHIFT, "; ".join(parts), evidence)


def _symptoms(content: bytes, trace: WeightTrace, blob: BlobRead, evidence: dict[str, object]) -> list[str]:
    symptoms = []
    if blob.values is not None and blob.values.size and np.isnan(blob.values[0]):
        evidence["first_value"] = "nan"
        symptoms.append("the first value is NaN")
    strange = next((b for b in trace.blobs if b.tag is not None and b.tag not in KNOWN_TAGS), None)
    cut = next((b for b in trace.blobs if b.values is None and b.count > 0), None)
    left = len(content) - trace.consumed
    if strange is not None:
        symptoms.append(
            f"{strange.layer_type} {strange.layer!r} finds 0x{strange.tag:08x} where its tag should be"
        )
    if cut is not None:
        symptoms.append(f"the file ends while {cut.layer_type} {cut.layer!r} is being read")
    elif left > 0:
        evidence["lost_bytes"] = left
        what = "the last value is lost" if left == 4 else f"the last {left // 4} values are lost"
        symptoms.append(f"{what} ({left} bytes are never read)")
    return symptoms


def _source(before: BlobRead, written: int, matcher: Matcher) -> Constant | None:
    """The ONNX constant behind a blob of the wrong size: it has its name, or exactly the bytes written."""
    stored = matcher.constants.stored
    by_name = [constant for constant in stored if constant.name == before.layer]
    by_size = [c for c in stored if c.array.size == before.count and c.stored_bytes == written]
    return next(iter(by_name or by_size), None)


def _strange_tag(content: bytes, trace: WeightTrace, blob: BlobRead) -> WeightFault:
    detail = (
        f"{blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset}: 0x{blob.tag:08x} is no "
        f"known tag, so ncnn takes the weights for a table of 256 values and indices"
    )
    return WeightFault(Kind.WEIGHT_SHIFT, detail, place(blob, content, trace))


def _cut_off(content: bytes, trace: WeightTrace, blob: BlobRead) -> WeightFault:
    detail = (
        f"the file ends after {len(content)} bytes, while {blob.layer_type} {blob.layer!r}, blob "
        f"{blob.index} at byte {blob.offset} still needs {blob.count} values"
    )
    return WeightFault(Kind.WEIGHT_LOST, detail, place(blob, content, trace))


def _left_over(content: bytes, trace: WeightTrace, matcher: Matcher) -> WeightFault:
    left = len(content) - trace.consumed
    evidence: dict[str, object] = {
        "file_size": len(content),
        "consumed": trace.consumed,
        "lost_bytes": left,
    }
    detail = f"ncnn reads {trace.consumed} of the file's {len(content)} bytes: {left} are never read"
    for blob in trace.blobs:
        source = _source(blob, blob.size + left, matcher)
        if source is not None and source.stored_bytes == blob.size + left:
            evidence |= place(blob, content, trace) | {"constant": source.name}
            detail += (
                f"; {blob.layer_type} {blob.layer!r} holds ONNX constant {source} of {source.stored_bytes} "
                f"bytes and reads {blob.size}"
            )
            break
    return WeightFault(Kind.WEIGHT_LOST, detail, evidence)


def _amount(shift: int) -> str:
    if shift % 4:
        return f"{shift:+d} bytes"
    elements = shift // 4
    return f"{elements:+d} element{'s' if abs(elements) != 1 else ''} ({shift:+d} bytes)"
