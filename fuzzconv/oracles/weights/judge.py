"""The weights oracle: proves that every value ncnn reads from a ``.bin`` is one that ONNX holds.

The judgement asks in this order: was the whole file read and nothing else (``layout.py``); is everything
finite that ONNX has finite; is every blob a constant, or damaged in a way that can be named; does every
constant lie in the layer it is meant for (``exchange.py``). A blob that is neither a constant nor damaged is
a fold nobody listed and is left to the comparison of outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.damage import Damage, damage, misread
from fuzzconv.oracles.weights.encoding import HALF_OVERFLOW, HALF_SMALLEST, TAG_FP16, flushed
from fuzzconv.oracles.weights.exchange import find_exchange
from fuzzconv.oracles.weights.fault import WeightFault
from fuzzconv.oracles.weights.forms import orders
from fuzzconv.oracles.weights.layout import judge_layout, place
from fuzzconv.oracles.weights.matching import Matcher, matching_orders
from fuzzconv.oracles.weights.roles import may_hold
from fuzzconv.runtime.execution import BlobRead, RunStatus, WeightTrace
from fuzzconv.verdict import Kind

MEANT, POSITION = "meant", "position"
"""Keys of a fault's evidence: the orders of the values that a blob may hold, and which of the blobs it is."""
MOST_MEANT = 64
"""Values, and orders of them, that are worth listing."""

WORTH_KEEPING = 0.01
"""Share of a blob's largest magnitude above which a flushed value is a loss. Below, the rounding of the
larger values weighs as much, and nearly every trained network has some such values."""


def judge_weights(case: Case, conversion: Conversion, trace: WeightTrace) -> WeightFault | None:
    """The worst damage between the model's constants and what ncnn reads, None when there is none.

    Also None when it can't be known: no ``.bin``, ncnn died, or layers that it does not know.
    """
    known = trace.status in (RunStatus.DONE, RunStatus.LOAD_FAILED)
    if not known or trace.untraced or conversion.weights is None:
        return None
    matcher = Matcher(case.model)
    explained = [_explain(matcher, blob) for blob in trace.blobs]
    return (
        judge_layout(matcher, conversion, trace, explained)
        or _judge_blobs(matcher, conversion.weights, trace, explained)
        or _judge_places(matcher, case.model.graph, conversion, trace, explained)
    )


def _explain(matcher: Matcher, blob: BlobRead) -> Constant | None:
    if blob.values is None:
        return None
    return matcher.explain(blob.values.astype(np.float32), half=blob.tag == TAG_FP16)


def _judge_blobs(
    matcher: Matcher, content: bytes, trace: WeightTrace, explained: list[Constant | None]
) -> WeightFault | None:
    for position, (blob, constant) in enumerate(zip(trace.blobs, explained, strict=True)):
        fault = _judge_finite(matcher, content, trace, blob, constant)
        fault = fault or _judge_flushed(content, trace, position, constant)
        if fault:
            return fault
    unexplained = [(i, trace.blobs[i]) for i, constant in enumerate(explained) if constant is None]
    if not unexplained:
        return None
    missing = list(matcher.missing(explained))
    for position, blob in unexplained:
        for constant, found in _damages(matcher, content, blob, missing):
            evidence = place(blob, content, trace) | {"constant": constant.name}
            if constant.array.size == blob.count:
                evidence |= _meant(constant, position)
            if found.shift_bytes:
                evidence["shift_bytes"] = found.shift_bytes
            detail = f"{_name(blob)} should hold ONNX constant {constant}, but {found.what}"
            return WeightFault(found.kind, detail, evidence)
    return None


def _meant(constant: Constant, position: int) -> dict[str, object]:
    """The position of a damaged blob among all, and what it may hold, where that is little.

    For those who have the file and the blobs but not the rules for the order of values.
    """
    usable = constant.array.dtype.kind == "f" and np.isfinite(constant.as_float).all()
    if constant.array.size > MOST_MEANT or not usable:
        return {}
    meant = {tuple(map(float, order)) for order in orders(constant, constant.as_float)}
    return {} if len(meant) > MOST_MEANT else {POSITION: position, MEANT: sorted(map(list, meant))}


