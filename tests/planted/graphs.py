"""Graphs to bury a planted fault in: the trigger among honest operators, all odd in size, from a seed."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.rebuild import rebuilt

_HONEST = ("Softplus", "Identity", "Softsign")


class Builder:
    """Grows a graph from random inputs."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.inputs: dict[str, Array] = {}
        self.tensors: list[onnx.TensorProto] = []
        self.nodes: list[onnx.NodeProto] = []

    def array(self, *shape: int) -> Array:
        return self.random.uniform(0.1, 2.0, shape).astype(np.float32)

    def input(self, *shape: int, dtype: type = np.float32) -> str:
        name = f"in_{len(self.inputs)}"
        self.inputs[name] = self.array(*shape) if dtype is np.float32 else self.integers(*shape)
        return name

    def integers(self, *shape: int) -> Array:
        return self.random.integers(-9, 9, shape)

    def weight(self, *shape: int) -> str:
        return self.stored(self.array(*shape))

    def stored(self, array: Array) -> str:
        name = f"weight_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def honest(self, tensor: str) -> str:
        """A few operators that no fault is planted in."""
        for _ in range(self.random.integers(1, 3)):
            tensor = self.node(str(self.random.choice(_HONEST)), tensor)
        return tensor

    def size(self, low: int = 2, high: int = 7) -> int:
        return int(self.random.integers(low, high + 1))

    def case(self, *outputs: str, opset: int = 13) -> Case:
        graph = helper.make_graph(
            self.nodes,
            "planted",
            [
                helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
                for n, a in self.inputs.items()
            ],
            [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
            self.tensors,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        case = rebuilt(Case(model, self.inputs))
        assert case is not None, onnx.printer.to_text(model)
        return case


def buried(fault: str, seed: int) -> Case:
    """A case that shows the planted fault of that name, amid operators that have none."""
    b = Builder(seed)
    tensor = _TRIGGERS[fault](b)
    return b.case(b.honest(tensor), opset=14 if fault in _OPSET_14 else 13)


def _image(b: Builder, channels: int = 0) -> tuple[str, int]:
    channels = channels or b.size()
    return b.honest(b.input(1, channels, b.size(5, 8), b.size(5, 8))), channels


def _conv(b: Builder, *, bias: bool = False, **attributes: object) -> str:
    image, channels = _image(b)
    out = b.size()
    weights = [b.weight(out, channels, 3, 2)] + ([b.weight(out)] if bias else [])
    return b.node("Conv", image, *weights, strides=[1, 2], **attributes)


def _norm(b: Builder) -> str:
    image, channels = _image(b)
    return b.node("InstanceNormalization", image, b.weight(channels), b.weight(channels), epsilon=1e-3)


def _gemm(b: Builder) -> str:
    k, n = b.size(), b.size()
    return b.node("Gemm", b.honest(b.input(1, k)), b.weight(k, n), b.weight(n), alpha=0.5)


def _matmul(b: Builder) -> str:
    k = b.size()
    return b.node("MatMul", b.honest(b.input(b.size(), k)), b.weight(k, b.size()))


def _prelu(b: Builder) -> str:
    image, channels = _image(b, int(b.random.choice([3, 5, 7])))
    return b.node("PRelu", b.node("Neg", image), b.weight(channels, 1, 1))


def _deconv(b: Builder) -> str:
    image, channels = _image(b)
    return b.node("ConvTranspose", image, b.weight(channels, b.size(), 3, 3), strides=[2, 1])


def _pool(operator: str, **attributes: object):
    def grow(b: Builder) -> str:
        return b.node(operator, _image(b)[0], kernel_shape=[3, 2], **attributes)

    return grow


def _unary(operator: str, rank: int = 0, smallest: int = 2, **attributes: object):
    def grow(b: Builder) -> str:
        shape = [b.size(smallest) for _ in range(rank or b.size(2, 4))]
        return b.node(operator, b.honest(b.input(*shape)), **attributes)

    return grow


def _binary(operator: str, form: str):
    def grow(b: Builder) -> str:
        shape = [b.size() for _ in range(b.size(2, 4))]
        tensor = b.honest(b.input(*shape))
        if form == "constant":
            return b.node(operator, b.weight(*shape), tensor)
        return b.node(operator, tensor, b.honest(b.input(1, *shape[1:])))

    return grow


def _concat(b: Builder) -> str:
    shape = [b.size() for _ in range(b.size(2, 4))]
    return b.node("Concat", *(b.honest(b.input(*shape)) for _ in range(b.size(2, 3))), axis=0)


def _fusion(b: Builder) -> str:
    shape = [b.size() for _ in range(3)]
    scaled = b.node("Mul", b.honest(b.input(*shape)), b.weight(*shape))
    return b.node("Add", scaled, b.honest(b.input(*shape)))


def _swish(b: Builder) -> str:
    tensor = b.honest(b.input(*(b.size() for _ in range(3))))
    return b.node("Mul", tensor, b.node("Sigmoid", tensor))


def _int64(b: Builder) -> str:
    absolute = b.node("Abs", b.input(b.size(), b.size(), dtype=np.int64))
    return b.node("Cast", absolute, to=TensorProto.FLOAT)


def _transpose(b: Builder) -> str:
    return b.node("Transpose", b.honest(b.input(b.size(), b.size(), b.size())), perm=[1, 0, 2])


def _clip(b: Builder) -> str:
    low, high = b.stored(np.float32(0.2)), b.stored(np.float32(1.5))
    return b.node("Clip", b.honest(b.input(b.size(), b.size())), low, high)


def _pad(b: Builder) -> str:
    pads = b.stored(np.array([0, 0, 1, 2, 0, 0, 2, 1]))
    return b.node("Pad", _image(b)[0], pads, mode="reflect")


_OPSET_14 = frozenset({"fp16 only"})
_TRIGGERS = {
    "weights shifted by one": _norm,
    "first weight NaN": _gemm,
    "last weight lost": _matmul,
    "fp16 without padding": _prelu,
    "row swapped": _deconv,
    "bias dropped": lambda b: _conv(b, bias=True),
    "pads swapped": lambda b: _conv(b, pads=[1, 0, 2, 1]),
    "batch mixed": _unary("Softmax", 3),
    "NaN at one element": _unary("Exp"),
    "one element of a large output": _unary("Tanh", 3, 5),
    "ceil_mode": _pool("AveragePool", ceil_mode=1, strides=[2, 2]),
    "count_include_pad": _pool("AveragePool", count_include_pad=1, pads=[1, 1, 1, 0]),
    "dilated pooling": _pool("MaxPool", dilations=[2, 1], strides=[1, 2]),
    "axis 0": _concat,
    "alpha ignored": lambda b: b.node("LeakyRelu", b.node("Neg", _image(b)[0]), alpha=0.3),
    "operands swapped": _binary("Sub", "constant"),
    "broadcast": _binary("Div", "broadcast"),
    "Vulkan only": _unary("Elu", alpha=0.7),
    "fp16 only": _unary("HardSwish"),
    "fusion": _fusion,
    "swish": _swish,
    "axis doubled": _unary("ReduceMean", 3, keepdims=0, axes=[1]),
    "int64 taken for int32": _int64,
    "rank 5 only": _unary("Erf", 5),
    "negative axis": _unary("Flatten", 3, axis=-1),
    "one converter only": _unary("Neg"),
    "crash": _transpose,
    "hang": _unary("LogSoftmax", 3, axis=0),
    "unknown layer": lambda b: b.node("DepthToSpace", _image(b, 4)[0], blocksize=2, mode="CRD"),
    "nondeterminism": _clip,
    "refused": _pad,
}
