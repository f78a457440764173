"""Small hand-written cases for the converters' tests."""

from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case

Dims = Sequence[int | str]


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: object) -> NodeProto:
    return helper.make_node(operator, inputs, outputs, **attributes)


def make_case(
    nodes: Sequence[NodeProto],
    inputs: Mapping[str, Array],
    outputs: Sequence[tuple[str, Dims] | tuple[str, Dims, int]],
    constants: Mapping[str, Array] | None = None,
    declared: Mapping[str, Dims] | None = None,
    **fields: object,
) -> Case:
    """A case whose inputs are declared with their arrays' shapes (or with those in ``declared``)."""
    constants = constants or {}
    ports = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(a.dtype), list((declared or {}).get(name, a.shape))
        )
        for name, a in {**inputs, **{k: v for k, v in constants.items() if k.startswith("input_")}}.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "graph",
        ports,
        [
            helper.make_tensor_value_info(o[0], o[2] if len(o) == 3 else TensorProto.FLOAT, list(o[1]))
            for o in outputs
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Case(model, dict(inputs), **fields)


def zeros(*shape: int, dtype: str = "float32") -> Array:
    return np.zeros(shape, dtype)


def relu(*shape: int, **fields: object) -> Case:
    return make_case([node("Relu", ["x"], ["y"])], {"x": zeros(*shape)}, [("y", shape)], **fields)


def convolution() -> Case:
    """A convolution on a batch of 1: pnnx gives it a batch axis. Its weight is also a graph input."""
    return make_case(
        [node("Conv", ["x", "input_w"], ["y"], kernel_shape=[3, 3])],
        {"x": zeros(1, 3, 5, 5)},
        [("y", (1, 4, 3, 3))],
        {"input_w": np.ones((4, 3, 3, 3), np.float32)},
    )


def crashers() -> list[Case]:
    """Models that pnnx 20261020 dies of: a graph of no-ops, an output listed twice, a boolean input."""
    x = zeros(1, 3)
    return [
        make_case([node("Identity", ["x"], ["y"])], {"x": x}, [("y", (1, 3))]),
        make_case([node("Relu", ["x"], ["y"])], {"x": x}, [("y", (1, 3)), ("y", (1, 3))]),
        make_case(
            [node("Where", ["c", "x", "z"], ["y"])],
            {"c": zeros(1, 3, dtype="bool"), "x": x, "z": x},
            [("y", (1, 3))],
        ),
        make_case([node("Relu", ["x"], ["y"])], {"x": x}, [("x", (1, 3)), ("y", (1, 3))]),
    ]
