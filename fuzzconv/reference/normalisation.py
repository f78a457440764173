"""Normalisations computed as x · a + b: how large x · a is, whose rounding shows in the result.

Where a group's elements are nearly equal, ``a = scale / sqrt(variance + epsilon)`` is large, x · a and b
cancel, and a correct kernel is far from the exact result.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.formats import peak

_DEFAULT_EPSILON = 1e-5


def scaled_inputs(node: onnx.NodeProto, known: Mapping[str, Array]) -> NDArray[np.float64] | None:
    """|x · a| per element for a normalisation over groups of its input; None for any other node."""
    if node.op_type not in _GROUPED or node.input[0] not in known:
        return None
    x = known[node.input[0]].astype(np.float64)
    attributes = {a.name: a for a in node.attribute}
    epsilon = attributes["epsilon"].f if "epsilon" in attributes else _DEFAULT_EPSILON
    scale = peak(known[node.input[1]]) if len(node.input) > 1 and node.input[1] in known else 1.0
    if node.op_type == "GroupNormalization":
        grouped = x.reshape(x.shape[0], attributes["num_groups"].i, -1)
        variance = np.broadcast_to(grouped.var(axis=2, keepdims=True), grouped.shape).reshape(x.shape)
    else:
        variance = x.var(axis=_axes(node.op_type, attributes, x.ndim), keepdims=True)
    size: NDArray[np.float64] = np.abs(x) * scale / np.sqrt(variance + epsilon)
    return size


_GROUPED = frozenset(
    {"InstanceNormalization", "LayerNormalization", "GroupNormalization", "MeanVarianceNormalization"}
)


def _axes(operator: str, attributes: Mapping[str, onnx.AttributeProto], rank: int) -> tuple[int, ...]:
    if operator == "InstanceNormalization":
        return tuple(range(2, rank))
    if operator == "MeanVarianceNormalization":
        return tuple(attributes["axes"].ints) if "axes" in attributes else (0, 2, 3)
    axis = attributes["axis"].i if "axis" in attributes else -1
    return tuple(range(axis % max(1, rank), rank))
