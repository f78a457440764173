"""Small models with hand-made weights for the tests of the reference."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case


def make_case(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
) -> Case:
    """A case of ``nodes``; the outputs' types are left to inference."""
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in inputs.items()
    ]
    results = [_untyped(name) for name in outputs]
    initializers = [numpy_helper.from_array(np.asarray(w), name) for name, w in (weights or {}).items()]
    graph = helper.make_graph(nodes, "g", infos, results, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return Case(model, inputs)


def one_node(operator: str, *inputs: Array, opset: int = 13, outputs: int = 1, **attributes: object) -> Case:
    """A case of one node whose inputs are all graph inputs, ``x0``, ``x1``…; outputs ``y``, ``y1``…"""
    names = [f"x{i}" for i in range(len(inputs))]
    results = ["y", *(f"y{i}" for i in range(1, outputs))]
    node = helper.make_node(operator, names, results, **attributes)
    return make_case([node], dict(zip(names, inputs, strict=True)), outputs=results, opset=opset)


def _untyped(name: str) -> object:
    info = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    info.ClearField("type")
    return info
