"""``compute_reference``: what a case should yield and how far off a correct implementation may be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.reference.bounds import Bounds, Sampler
from fuzzconv.reference.formats import LARGEST_EXACT_INT, LARGEST_FP32, exceeds
from fuzzconv.reference.probe import Probe, UnrunnableError
from fuzzconv.reference.reference import Precision, Reference

_INTEGER_SETTINGS = frozenset({"Constant", "ConstantOfShape", "Identity", "Shape", "Size"})


def compute_reference(case: Case, precisions: Iterable[Precision]) -> Reference:
    """Run ``case`` in onnxruntime (optimisations off, one thread) and bound the error at each precision.

    The answer depends on the case alone: equal cases give equal bounds. A case that can't be judged has
    ``skip`` set and its outputs as far as they are known; it is never an exception.
    """
    try:
        probe = Probe(case)
    except UnrunnableError as error:
        return Reference(skip=f"onnxruntime can't run the model: {error}")
    outputs = {name: probe.values[name] for name in probe.outputs if name in probe.values}
    skip = _reason_to_skip(probe, outputs)
    if skip:
        return Reference(outputs, skip=skip)
    sampler = Sampler(probe, outputs)
    bounds: dict[Precision, Bounds] = {}
    skips: dict[Precision, str] = {}
    try:
        for precision in dict.fromkeys(precisions):
            answer = sampler.bounds(precision)
            if isinstance(answer, str):
                skips[precision] = answer
            else:
                bounds[precision] = answer
    except UnrunnableError as error:
        return Reference(outputs, skip=f"onnxruntime can't run the disturbed model: {error}")
    return Reference(outputs, bounds, "", skips)


def _reason_to_skip(probe: Probe, outputs: dict[str, Array]) -> str:
    if len(outputs) < len(probe.outputs):
        return "an output is no plain tensor"
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
