"""Convolutions and poolings that onnx2ncnn writes without a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from fuzzconv.case import Array, Case
from fuzzconv.findings.parameters import settings_of
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.subgraph import moving_nodes

KERNEL_LEFT_OUT = "convolution whose kernel_shape is left out"
KERNEL_OF_THREE = "layer of three axes without a kernel"

_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_WITH_KERNEL = _CONVOLUTIONS | {"AveragePool", "MaxPool"}
LAYERS = ("Convolution", "Deconvolution", "Pooling")
"""How the types of layers begin that have a kernel."""
_KERNEL, _GLOBAL = "1", "4"
"""Keys of a layer's kernel, written for one axis or two, and of a pooling that needs none."""
_OF_THREE_AXES = 5
"""Axes of an image of three axes, with batch and channels."""


def left_out(case: Case) -> tuple[str, ...]:
    """Types of the convolutions without ``kernel_shape``; onnx2ncnn has a branch for each."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    untold = {n.op_type for n in nodes if not any(a.name == "kernel_shape" for a in n.attribute)}
    return tuple(sorted(untold & _CONVOLUTIONS))


def of_three(case: Case) -> tuple[str, ...]:
    """Types of the operators with a kernel of three axes; onnx2ncnn has a branch for each."""
    values = tensor_values(case) or {}
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    found = {n.op_type for n in nodes if n.op_type in _WITH_KERNEL and _has_three_axes(n, values)}
    return tuple(sorted(found))


def without_kernel(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> str:
    """Why a layer has no kernel in the ``.param``; empty when each has one.

    It is written for one axis or two, and from the attribute alone, which ONNX infers from the weight. Along
    three axes it would not be written either way.
    """
    written = [settings_of(words) for words in layers if words[0].startswith(LAYERS)]
    if all(_KERNEL in settings or settings.get(_GLOBAL) == "1" for settings in written):
        return ""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    found = [node for node in nodes if node.op_type in _WITH_KERNEL]
    of_three_axes = [_has_three_axes(node, values) for node in found]
    told = [any(a.name == "kernel_shape" for a in node.attribute) for node in found]
    if any(not (large or named) for large, named in zip(of_three_axes, told, strict=True)):
        return KERNEL_LEFT_OUT
    return KERNEL_OF_THREE if any(of_three_axes) else ""


def _has_three_axes(node: onnx.NodeProto, values: Mapping[str, Array]) -> bool:
    return node.input[0] in values and values[node.input[0]].ndim >= _OF_THREE_AXES
