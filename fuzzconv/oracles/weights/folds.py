"""Constants that converters are known to fold into others, computed from the spec of the operators.

Each fold is a ``Constant`` whose name is its formula. A blob that equals a fold is proven; one that equals
neither a constant nor a fold is left to the comparison of outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set

import numpy as np
import onnx
from numpy.typing import NDArray

from fuzzconv.oracles.weights.constants import Constant, Use

Doubles = NDArray[np.float64]

_FOLD_RELATIVE = 2e-4

# What a converter may merge into the layer before or after it: these into weights and biases, additions
# into biases alone.
_SCALING = frozenset({"BatchNormalization", "Mul", "Div", "Neg", "Reciprocal"})
_FOLDABLE = _SCALING | {"Add", "Sub", "Sum"}
_TRANSPARENT = frozenset(
    {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Identity", "Cast", "Dropout"}
)
_LINEAR = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_MOST_HOPS = 6


class Folds:
    """The known folds of one graph.

    Args:
        graph: the main graph.
        constants: name → constant, computed ones included.
    """

    def __init__(self, graph: onnx.GraphProto, constants: Mapping[str, Constant]) -> None:
        self._constants = constants
        self._nodes = graph.node
        self._producers = {name: node for node in graph.node for name in node.output}
        self._consumers: dict[str, list[onnx.NodeProto]] = {}
        for node in graph.node:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def reach(self, constant: Constant, present: Set[str]) -> bool:
        """Whether some node beside those already merged could be merged into ``constant``.

        A node is not merged when one of its own constants stands in the file (its name is ``present``).
        """
        merged = {node.output[0] for node in constant.merged}
        places = [(use.node, use.position) for use in constant.uses]
        places += [(node, -1) for node in constant.merged]
        return any(
            neighbour.op_type in (_SCALING if _is_weight(node, position) else _FOLDABLE)
            and neighbour.output[0] not in merged
            and present.isdisjoint(neighbour.input)
            for node, position in places
            for neighbour in self._neighbours(node, position)
        )

    def made_up(self, layer_type: str, count: int) -> Constant | None:
        """The weights of ``count`` elements that converters make up where ONNX has none.

        Normalize has a scale, which both converters set to one (``pass_ncnn/F_normalize.cpp`` in pnnx,
        ``fuse_normalize`` in onnx2ncnn); with a multiplication in the graph it might be something else.
        """
        if layer_type != "Normalize" or any(node.op_type == "Mul" for node in self._nodes):
            return None
        return Constant("1 (made up by the converter)", np.ones(count, np.float32))

    def compute(self) -> Iterator[Constant]:
        """All known folds."""
        for node in self._nodes:
            values = [self._value(name) for name in node.input]
            if node.op_type in ("LSTM", "GRU", "RNN"):
                yield from _recurrent_bias(node, values)
            elif node.op_type == "BatchNormalization":
                yield from self._normalization(node, values)
            elif node.op_type == "Gemm":
                yield from _scaled_gemm(node, values)
            elif node.op_type in ("Div", "Sub", "Reciprocal", "Neg"):
                yield from _inverted(node, values)

    def _value(self, name: str) -> Doubles | None:
        constant = self._constants.get(name)
        if constant is None or constant.array.dtype.kind not in "fiu":
            return None
        return np.asarray(constant.array, np.float64)

    def _neighbours(self, node: onnx.NodeProto, position: int) -> Iterator[onnx.NodeProto]:
        forward = list(node.output)
        for _ in range(_MOST_HOPS):
            consumers = [c for name in forward for c in self._consumers.get(name, ())]
            yield from consumers
            forward = [name for c in consumers if c.op_type in _TRANSPARENT for name in c.output]
        backward = [name for i, name in enumerate(node.input) if i != position]
        for _ in range(_MOST_HOPS):
            producers = [self._producers[name] for name in backward if name in self._producers]
            yield from producers
            backward = [name for p in producers if p.op_type in _TRANSPARENT for name in p.input]

    def _normalization(self, node: onnx.NodeProto, values: Sequence[Doubles | None]) -> Iterator[Constant]:
        if len(values) < 5 or any(value is None for value in values[1:5]):
            return
        scale, bias, mean, variance = (value for value in values[1:5] if value is not None)
        epsilon = _attribute(node, "epsilon", 1e-5)
        with np.errstate(invalid="ignore", divide="ignore"):
            deviation = np.sqrt(variance + epsilon)
            factor = scale / deviation
        uses = (Use(node, 1),)
        yield _fold("var + eps", variance + epsilon, uses)
        yield _fold("sqrt(var + eps)", deviation, uses)
        yield _fold("scale / sqrt(var + eps)", factor, uses)
        yield _fold("bias - mean * scale / sqrt(var + eps)", bias - mean * factor, uses)
        yield from self._folded_into_linear(node, factor, bias - mean * factor)

    def _folded_into_linear(
        self, node: onnx.NodeProto, factor: Doubles, shift: Doubles
    ) -> Iterator[Constant]:
        before = self._producers.get(node.input[0])
        for _ in range(_MOST_HOPS):
            if before is None or before.op_type in _LINEAR or before.op_type not in _TRANSPARENT:
                break
            before = self._producers.get(before.input[0])
        if before is None or before.op_type not in _LINEAR:
            return
        weight = self._value(before.input[1])
        uses = (Use(before, 1),)
        if weight is not None:
            for axis, dim in enumerate(weight.shape):
                groups = factor.size // dim if dim and factor.size % dim == 0 else 0
                if groups:
                    scaled = _scaled_along(weight, axis, groups, factor)
                    yield _fold(f"weight * scale / sqrt(var + eps) along {axis}", scaled, uses, (node,))
        bias = self._value(before.input[2]) if len(before.input) > 2 and before.input[2] else np.zeros(())
        if bias is not None:
            folded = bias * factor + shift
            yield _fold("bias * scale / sqrt(var + eps) + shift", folded, (Use(before, 2),), (node,))


def _is_weight(node: onnx.NodeProto, position: int) -> bool:
    return node.op_type in _LINEAR and position in (0, 1)


def _fold(
    formula: str, array: Doubles, uses: tuple[Use, ...], merged: tuple[onnx.NodeProto, ...] = ()
) -> Constant:
    return Constant(formula, array, uses, merged=merged, relative=_FOLD_RELATIVE)


def _scaled_along(weight: Doubles, axis: int, groups: int, factor: Doubles) -> Doubles:
    """``weight`` times the normalisation's factor, group by group for grouped transposed convolutions."""
    moved = np.moveaxis(weight, axis, 0)
    if groups > 1 and moved.shape[1] % groups == 0:
        parts = moved.reshape(moved.shape[0], groups, moved.shape[1] // groups, *moved.shape[2:])
        by_group = factor.reshape(groups, moved.shape[0]).T
        scaled = parts * by_group.reshape(*by_group.shape, *[1] * (parts.ndim - 2))
        moved = scaled.reshape(moved.shape)
    else:
        moved = moved * factor[: moved.shape[0]].reshape(-1, *[1] * (moved.ndim - 1))
    return np.moveaxis(moved, 0, axis)


def _recurrent_bias(node: onnx.NodeProto, values: Sequence[Doubles | None]) -> Iterator[Constant]:
    """The sum of both biases, or zeros where the node has none."""
    recurrent = values[2] if len(values) > 2 else None
    bias = values[3] if len(values) > 3 else None
    if recurrent is None or recurrent.ndim != 3 or (bias is None and len(node.input) > 3 and node.input[3]):
        return
    directions, _, hidden = recurrent.shape
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[node.op_type]
    if bias is None:
        bias = np.zeros((directions, 2 * gates * hidden))
    if bias.shape != (directions, 2 * gates * hidden):
        return
    input_part, hidden_part = bias.reshape(directions, 2, gates, hidden).swapaxes(0, 1)
    total = input_part + hidden_part
    if node.op_type == "GRU":
        # ncnn keeps the two biases of the new gate apart: reset, update, new (input), new (hidden).
        total = np.stack([total[:, 1], total[:, 0], input_part[:, 2], hidden_part[:, 2]], axis=1)
    yield _fold("sum of input and recurrent bias", total.reshape(directions, -1), (Use(node, 3),))


def _scaled_gemm(node: onnx.NodeProto, values: Sequence[Doubles | None]) -> Iterator[Constant]:
    for position, attribute in ((0, "alpha"), (1, "alpha"), (2, "beta")):
        value = values[position] if position < len(values) else None
        if value is not None:
            factor = _attribute(node, attribute, 1.0)
            yield _fold(f"{attribute} * {node.input[position]}", factor * value, (Use(node, position),))


def _inverted(node: onnx.NodeProto, values: Sequence[Doubles | None]) -> Iterator[Constant]:
    for position, value in enumerate(values):
        if value is not None:
            with np.errstate(divide="ignore", over="ignore"):
                yield _fold(f"1 / {node.input[position]}", 1 / value, (Use(node, position),))
            yield _fold(f"-{node.input[position]}", -value, (Use(node, position),))


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    return next((a.f for a in node.attribute if a.name == name), default)
