"""Random little graphs of operator forms that were checked by hand to come out right on every route.

For calibration only: what differs from the reference here is rounding, so its size says how wide an error
bound must be. Forms are plain on purpose (batch 1, opset 11, symmetric pads); odd ones belong to
``strategies``. ``random_case(rng)`` chains one to five forms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fuzzconv.case import Case

Shape = tuple[int, ...]
OPSET = 11


@dataclass
class Graph:
    """A chain under construction; ``shape`` is that of its latest tensor, ``top``."""

    rng: np.random.Generator
    shape: Shape
    top: str = "x"
    nodes: list[NodeProto] = field(default_factory=list)
    weights: list[TensorProto] = field(default_factory=list)
    forms: list[str] = field(default_factory=list)

    def weight(self, shape: Shape, scale: float = 1.0, offset: float = 0.0) -> str:
        values = self.rng.standard_normal(shape) * scale + offset
        return self.constant(values.astype(np.float32))

    def constant(self, values: NDArray[np.generic]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def append(
        self,
        operator: str,
        *others: str,
        shape: Shape | None = None,
        first: bool = True,
        **attributes: object,
    ) -> None:
        name = f"t{len(self.nodes)}"
        inputs = [self.top, *others] if first else [*others, self.top]
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        self.top = name
        self.shape = self.shape if shape is None else shape

    def pick(self, *items: int) -> int:
        return int(self.rng.choice(items))

    @property
    def channels(self) -> int:
        return self.shape[1]


Form = Callable[[Graph], None]


def random_case(rng: np.random.Generator, length: int | None = None) -> Case:
    """One to five forms in a chain on one input, inputs of scale 0.3, 1 or 3."""
    rank4 = rng.random() < 0.7
    if rank4:
        shape: Shape = (1, int(rng.choice([1, 3, 4, 8, 12, 16])), *(int(s) for s in rng.integers(4, 14, 2)))
    else:
        shape = (1, int(rng.choice([3, 5, 8, 16, 33, 64])))
    graph = Graph(rng, shape)
    for _ in range(length or int(rng.integers(1, 6))):
        forms = FORMS_RANK4 if len(graph.shape) == 4 else FORMS_RANK2
        name = str(rng.choice(list(forms)))
        graph.forms.append(name)
        forms[name](graph)
    if not graph.nodes:
        graph.append("Relu")
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info(graph.top, TensorProto.FLOAT, graph.shape)]
    proto = helper.make_graph(graph.nodes, "verified", inputs, outputs, graph.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    values = rng.standard_normal(shape) * rng.choice([0.3, 1.0, 3.0])
    return Case(model, {"x": values.astype(np.float32)}, features=frozenset(graph.forms))


def _conv(graph: Graph, kernel: int, stride: int = 1, dilation: int = 1, depthwise: bool = False) -> None:
    height, width = graph.shape[2:]
    pad = (kernel - 1) * dilation // 2
    groups = graph.channels if depthwise else 1
    out = graph.channels if depthwise else graph.pick(1, 4, 8, 16, 24)
    fan_in = graph.channels // groups * kernel * kernel
    weight = graph.weight((out, graph.channels // groups, kernel, kernel), fan_in**-0.5)
    bias = (graph.weight((out,)),) if graph.rng.random() < 0.6 else ()
    reach = 2 * pad - dilation * (kernel - 1) - 1
    shape = (1, out, (height + reach) // stride + 1, (width + reach) // stride + 1)
    graph.append(
        "Conv",
        weight,
        *bias,
        shape=shape,
        kernel_shape=[kernel, kernel],
        pads=[pad] * 4,
        strides=[stride] * 2,
        dilations=[dilation] * 2,
        group=groups,
    )


def _conv_transpose(graph: Graph) -> None:
    out, kernel, stride = graph.pick(1, 4, 8), graph.pick(2, 3, 4), graph.pick(1, 2)
    height, width = graph.shape[2:]
    weight = graph.weight((graph.channels, out, kernel, kernel), (graph.channels * kernel) ** -0.5)
    shape = (1, out, (height - 1) * stride + kernel, (width - 1) * stride + kernel)
    graph.append(
        "ConvTranspose",
        weight,
        graph.weight((out,)),
        shape=shape,
        kernel_shape=[kernel, kernel],
        strides=[stride] * 2,
        pads=[0] * 4,
    )


def _pool(operator: str) -> Form:
    def form(graph: Graph) -> None:
        height, width = graph.shape[2:]
        if min(height, width) < 3:
            return
        kernel, stride = graph.pick(2, 3), graph.pick(1, 2)
        sides = ((height - kernel) // stride + 1, (width - kernel) // stride + 1)
        shape = (1, graph.channels, *sides)
        graph.append(operator, shape=shape, kernel_shape=[kernel] * 2, strides=[stride] * 2)

    return form


def _unary(operator: str, **attributes: object) -> Form:
    return lambda graph: graph.append(operator, **attributes)


def _softmax(graph: Graph) -> None:
    """Not after Neg: pnnx makes one softmin of the two, which ncnn does not have."""
    if not graph.nodes or graph.nodes[-1].op_type != "Neg":
        graph.append("Softmax", axis=1)


def _positive(operator: str) -> Form:
    """An operator that needs positive operands, fed a sigmoid."""

    def form(graph: Graph) -> None:
        graph.append("Sigmoid")
        graph.append("Add", graph.constant(np.float32([0.1])))
        graph.append(operator)

    return form


def _bounded(operator: str) -> Form:
    """An operator that needs moderate operands, fed three times a tanh."""

    def form(graph: Graph) -> None:
        graph.append("Tanh")
        graph.append("Mul", graph.constant(np.float32([graph.rng.choice([0.9, 3.0])])))
        graph.append(operator)

    return form


def _arcus(operator: str) -> Form:
    def form(graph: Graph) -> None:
        graph.append("Tanh")
        graph.append("Mul", graph.constant(np.float32([0.9])))
        graph.append(operator)

    return form


def _scalar(operator: str) -> Form:
    def form(graph: Graph) -> None:
        value = graph.rng.uniform(0.5, 2.0) * graph.rng.choice([-1, 1])
        graph.append(operator, graph.constant(np.float32([value])))

    return form


def _same_shape(operator: str) -> Form:
    """The chain's tensor combined with a smooth function of itself."""

    def form(graph: Graph) -> None:
        before = graph.top
        graph.append("Sigmoid")
        graph.append(operator, before)

    return form


