"""Convolutions that onnx2ncnn writes without a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

from fuzzconv.case import Array, Case
from fuzzconv.findings.parameters import settings_of
from fuzzconv.findings.subgraph import moving_nodes

KERNEL_LEFT_OUT = "convolution whose kernel_shape is left out"
KERNEL_OF_THREE = "convolution of three axes without a kernel"

_CONVOLUTIONS = frozenset({"Conv", "ConvTranspose"})
_CONVOLUTION_LAYERS = ("Convolution", "Deconvolution")
_KERNEL = "1"
"""Key of a convolution's kernel, written for one axis or two."""
_OF_THREE_AXES = 5
"""Axes of an image of three axes, with batch and channels."""


def convolutions(case: Case) -> tuple[str, ...]:
    """Types of the convolutions of a graph; onnx2ncnn has a branch for each."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return tuple(sorted({node.op_type for node in nodes} & _CONVOLUTIONS))


def without_kernel(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> str:
    """Why a convolution has no kernel in the ``.param``; empty when each has one.

    It is written for one axis or two, and from the attribute alone, which ONNX infers from the weight. Along
    three axes it would not be written either way.
    """
    written = [settings_of(words) for words in layers if words[0].startswith(_CONVOLUTION_LAYERS)]
    if all(_KERNEL in settings for settings in written):
        return ""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    found = [node for node in nodes if node.op_type in _CONVOLUTIONS]
    of_three = [_has_three_axes(node, values) for node in found]
    told = [any(a.name == "kernel_shape" for a in node.attribute) for node in found]
    if any(not (large or named) for large, named in zip(of_three, told, strict=True)):
        return KERNEL_LEFT_OUT
    return KERNEL_OF_THREE if any(of_three) else ""


def _has_three_axes(node: onnx.NodeProto, values: Mapping[str, Array]) -> bool:
    return node.input[0] in values and values[node.input[0]].ndim >= _OF_THREE_AXES
