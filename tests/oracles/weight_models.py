"""One small ONNX model for every kind of ncnn layer that has weights, for tests of the weights oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case

Shape = Sequence[int]


def weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    """Distinct, non-zero float32 values that fit into half precision."""
    rng = np.random.default_rng((seed, *shape))
    return (rng.choice([-1, 1], shape) * rng.uniform(0.05, 2.0, shape)).astype(np.float32)


def case(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    initializers: Mapping[str, NDArray[np.generic]],
    *,
    opset: int = 11,
    integer_inputs: bool = False,
    external_file: str = "",
) -> Case:
    """A case whose graph outputs are the last node's."""
    element = TensorProto.INT64 if integer_inputs else TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "weights",
        [helper.make_tensor_value_info(name, element, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(nodes[-1].output[0], TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    arrays = {
        name: np.zeros(shape, np.int64) if integer_inputs else weights(*shape)
        for name, shape in inputs.items()
    }
    return Case(model, arrays, external_data=bool(external_file), external_file=external_file)


def conv(kernel: Shape, *, channels: int = 4, group: int = 1) -> Case:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=list(kernel), group=group)
    size = [1, channels, *(7 + i for i, _ in enumerate(kernel))]
    return case(
        [node],
        {"x": size},
        {
            "w": weights(6 if group == 1 else channels, channels // group, *kernel),
            "b": weights(6 if group == 1 else channels),
        },
    )


def conv_transpose(kernel: Shape, *, group: int = 1) -> Case:
    node = helper.make_node("ConvTranspose", ["x", "w", "b"], ["y"], kernel_shape=list(kernel), group=group)
    size = [1, 4, *(5 + i for i, _ in enumerate(kernel))]
    return case([node], {"x": size}, {"w": weights(4, 6 // group, *kernel), "b": weights(6)})


def recurrent(operator: str, gates: int, *, directions: int = 1, opset: int = 11) -> Case:
    direction = "bidirectional" if directions == 2 else "forward"
    attributes = {"hidden_size": 4, "direction": direction}
    if operator == "GRU":
        attributes["linear_before_reset"] = 1
    node = helper.make_node(operator, ["x", "w", "r", "b"], ["raw"], **attributes)
    nodes = [node]
    if directions == 1:
        nodes.append(helper.make_node("Squeeze", ["raw"], ["y"], axes=[1]))
    else:
        nodes.append(helper.make_node("Transpose", ["raw"], ["turned"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", ["turned", "shape"], ["y"]))
    constants: dict[str, NDArray[np.generic]] = {
        "w": weights(directions, gates * 4, 3),
        "r": weights(directions, gates * 4, 4),
        "b": weights(directions, 2 * gates * 4),
    }
    if directions == 2:
        constants["shape"] = np.array([0, 0, -1], np.int64)
    return case(nodes, {"x": [5, 1, 3]}, constants, opset=opset)


def batch_norm() -> Case:
    node = helper.make_node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y"], epsilon=1e-3)
    variance = np.abs(weights(5, seed=3))
    constants = {"s": weights(5), "b": weights(5, seed=1), "m": weights(5, seed=2), "v": variance}
    return case([node], {"x": [1, 5, 6, 7]}, constants)


def instance_norm() -> Case:
    node = helper.make_node("InstanceNormalization", ["x", "s", "b"], ["y"])
    return case([node], {"x": [1, 5, 6, 7]}, {"s": weights(5), "b": weights(5, seed=1)})


def layer_norm() -> Case:
    node = helper.make_node("LayerNormalization", ["x", "s", "b"], ["y"], axis=-1)
    return case([node], {"x": [1, 5, 7]}, {"s": weights(7), "b": weights(7, seed=1)}, opset=17)


def group_norm() -> Case:
    node = helper.make_node("GroupNormalization", ["x", "s", "b"], ["y"], num_groups=2)
    return case([node], {"x": [1, 6, 5, 7]}, {"s": weights(6), "b": weights(6, seed=1)}, opset=21)


def rms_norm() -> Case:
    node = helper.make_node("RMSNormalization", ["x", "s"], ["y"], axis=-1)
    return case([node], {"x": [1, 5, 7]}, {"s": weights(7)}, opset=23)


def prelu() -> Case:
    node = helper.make_node("PRelu", ["x", "s"], ["y"])
    return case([node], {"x": [1, 5, 6, 7]}, {"s": weights(5, 1, 1)})


def gemm() -> Case:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    return case([node], {"x": [1, 7]}, {"w": weights(5, 7), "b": weights(5)})


def scaled_gemm() -> Case:
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], alpha=0.5, beta=2.0)
    return case([node], {"x": [3, 7]}, {"w": weights(7, 5), "b": weights(5)})


def matmul() -> Case:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Relu", ["p"], ["y"])]
    return case(nodes, {"x": [1, 3, 7]}, {"w": weights(7, 5)})


def left_matmul() -> Case:
    nodes = [helper.make_node("MatMul", ["w", "x"], ["p"]), helper.make_node("Relu", ["p"], ["y"])]
    return case(nodes, {"x": [7, 5]}, {"w": weights(3, 7)})


def embedding() -> Case:
    node = helper.make_node("Gather", ["w", "x"], ["y"])
    return case([node], {"x": [6]}, {"w": weights(9, 5)}, integer_inputs=True)


def added_constant() -> Case:
    node = helper.make_node("Add", ["x", "c"], ["y"])
    return case([node], {"x": [1, 3, 4, 5]}, {"c": weights(3, 4, 5)})


def normalized() -> Case:
    nodes = [
        helper.make_node("ReduceL2", ["x"], ["norm"], axes=[1], keepdims=1),
        helper.make_node("Clip", ["norm", "least"], ["safe"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Expand", ["safe", "shape"], ["wide"]),
        helper.make_node("Div", ["x", "wide"], ["y"]),
    ]
    return case(nodes, {"x": [1, 4, 5, 6]}, {"least": np.array(1e-12, np.float32)})


def deformable() -> Case:
    node = helper.make_node("DeformConv", ["x", "w", "o", "b"], ["y"], kernel_shape=[3, 3])
    inputs = {"x": [1, 4, 7, 8], "o": [1, 18, 5, 6]}
    return case([node], inputs, {"w": weights(6, 4, 3, 3), "b": weights(6)}, opset=19)


def conv_and_norm() -> Case:
    nodes = [
        helper.make_node("Conv", ["x", "w", "cb"], ["c"], kernel_shape=[3, 3]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["y"]),
    ]
    variance = np.abs(weights(6, seed=3))
    constants = {
        "w": weights(6, 4, 3, 3), "cb": weights(6, seed=5),
        "s": weights(6), "b": weights(6, seed=1), "m": weights(6, seed=2), "v": variance,
    }  # fmt: skip
    return case(nodes, {"x": [1, 4, 7, 8]}, constants)


MODELS: Mapping[str, Callable[[], Case]] = {
    "conv1d": lambda: conv([3]),
    "conv2d": lambda: conv([3, 2]),
    "conv3d": lambda: conv([2, 3, 2]),
    "depthwise": lambda: conv([3, 3], group=4),
    "depthwise1d": lambda: conv([3], group=4),
    "deconv1d": lambda: conv_transpose([3]),
    "deconv2d": lambda: conv_transpose([3, 2]),
    "deconv3d": lambda: conv_transpose([2, 3, 2]),
    "grouped_deconv": lambda: conv_transpose([3, 2], group=2),
    "lstm": lambda: recurrent("LSTM", 4),
    "bidirectional_lstm": lambda: recurrent("LSTM", 4, directions=2),
    "gru": lambda: recurrent("GRU", 3),
    "bidirectional_gru": lambda: recurrent("GRU", 3, directions=2),
    "rnn": lambda: recurrent("RNN", 1),
    "batch_norm": batch_norm,
    "instance_norm": instance_norm,
    "layer_norm": layer_norm,
    "group_norm": group_norm,
    "rms_norm": rms_norm,
    "prelu": prelu,
    "gemm": gemm,
    "scaled_gemm": scaled_gemm,
    "matmul": matmul,
    "left_matmul": left_matmul,
    "embedding": embedding,
    "added_constant": added_constant,
    "normalized": normalized,
    "deformable": deformable,
    "conv_and_norm": conv_and_norm,
}
