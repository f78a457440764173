"""A copy of a model in another float type: the same graph, computed more (or less) exactly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from fuzzconv.case import Array

FLOAT_TYPES = frozenset({"float16", "bfloat16", "float32", "float64"})
"""Names of the numpy dtypes (``bfloat16`` is ml_dtypes') a graph's float tensors can have."""

_PROTO_TYPES = frozenset({TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE})
_NUMPY: Mapping[int, type[np.floating]] = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}


def is_single_precision(arrays: Iterable[Array]) -> bool:
    """Whether every float array among ``arrays`` is float32."""
    return all(a.dtype == np.float32 for a in arrays if a.dtype.name in FLOAT_TYPES)


def widen(model: onnx.ModelProto, to: int = TensorProto.FLOAT) -> None:
    """Give every float tensor of ``model`` the type ``to`` (FLOAT or DOUBLE), in place.

    Covers inputs, outputs, initializers, ``Constant`` and ``ConstantOfShape`` values, and the ``to`` and
    ``dtype`` attributes of casts and generators, in subgraphs too.
    """
    _widen_graph(model.graph, to)


def _widen_graph(graph: onnx.GraphProto, to: int) -> None:
    for info in (*graph.input, *graph.output, *graph.value_info):
        if info.type.tensor_type.elem_type in _PROTO_TYPES:
            info.type.tensor_type.elem_type = to
    for tensor in graph.initializer:
        _widen_tensor(tensor, to)
    for node in graph.node:
        _widen_node(node, to)


def _widen_node(node: onnx.NodeProto, to: int) -> None:
    if node.op_type == "ConstantOfShape" and not node.attribute:
        zero = numpy_helper.from_array(np.zeros(1, _NUMPY[to]))
        node.attribute.append(onnx.helper.make_attribute("value", zero))
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            _widen_graph(attribute.g, to)
        elif attribute.type == onnx.AttributeProto.TENSOR:
            _widen_tensor(attribute.t, to)
        elif attribute.name in ("to", "dtype") and attribute.i in _PROTO_TYPES:
            attribute.i = to
        elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
            values = np.asarray(attribute.f if attribute.name == "value_float" else attribute.floats)
            tensor = numpy_helper.from_array(values.astype(_NUMPY[to]))
            attribute.CopyFrom(onnx.helper.make_attribute("value", tensor))


def _widen_tensor(tensor: onnx.TensorProto, to: int) -> None:
    if tensor.data_type in _PROTO_TYPES and tensor.data_type != to:
        widened = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(_NUMPY[to]), tensor.name)
        tensor.CopyFrom(widened)