def _batch_norm(graph: Graph) -> None:
    channels = (graph.channels,)
    variance = graph.constant(graph.rng.uniform(0.3, 2.0, channels).astype(np.float32))
    parts = (graph.weight(channels, 0.5, 1.0), graph.weight(channels), graph.weight(channels, 0.5), variance)
    graph.append("BatchNormalization", *parts)


def _instance_norm(graph: Graph) -> None:
    if prod(graph.shape[2:]) < 4:
        return
    channels = (graph.channels,)
    graph.append(
        "InstanceNormalization", graph.weight(channels, 0.5, 1.0), graph.weight(channels), epsilon=1e-3
    )


def _prelu(graph: Graph) -> None:
    graph.append(
        "PRelu", graph.constant(graph.rng.uniform(0.0, 0.5, (graph.channels, 1, 1)).astype(np.float32))
    )


def _global_pool(graph: Graph) -> None:
    graph.append("GlobalAveragePool", shape=(1, graph.channels, 1, 1))
    graph.append("Flatten", shape=(1, graph.channels), axis=1)


def _reduce(operator: str) -> Form:
    def form(graph: Graph) -> None:
        graph.append(operator, shape=(*graph.shape[:2], 1, 1), axes=[2, 3], keepdims=1)

    return form


def _transpose(graph: Graph) -> None:
    _, channels, height, width = graph.shape
    graph.append("Transpose", shape=(1, channels, width, height), perm=[0, 1, 3, 2])


