"""Which ONNX operators' constants a kind of ncnn layer holds."""

from __future__ import annotations

import re

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.runtime.execution import BlobRead

_SPECIAL = re.compile(r"\W")
_LINEAR = frozenset({"Gemm", "MatMul", "Add"})
_ROLES = {
    "InnerProduct": _LINEAR | {"Conv"},
    "Gemm": _LINEAR,
    "MatMul": _LINEAR,
    "MultiHeadAttention": _LINEAR | {"Attention"},
    "LSTM": frozenset({"LSTM"}),
    "GRU": frozenset({"GRU"}),
    "RNN": frozenset({"RNN"}),
    "BatchNorm": frozenset({"BatchNormalization"}),
    "InstanceNorm": frozenset({"InstanceNormalization"}),
    "GroupNorm": frozenset({"GroupNormalization", "InstanceNormalization"}),
    "LayerNorm": frozenset({"LayerNormalization"}),
    "RMSNorm": frozenset({"RMSNormalization", "SimplifiedLayerNormalization"}),
    "PReLU": frozenset({"PRelu"}),
    "Embed": frozenset({"Gather"}),
    "DeformableConv2D": frozenset({"DeformConv"}),
    "Padding": frozenset({"Pad"}),
    "Normalize": frozenset({"Mul"}),
    "Scale": frozenset({"Mul", "BatchNormalization"}),
    "Bias": frozenset({"Add"}),
}


_REORDERED = frozenset({"MemoryData", "MultiHeadAttention", "Scale", "Bias"})
"""Layers of constants that converters may put elsewhere, or that hold several nodes' constants."""


def keeps_its_place(layer_type: str) -> bool:
    """Whether a layer of this type is made from one node, and comes where that node comes."""
    return layer_type not in _REORDERED


def bears_name(blob: BlobRead, constant: Constant) -> bool:
    """Whether the layer is named after the constant, as far as a ``.param`` can spell its name."""
    return _SPECIAL.sub("_", blob.layer) == _SPECIAL.sub("_", constant.name)


def may_hold(blob: BlobRead, constant: Constant) -> bool:
    """Whether a layer of the blob's type is made from one of the nodes that use ``constant`` directly.

    A MemoryData layer is made from the constant itself and bears its name; one of another name holds what
    the converter computed.
    """
    operators = {use.node.op_type for use in constant.uses}
    if blob.layer_type == "MemoryData":
        return bears_name(blob, constant)
    if blob.layer_type.startswith("Convolution"):
        return "Conv" in operators
    if blob.layer_type.startswith("Deconvolution"):
        return "ConvTranspose" in operators
    return not operators.isdisjoint(_ROLES.get(blob.layer_type, ()))
