"""How large the rounding errors are that each precision legally makes, tensor by tensor.

The error model is backward: a kernel that rounds and sums computes the exact result of slightly disturbed
operands. ``operand_errors`` gives the size of that disturbance for every site of a probe; a sum of K terms
grows it by sqrt(K). ``output_errors`` is what storing the result, and functions that are only approximated
on the device, add to a tensor directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np
import onnx
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.probe import FloatArray, Probe
from fuzzconv.reference.reference import Precision

UNIT_FP32 = 2.0**-24
UNIT_FP16 = 2.0**-11
UNIT_BF16 = 2.0**-8
SMALLEST_NORMAL_FP16 = 2.0**-14
LARGEST_FP16 = 65504.0
LARGEST_EXACT_INT = 2**24
LARGEST_FP32 = 1e30
"""Above this, squares and sums inside a kernel may overflow although the result does not."""


@dataclass(frozen=True)
class Rounding:
    """Relative and absolute size of one rounding."""

    relative: float
    absolute: float = 0.0


FORMATS: Mapping[Precision, Rounding] = {
    Precision.FP16: Rounding(UNIT_FP16, SMALLEST_NORMAL_FP16),
    Precision.BF16: Rounding(UNIT_BF16),
}
"""Precisions in which activations themselves are rounded."""

_SHADER_FUNCTIONS: Mapping[str, Rounding] = {
    **dict.fromkeys(("Sin", "Cos"), Rounding(2.0**-12, 2.0**-11)),
    **dict.fromkeys(("Tan",), Rounding(2.0**-10, 2.0**-10)),
    **dict.fromkeys(("Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"), Rounding(2.0**-11, 2.0**-16)),
    **dict.fromkeys(("Exp", "Log", "Pow", "Sinh", "Cosh", "Erf", "Gelu"), Rounding(2.0**-14, 2.0**-16)),
    **dict.fromkeys(("Softplus", "Mish", "Sigmoid", "Tanh", "Elu", "Selu", "Celu"), Rounding(0.0, 2.0**-16)),
    **dict.fromkeys(
        ("Softmax", "LogSoftmax", "Swish", "Softsign", "HardSwish"), Rounding(2.0**-14, 2.0**-16)
    ),
}
"""Operators whose GLSL builtins Vulkan lets be inexact (Vulkan specification, "Precision of GLSL.std.450
Instructions": sin and cos 2^-11 absolute, asin/acos/atan 4096 ULP, exp 3 + 2|x| ULP, pow inherited)."""


def operand_errors(probe: Probe, rounding: Rounding) -> FloatArray:
    """Disturbance of every site element when all operands are rounded, times sqrt(K) of its longest sum."""
    lengths = _sum_lengths(probe)
    growth = np.concatenate(
        [np.full(prod(s.shape), sqrt(lengths.get(s.tensor, 1)), np.float32) for s in probe.sites]
        or [np.zeros(0, np.float32)]
    )
    errors: FloatArray = (np.abs(probe.levels) * np.float32(rounding.relative) + rounding.absolute) * growth
    return errors


def weight_errors(probe: Probe) -> FloatArray:
    """Disturbance when only constants are rounded to half, subnormals flushed to zero as pnnx does."""
    errors = np.zeros_like(probe.levels)
    for site in probe.sites:
        if site.tensor in probe.constants:
            level = np.abs(probe.levels[site.span])
            errors[site.span] = np.where(level < SMALLEST_NORMAL_FP16, level, level * np.float32(UNIT_FP16))
    return errors


def shader_errors(probe: Probe) -> tuple[FloatArray, dict[str, NDArray[np.float64]]]:
    """(disturbance per site element, tensor → error) of functions that Vulkan only approximates."""
    tensors = {}
    for node in probe.nodes:
        rounding = _SHADER_FUNCTIONS.get(node.op_type)
        value = probe.values.get(node.output[0])
        if rounding and value is not None and value.dtype.kind == "f":
            magnitude = np.abs(value.astype(np.float64))
            tensors[node.output[0]] = magnitude * rounding.relative + rounding.absolute
    errors = np.zeros_like(probe.levels)
    for site in probe.sites:
        if site.tensor in tensors:
            errors[site.span] = tensors[site.tensor].ravel()
    return errors, tensors


def output_errors(expected: NDArray[np.float64], rounding: Rounding) -> NDArray[np.float64]:
    """What storing an output in the format adds to each of its elements."""
    errors: NDArray[np.float64] = np.abs(expected) * rounding.relative + rounding.absolute
    return errors


def longest_sum(probe: Probe) -> int:
    """The largest number of terms any node of the graph adds up for one output element."""
    return max(_sum_lengths(probe).values(), default=1)


def _sum_lengths(probe: Probe) -> Mapping[str, int]:
    """Tensor → terms in the longest sum that a node consuming it forms."""
    shapes = {name: array.shape for name, array in probe.known.items()}
    lengths: dict[str, int] = {}
    for node in probe.nodes:
        length = _terms(node, shapes)
        for name in node.input:
            lengths[name] = max(lengths.get(name, 1), length)
    return lengths


def _terms(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    inputs = [shapes.get(name, ()) for name in node.input]
    output = shapes.get(node.output[0], ())
    rule = _TERMS.get(node.op_type)
    if rule:
        return max(1, rule(inputs))
    return max(1, max((prod(s) for s in inputs), default=1) // max(1, prod(output)))


_Shapes = list[tuple[int, ...]]


def _whole_first_input(inputs: _Shapes) -> int:
    return prod(inputs[0][1:])


def _recurrent(inputs: _Shapes) -> int:
    return (inputs[1][-1] + inputs[2][-1]) * inputs[0][0]


_TERMS: Mapping[str, Callable[[_Shapes], int]] = {
    "Conv": lambda inputs: prod(inputs[1][1:]),
    "ConvTranspose": lambda inputs: prod(inputs[1]) // max(1, inputs[1][1]),
    "MatMul": lambda inputs: inputs[0][-1],
    "Gemm": lambda inputs: max(inputs[0]),
    "Einsum": lambda inputs: max((max(s, default=1) for s in inputs), default=1),
    "CumSum": lambda inputs: max(inputs[0], default=1),
    "AveragePool": _whole_first_input,
    "LpPool": _whole_first_input,
    "Softmax": lambda inputs: max(inputs[0], default=1),
    "LogSoftmax": lambda inputs: max(inputs[0], default=1),
    "LRN": lambda inputs: inputs[0][1],
    "MeanVarianceNormalization": _whole_first_input,
    "InstanceNormalization": _whole_first_input,
    "GroupNormalization": _whole_first_input,
    "LayerNormalization": _whole_first_input,
    "LpNormalization": lambda inputs: max(inputs[0], default=1),
    "LSTM": _recurrent,
    "GRU": _recurrent,
    "RNN": _recurrent,
}


def exceeds(arrays: Iterable[Array], limit: float) -> bool:
    """Whether any finite element is larger in magnitude than ``limit``."""
    for array in arrays:
        if array.size and array.dtype.kind in "fiu":
            magnitude = np.abs(array.astype(np.float64))
            if np.any(magnitude[np.isfinite(magnitude)] > limit):
                return True
    return False