def _judge_places(
    matcher: Matcher,
    graph: onnx.GraphProto,
    conversion: Conversion,
    trace: WeightTrace,
    explained: list[Constant | None],
) -> WeightFault | None:
    exchange = find_exchange(matcher, graph, conversion, trace, explained)
    if exchange is None:
        return None
    first, second = exchange.first, exchange.second
    evidence = place(first.blob, conversion.weights or b"", trace)
    evidence |= {"constant": second.constant.name, "instead": first.constant.name}
    detail = (
        f"{_name(first.blob)} should hold ONNX constant {second.constant}, but holds {first.constant}: it "
        f"has changed places with {_name(second.blob)}"
    )
    return WeightFault(Kind.WEIGHT_SHIFT, detail, evidence)


def _judge_finite(
    matcher: Matcher, content: bytes, trace: WeightTrace, blob: BlobRead, constant: Constant | None
) -> WeightFault | None:
    if blob.values is None or np.isfinite(blob.values).all():
        return None
    bad = np.flatnonzero(~np.isfinite(blob.values))
    evidence = place(blob, content, trace) | {"index": int(bad[0]), "values": int(bad.size)}
    if constant is not None:
        if blob.tag != TAG_FP16 or not _finite(constant):
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
    source = next((c for c in matcher.constants.stored if misread(blob, c, content)), None)
    if source is not None:
        evidence["constant"] = source.name
        detail += f"; ncnn reads the bytes of ONNX constant {source} as float32"
    return WeightFault(Kind.WEIGHT_NAN, detail, evidence)


def _judge_flushed(
    content: bytes, trace: WeightTrace, position: int, constant: Constant | None
) -> WeightFault | None:
    """Small weights that became zero in fp16, where they are not small beside the others of their blob."""
    blob = trace.blobs[position]
    if blob.values is None or blob.tag != TAG_FP16 or constant is None:
        return None
    values = blob.values.astype(np.float32)
    if values.all():  # nothing is zero: spare the search for the order of the values
        return None
    meant = next(matching_orders(values, constant, half=True), constant.as_float.ravel())
    lost = flushed(values, meant)
    largest = np.abs(meant[lost]).max(initial=0.0)
    if largest <= WORTH_KEEPING * np.abs(meant).max(initial=0.0):
        return None
    first = int(np.flatnonzero(lost)[0])
    detail = (
        f"{_name(blob)}: {int(lost.sum())} of {values.size} values of ONNX constant {constant} became zero "
        f"when stored as fp16 (largest of them {largest:.6g}; numbers below {HALF_SMALLEST:.3g} are flushed, "
        f"though fp16 holds them as subnormals)"
    )
    evidence = place(blob, content, trace) | {"constant": constant.name, "index": first}
    if not constant.is_stored:  # a sum of biases, say, stands nowhere in the model to be compared with
        evidence |= _meant(constant, position)
    return WeightFault(Kind.WEIGHT_LOST, detail, evidence | {"flushed": int(lost.sum())})


def _finite(constant: Constant) -> bool:
    return bool(np.isfinite(constant.as_float).all())


def _damages(
    matcher: Matcher, content: bytes, blob: BlobRead, missing: list[Constant]
) -> Iterator[tuple[Constant, Damage]]:
    """What may have happened to the constants that ``blob`` should hold, the most telling first."""
    half = blob.tag == TAG_FP16
    for constant in matcher.constants.stored:
        if misread(blob, constant, content):
            what = f"ncnn reads its stored {constant.array.dtype} bytes as float32"
            yield constant, Damage(Kind.WEIGHT_LOST, what)
    meant = [constant for constant in missing if may_hold(blob, constant)]
    for constant in meant:
        if constant.array.size == blob.count:
            found = damage(blob, constant, content, half=half)
            if found is not None:
                yield constant, found
    made_up = matcher.folds.made_up(blob.layer_type, blob.count)
    if made_up is not None and blob.values is not None and not (blob.values == 1).all():
        yield made_up, Damage(Kind.WEIGHT_LOST, f"it starts with {blob.values[0]:.6g}")
    for constant in meant:
        if blob.count == 0:
            yield constant, Damage(Kind.WEIGHT_LOST, "it is empty")
        elif blob.layer_type == "MemoryData":
            yield constant, Damage(Kind.WEIGHT_LOST, "it holds other values")


def _name(blob: BlobRead) -> str:
    return f"{blob.layer_type} {blob.layer!r}, blob {blob.index} at byte {blob.offset}"
