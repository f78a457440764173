"""``compute_reference``: what a case should yield and how far off a correct implementation may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.recent import Recent
from fuzzconv.reference.bounds import Bounds, Sampler
from fuzzconv.reference.formats import LARGEST_EXACT_INT, LARGEST_FP32, exceeds
from fuzzconv.reference.probe import Probe, UnrunnableError, open_files
from fuzzconv.reference.reference import EMPTY, OPEN_COORDINATES, UNRUNNABLE, Precision, Reference

_INTEGER_SETTINGS = frozenset({"Constant", "ConstantOfShape", "Identity", "Shape", "Size"})


_OPEN_FORMS = {*(("Upsample", opset) for opset in range(7, 10)), ("Resize", 10)}
LARGEST_REMEMBERED = 1 << 20
"""Bytes of the largest model of which anything is kept."""


@dataclass(frozen=True)
class _Opened:
    """A case's outputs, and its sampler or why it can't be judged."""

    outputs: Mapping[str, Array]
    sampler: Sampler | None
    skip: str = ""


_recent: Recent[str, _Opened] = Recent(32)


def is_remembered(case: Case) -> bool:
    """Whether a case is small enough for what was learnt of it to be kept in memory for a while."""
    size: int = case.model.ByteSize()
    return size <= LARGEST_REMEMBERED


def compute_reference(case: Case, precisions: Iterable[Precision]) -> Reference:
    """Run ``case`` in onnxruntime (optimisations off, one thread) and bound the error at each precision.

    The answer depends on the case alone: equal cases give equal bounds. A case that can't be judged has
    ``skip`` set and its outputs as far as they are known; it is never an exception. The runs of the last
    cases are kept: asking again, for a further precision, costs only what that one needs.
    """
    opened = _recent.ask(case.key, lambda: _open(case), lambda _: is_remembered(case))
    if opened.sampler is None:
        return Reference(opened.outputs, skip=opened.skip)
    bounds: dict[Precision, Bounds] = {}
    skips: dict[Precision, str] = {}
    try:
        for precision in dict.fromkeys(precisions):
            answer = opened.sampler.bounds(precision)
            if isinstance(answer, str):
                skips[precision] = answer
            else:
                bounds[precision] = answer
    except UnrunnableError as error:
        return Reference(opened.outputs, skip=f"onnxruntime can't run the disturbed model: {error}")
    return Reference(opened.outputs, bounds, "", skips)


def _open(case: Case) -> _Opened:
    try:
        if case.external_data:
            open_files(case)
        probe = Probe(case)
    except UnrunnableError as error:
        return _Opened({}, None, f"{UNRUNNABLE}: {error}")
    outputs = {name: probe.values[name] for name in probe.outputs if name in probe.values}
    skip = _open_semantics(case) or _reason_to_skip(probe, outputs)
    return _Opened(outputs, None if skip else Sampler(probe, outputs), skip)


def _open_semantics(case: Case) -> str:
    """What the specification leaves open, so that two right answers differ.

    Upsample (to 9) and Resize-10 give the size of the output only; onnxruntime takes asymmetric coordinates,
    PyTorch exported half-pixel ones. Nearest with whole factors is the same in both.
    """
    for node in case.model.graph.node:
        if (node.op_type, case.opset) in _OPEN_FORMS:
            mode = next((a.s for a in node.attribute if a.name == "mode"), b"nearest")
            if mode != b"nearest":
                return f"{node.op_type}-{case.opset} {OPEN_COORDINATES} of mode={mode.decode()} open"
    return ""


def _reason_to_skip(probe: Probe, outputs: dict[str, Array]) -> str:
    if len(outputs) < len(probe.outputs):
        return "an output is no plain tensor"
    for name, array in probe.values.items():
        if array.size == 0 and name not in probe.fixed:
            return f"{'output' if name in outputs else 'tensor'} {name!r} {EMPTY}"
    for name, array in outputs.items():
        if array.dtype.kind not in "fiub":
            return f"output {name!r} has type {array.dtype}"
        if not np.all(np.isfinite(array)):
            return f"non-finite reference: output {name!r}"
    if exceeds([a for a in probe.known.values() if a.dtype.kind == "f"], LARGEST_FP32):
        return "values near the end of fp32's range"
    if exceeds(_integer_data(probe), LARGEST_EXACT_INT):
        return "integers beyond 2^24 are not exact in ncnn's float arithmetic"
    return ""


def _integer_data(probe: Probe) -> list[Array]:
    """Integer tensors that carry data: inputs, outputs, what nodes compute (no axes, no shapes)."""
    names = {*probe.inputs, *probe.outputs}
    names |= {o for n in probe.nodes if n.op_type not in _INTEGER_SETTINGS for o in n.output}
    return [probe.known[n] for n in names if n in probe.known and probe.known[n].dtype.kind in "iu"]
