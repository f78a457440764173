"""How long the sums are that each node forms: rounding grows with the square root of their length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod, sqrt

import onnx

from fuzzconv.reference.probe import Probe

Shapes = Sequence[tuple[int, ...]]

WINOGRAD_GROWTH = 2.0
"""Winograd's transforms lose about one bit more than a plain sum."""


def growths(probe: Probe) -> Mapping[str, float]:
    """Tensor → by how much its most demanding consumer grows its rounding (at least 1)."""
    shapes = {name: array.shape for name, array in probe.known.items()}
    found: dict[str, float] = {}
    for node in probe.nodes:
        growth = sqrt(terms(node, shapes)) * (WINOGRAD_GROWTH if is_winograd(node, shapes) else 1.0)
        for name in node.input:
            found[name] = max(found.get(name, 1.0), growth)
    return found


def is_winograd(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether ncnn may compute it by Winograd: a 3×3 convolution of stride, dilation and group 1."""
    if node.op_type != "Conv" or shapes.get(node.input[1], ())[2:] != (3, 3):
        return False
    attributes = {a.name: a for a in node.attribute}
    steps = [s for name in ("strides", "dilations") if name in attributes for s in attributes[name].ints]
    return all(s == 1 for s in steps) and ("group" not in attributes or attributes["group"].i == 1)


def terms(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many terms the node adds up for one output element."""
    inputs = [shapes.get(name, ()) for name in node.input]
    rule = _TERMS.get(node.op_type)
    if rule:
        return max(1, rule(inputs))
    output = shapes.get(node.output[0], ())
    return max(1, max((prod(s) for s in inputs), default=1) // max(1, prod(output)))


def _of_sample(inputs: Shapes) -> int:
    return prod(inputs[0][1:])


def _longest_side(inputs: Shapes) -> int:
    return max((d for shape in inputs for d in shape), default=1)


def _recurrent(inputs: Shapes) -> int:
    steps = inputs[0][0]
    return (inputs[1][-1] + inputs[2][-1]) * steps


_TERMS: Mapping[str, Callable[[Shapes], int]] = {
    "Conv": lambda inputs: prod(inputs[1][1:]),
    "ConvTranspose": lambda inputs: prod(inputs[1]) // max(1, inputs[1][1]),
    "MatMul": lambda inputs: inputs[0][-1] if inputs[0] else 1,
    **dict.fromkeys(("Gemm", "Einsum", "CumSum", "Softmax", "LogSoftmax", "LpNormalization"), _longest_side),
    **dict.fromkeys(("AveragePool", "LpPool", "MeanVarianceNormalization"), _of_sample),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization", "LayerNormalization"), _of_sample),
    **dict.fromkeys(("Resize", "Upsample", "GridSample"), lambda inputs: max(inputs[0], default=1) ** 2),
    "LRN": lambda inputs: inputs[0][1],
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