def _resize(graph: Graph) -> None:
    _, channels, height, width = graph.shape
    if max(height, width) > 16:
        return
    empty = graph.constant(np.zeros(0, np.float32))
    scales = graph.constant(np.float32([1, 1, 2, 2]))
    graph.append(
        "Resize",
        empty,
        scales,
        shape=(1, channels, 2 * height, 2 * width),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _flatten(graph: Graph) -> None:
    if prod(graph.shape) <= 1024:
        graph.append("Flatten", shape=(1, prod(graph.shape)), axis=1)


def _gemm(graph: Graph) -> None:
    out = graph.pick(1, 5, 8, 16, 33)
    inputs = graph.shape[1]
    weight = graph.weight((out, inputs), inputs**-0.5)
    graph.append(
        "Gemm", weight, graph.weight((out,)), shape=(1, out), alpha=1.0, beta=1.0, transA=0, transB=1
    )


def _matmul(graph: Graph) -> None:
    """Not by a single number: pnnx makes a scalar of it and then has no layer."""
    out = graph.pick(1, 5, 8, 16, 33) if graph.shape[1] > 1 else 5
    graph.append("MatMul", graph.weight((graph.shape[1], out), graph.shape[1] ** -0.5), shape=(1, out))


ELEMENTWISE: dict[str, Form] = {
    "Relu": _unary("Relu"),
    "LeakyRelu": _unary("LeakyRelu", alpha=0.1),
    "Sigmoid": _unary("Sigmoid"),
    "Tanh": _unary("Tanh"),
    "Elu": _unary("Elu", alpha=1.0),
    "Softplus": _bounded("Softplus"),  # ncnn's overflows above 88
    "Abs": _unary("Abs"),
    "Neg": _unary("Neg"),
    "Clip": lambda graph: graph.append(
        "Clip", graph.constant(np.asarray(-1.5, np.float32)), graph.constant(np.asarray(2.0, np.float32))
    ),
    "Exp": _bounded("Exp"),
    "Sin": _bounded("Sin"),
    "Cos": _bounded("Cos"),
    "Atan": _unary("Atan"),
    "Asin": _arcus("Asin"),
    "Acos": _arcus("Acos"),
    "Log": _positive("Log"),
    "Sqrt": _positive("Sqrt"),
    "Reciprocal": _positive("Reciprocal"),
    "AddScalar": _scalar("Add"),
    "SubScalar": _scalar("Sub"),
    "MulScalar": _scalar("Mul"),
    "DivScalar": _scalar("Div"),
    "AddSelf": _same_shape("Add"),
    "SubSelf": _same_shape("Sub"),
    "MulSelf": _same_shape("Mul"),
    "MaxSelf": _same_shape("Max"),
    "MinSelf": _same_shape("Min"),
    "Softmax": _softmax,
}

FORMS_RANK4: dict[str, Form] = {
    **{name: form for name, form in ELEMENTWISE.items() if name != "Softmax"},
    "Conv1x1": lambda graph: _conv(graph, 1),
    "Conv3x3": lambda graph: _conv(graph, 3),
    "Conv3x3s2": lambda graph: _conv(graph, 3, stride=2),
    "Conv3x3d2": lambda graph: _conv(graph, 3, dilation=2),
    "Conv5x5": lambda graph: _conv(graph, 5),
    "DepthwiseConv": lambda graph: _conv(graph, 3, depthwise=True),
    "ConvTranspose": _conv_transpose,
    "MaxPool": _pool("MaxPool"),
    "AveragePool": _pool("AveragePool"),
    "GlobalAveragePool": _global_pool,
    "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm,
    "PRelu": _prelu,
    "ReduceMean": _reduce("ReduceMean"),
    "ReduceSum": _reduce("ReduceSum"),
    "Transpose": _transpose,
    "Resize": _resize,
    "Flatten": _flatten,
}

FORMS_RANK2: dict[str, Form] = {**ELEMENTWISE, "Gemm": _gemm, "MatMul": _matmul}
