"""The second opinion: ``onnx.reference`` in float64, asked before anything is called a finding.

It shares no code with onnxruntime and sees each operator alone, so what both agree on is right. Where it is
known to be wrong, ``specification`` computes the operator instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from fuzzconv.case import Array, Case
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.reference.specification import corrections
from fuzzconv.reference.widen import FLOAT_TYPES, widen

_STRICTEST = (Precision.FP32, Precision.VULKAN_FP32, Precision.FP16_WEIGHTS, *Precision)


def confirm_reference(case: Case, reference: Reference) -> str:
    """Why the reference can't be trusted, in one sentence; empty when a second one agrees or there is none.

    Costs some milliseconds, so it is asked only about cases a route fails on.
    """
    precision = next((p for p in _STRICTEST if p in reference.bounds), None)
    if reference.skip or precision is None:
        return ""
    second = second_outputs(case)
    if isinstance(second, str):
        return ""
    for name, expected in reference.outputs.items():
        disagreement = _disagreement(expected, second[name], reference.bounds[precision][name])
        if disagreement:
            return f"references disagree on output {name!r}: {disagreement}"
    return ""


def _disagreement(first: Array, second: Array, bound: NDArray[np.float64]) -> str:
    if first.shape != second.shape:
        return f"onnxruntime has shape {first.shape}, onnx.reference {second.shape}"
    error = np.abs(first.astype(np.float64) - second.astype(np.float64))
    bad = np.argwhere(~(error <= bound))
    if not len(bad):
        return ""
    index = tuple(bad[0])
    where = ", ".join(map(str, index))
    return f"at [{where}] onnxruntime has {first[index]:.7g}, onnx.reference {second[index]:.7g}"


def second_outputs(case: Case) -> Mapping[str, Array] | str:
    """The outputs by ``onnx.reference`` in float64, or why it has none."""
    rows = corrections(case.opset)
    formulas = [rows[name].implementation for name in sorted(set(case.operators) & rows.keys())]
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    widen(model, TensorProto.DOUBLE)
    inputs = {k: v.astype(np.float64) if v.dtype.name in FLOAT_TYPES else v for k, v in case.inputs.items()}
    try:
        with np.errstate(all="ignore"):
            evaluator = ReferenceEvaluator(model, new_ops=formulas)
            values = evaluator.run(None, inputs)
    except Exception as error:  # it raises whatever its operators raise
        return f"onnx.reference: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return {o.name: np.asarray(v) for o, v in zip(model.graph.output, values, strict=True)}
