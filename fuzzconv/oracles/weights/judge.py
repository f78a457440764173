"""The weights oracle: proves that every value ncnn reads from a ``.bin`` is one that ONNX holds.

The judgement asks in this order: was the whole file read and nothing else (``layout.py``); is everything
finite that ONNX has finite; is every blob a constant, or damaged in a way that can be named. A blob that is
neither is a fold nobody listed and is left to the comparison of outputs.
"""

from __future__ import annotations

import numpy as np

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.damage import damage, misread
from fuzzconv.oracles.weights.encoding import HALF_OVERFLOW, TAG_FP16
from fuzzconv.oracles.weights.fault import WeightFault
from fuzzconv.oracles.weights.layout import judge_layout, place
from fuzzconv.oracles.weights.matching import Matcher
from fuzzconv.oracles.weights.roles import may_hold
from fuzzconv.runtime.execution import BlobRead, RunStatus, WeightTrace
from fuzzconv.verdict import Kind


def judge_weights(case: Case, conversion: Conversion, trace: WeightTrace) -> WeightFault | None:
    """The worst damage between the model's constants and what ncnn reads, None when there is none.

    Also None when it can't be known: no ``.bin``, ncnn died, or layers that it does not know.
    """
    known = trace.status in (RunStatus.DONE, RunStatus.LOAD_FAILED)
    if not known or trace.untraced or conversion.weights is None:
        return None
    matcher = Matcher(case.model)
    explained = [_explain(matcher, blob) for blob in trace.blobs]
    fault = judge_layout(matcher, conversion.weights, trace, explained)
    return fault or _judge_values(matcher, conversion.weights, trace, explained)


def _explain(matcher: Matcher, blob: BlobRead) -> Constant | None:
    if blob.values is None:
        return None
    return matcher.explain(blob.values.astype(np.float32), half=blob.tag == TAG_FP16)


def _judge_values(
    matcher: Matcher, content: bytes, trace: WeightTrace, explained: list[Constant | None]
) -> WeightFault | None:
    for blob, constant in zip(trace.blobs, explained, strict=True):
        fault = _judge_finite(matcher, trace, content, blob, constant)
        if fault:
            return fault
    if all(explained):
        return None
    missing = [constant for constant in matcher.direct() if constant not in explained]
    for blob, constant in zip(trace.blobs, explained, strict=True):
        if constant is None:
            fault = _judge_damage(trace, content, blob, missing)
            if fault:
                return fault
    return None


def _judge_finite(
    matcher: Matcher, trace: WeightTrace, content: bytes, blob: BlobRead, constant: Constant | None
) -> WeightFault | None:
    if blob.values is None or np.isfinite(blob.values).all():
        return None
    bad = np.flatnonzero(~np.isfinite(blob.values))
    evidence = place(blob, content, trace) | {"index": int(bad[0]), "values": int(bad.size)}
    if constant is not None:
        if blob.tag != TAG_FP16 or not np.isfinite(constant.as_float).all():
            return None
        largest = float(np.abs(constant.as_float).max())
        detail = (
            f"{_name(blob)}: {bad.size} of {blob.values.size} values of ONNX constant {constant} became "
            f"infinite when stored as fp16 (largest magnitude {largest:.6g}, fp16 ends at {HALF_OVERFLOW:g})"
        )
        return WeightFault(Kind.WEIGHT_NAN, detail, evidence | {"constant": constant.name})
    if not all(_finite(known) for known in matcher.all_constants()):
        return None
    detail = (
        f"{_name(blob)}: value {int(bad[0])} is {blob.values[bad[0]]} ({bad.size} of {blob.values.size} "
        f"values are not finite), though every constant of the ONNX model is finite"
    )
    return WeightFault(Kind.WEIGHT_NAN, detail, evidence)


def _finite(constant: Constant) -> bool:
    return bool(np.isfinite(constant.as_float).all())


def _judge_damage(
    trace: WeightTrace, content: bytes, blob: BlobRead, missing: list[Constant]
) -> WeightFault | None:
    for constant in missing:
        if not may_hold(blob, constant):
            continue
        found = misread(blob, constant, content)
        if found is None and constant.array.size == blob.count:
            found = damage(blob, constant, content, half=blob.tag == TAG_FP16)
        if found is not None:
            evidence = place(blob, content, trace) | {"constant": constant.name}
            if found.shift_bytes:
                evidence["shift_bytes"] = found.shift_bytes
            detail = f"{_name(blob)} should hold ONNX constant {constant}, but {found.what}"
            return WeightFault(found.kind, detail, evidence)
    return None


def _name(blob: BlobRead) -> str:
    return f"{blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset}"
