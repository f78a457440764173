"""Does ncnn read the ``.bin`` as it was written: all of it, nothing beyond, every blob under a known tag?"""

from __future__ import annotations

import numpy as np

from fuzzconv.converters.conversion import Conversion
from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.damage import misread
from fuzzconv.oracles.weights.encoding import KNOWN_TAGS
from fuzzconv.oracles.weights.fault import WeightFault
from fuzzconv.oracles.weights.matching import Matcher
from fuzzconv.oracles.weights.misfits import Misfit, explain, find_misfits
from fuzzconv.oracles.weights.shift import Shift, locate
from fuzzconv.runtime.execution import BlobRead, WeightTrace
from fuzzconv.verdict import Kind


def judge_layout(
    matcher: Matcher, conversion: Conversion, trace: WeightTrace, explained: list[Constant | None]
) -> WeightFault | None:
    """The fault in the file's layout, None when every byte is read exactly once under a known tag."""
    content = conversion.weights or b""
    short = next((blob for blob in trace.blobs if blob.values is None and blob.count > 0), None)
    strange = next((b for b in trace.blobs if b.tag is not None and b.tag not in KNOWN_TAGS), None)
    named = matcher.constants.stored if conversion.converter == "onnx2ncnn" else ()
    misfits = find_misfits(trace.blobs, named)
    if short is None and strange is None and trace.consumed == len(content):
        return _compensated(content, trace, misfits)
    shift = locate(matcher, content, trace, explained)
    if shift is not None:
        return _shifted(content, trace, shift, misfits)
    if strange is not None:
        return _strange_tag(content, trace, strange)
    if short is not None:
        return _cut_off(content, trace, short, misfits)
    return _left_over(content, trace, misfits, matcher)


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


def _shifted(content: bytes, trace: WeightTrace, shift: Shift, misfits: list[Misfit]) -> WeightFault:
    blob = trace.blobs[shift.position]
    evidence = place(blob, content, trace)
    evidence |= {"shift_bytes": shift.bytes, "constant": shift.constant.name}
    if shift.bytes % 4 == 0:
        evidence["shift_elements"] = shift.bytes // 4
    earlier = trace.blobs[: shift.position]
    reasons = explain([misfit for misfit in misfits if misfit.position < shift.position], shift.bytes)
    parts = [str(reason) for reason in reasons]
    if reasons:
        evidence |= _culprit(reasons[0])
    elif earlier:
        evidence |= {"culprit": earlier[-1].layer, "culprit_type": earlier[-1].layer_type}
        parts.append(f"{earlier[-1].layer_type} {earlier[-1].layer!r} is the last one read from its place")
    parts.append(
        f"from {blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset} on, "
        f"weights are shifted by {_amount(shift.bytes)}"
    )
    parts += _symptoms(content, trace, blob, evidence)
    return WeightFault(Kind.WEIGHT_SHIFT, "; ".join(parts), evidence)


def _compensated(content: bytes, trace: WeightTrace, misfits: list[Misfit]) -> WeightFault | None:
    """The fault of misfits whose sizes add up to nothing: what lies between them is shifted all the same."""
    reasons = explain(misfits, 0)
    if not reasons:
        return None
    first = reasons[0]
    blob = trace.blobs[first.position + 1]
    evidence = place(blob, content, trace) | _culprit(first) | {"shift_bytes": first.excess}
    if first.excess % 4 == 0:
        evidence["shift_elements"] = first.excess // 4
    where = (
        f"from {blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset} on, weights are "
        f"shifted by {_amount(first.excess)} until the sizes make up for each other"
    )
    detail = "; ".join([*map(str, reasons), where, *_symptoms(content, trace, blob, evidence)])
    return WeightFault(Kind.WEIGHT_SHIFT, detail, evidence)


def _culprit(misfit: Misfit) -> dict[str, object]:
    return {
        "culprit": misfit.blob.layer,
        "culprit_type": misfit.blob.layer_type,
        "culprit_constant": str(misfit.constant),
        "culprit_written": misfit.written,
        "culprit_read": misfit.wanted,
    }


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
        symptoms.append(
            f"{what} ({left} bytes are never read)" if left % 4 == 0 else f"{left} bytes are left"
        )
    return symptoms


def _strange_tag(content: bytes, trace: WeightTrace, blob: BlobRead) -> WeightFault:
    detail = (
        f"{blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset}: 0x{blob.tag:08x} is no "
        f"known tag, so ncnn takes the weights for a table of 256 values and indices"
    )
    return WeightFault(Kind.WEIGHT_SHIFT, detail, place(blob, content, trace))


def _cut_off(content: bytes, trace: WeightTrace, blob: BlobRead, misfits: list[Misfit]) -> WeightFault:
    detail = (
        f"the file ends after {len(content)} bytes, while {blob.layer_type} {blob.layer!r}, blob "
        f"{blob.index} at byte {blob.offset} still needs {blob.count} values"
    )
    evidence = place(blob, content, trace)
    missing = [misfit for misfit in misfits if misfit.excess < 0]
    if missing:
        evidence |= _culprit(missing[0])
        detail = "; ".join([*map(str, missing), detail])
    return WeightFault(Kind.WEIGHT_LOST, detail, evidence)


def _left_over(content: bytes, trace: WeightTrace, misfits: list[Misfit], matcher: Matcher) -> WeightFault:
    left = len(content) - trace.consumed
    evidence: dict[str, object] = {
        "file_size": len(content),
        "consumed": trace.consumed,
        "lost_bytes": left,
    }
    detail = f"ncnn reads {trace.consumed} of the file's {len(content)} bytes: {left} are never read"
    reasons = explain(misfits, left)
    taken = next(
        ((b, c) for b in trace.blobs for c in matcher.constants.stored if misread(b, c, content)), None
    )
    unread = [c for c in matcher.constants.stored if c.stored_bytes == left]
    if reasons:
        evidence |= place(reasons[0].blob, content, trace) | _culprit(reasons[0])
        detail = "; ".join([*map(str, reasons), detail])
    elif taken:
        blob, constant = taken
        evidence |= place(blob, content, trace) | {"constant": constant.name}
        detail = (
            f"{blob.layer_type} {blob.layer!r} holds ONNX constant {constant}, whose {constant.array.dtype} "
            f"bytes ncnn reads as float32; {detail}"
        )
    elif unread:
        evidence["constant"] = unread[0].name
        detail += f", as many as ONNX constant {unread[0]} has"
    return WeightFault(Kind.WEIGHT_LOST, detail, evidence)


def _amount(shift: int) -> str:
    if shift % 4:
        return f"{shift:+d} bytes"
    elements = shift // 4
    return f"{elements:+d} element{'s' if abs(elements) != 1 else ''} ({shift:+d} bytes)"
