"""What about each operator of a case can be part of the cause, as words for a signature.

``traits_of`` lists them all: unusual attributes, and the circumstances of the node (optional inputs that are
given, weights that are not constant, operands that are, broadcasting, dtype, rank, large sizes, unusual
storage). After reduction only those that matter are kept; before it, a case *has* many traits that don't.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from fuzzconv.case import Array, Case
from fuzzconv.findings.attributes import attribute_words, schema_of, since_version
from fuzzconv.findings.rebuild import tensor_values

LARGE = 3
"""A dimension above this is a circumstance of its own: reduction would have brought it down."""

EXTERNAL = "external data"
"""How the words for weights beside the model begin."""

COMPUTED = " computed"
"""How the words for a layer's weights that are no constants end."""

OLD_OPSET = "old opset"
MODERN_OPSET = 18
"""What an operator's older definitions are told from; fixed, so that signatures outlive onnx releases."""

_BROADCASTING = frozenset(
    {"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Where", "Sum", "Mean", "Max", "Min", "And", "Or", "Xor"}
    | {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "PRelu", "BitShift"}
)
_OPERANDS_ALIKE = _BROADCASTING | {"MatMul", "Concat", "Einsum"}
_VARIADIC = frozenset({"Max", "Min", "Sum", "Mean", "Concat"})
_GATED = frozenset({"LSTM", "GRU", "RNN"})
"""Their weights hold several gates on one axis, so that is never small."""
_PARAMETERISED = frozenset(
    {"Conv", "ConvTranspose", "Gemm", "PRelu", "LSTM", "GRU", "RNN", "BatchNormalization"}
    | {"InstanceNormalization", "LayerNormalization", "GroupNormalization"}
)


@dataclass(frozen=True)
class Trait:
    """A word about the operator at position ``node`` of the graph.

    ``circumstance`` marks what reduction doesn't strive to remove (it makes nothing smaller): whether it
    matters, a probe has to tell.
    """

    node: int
    word: str
    circumstance: bool = False


def traits_of(case: Case) -> tuple[Trait, ...]:
    """Every trait of every operator (``Constant`` nodes are a trait of their readers)."""
    values = tensor_values(case) or {}
    stored = {t.name: t for t in case.model.graph.initializer}
    in_nodes = {name for node in case.model.graph.node if node.op_type == "Constant" for name in node.output}
    constants = set(stored) | in_nodes
    found: list[Trait] = []
    for i, node in enumerate(case.model.graph.node):
        if node.op_type == "Constant":
            continue
        found += [Trait(i, word) for word in attribute_words(node, case.opset)]
        arrays = [values[name] for name in node.input if name in values]
        plain = [*_optional_inputs(node, case.opset), *_storage_words(node, stored, in_nodes)]
        plain += _value_words(arrays[:1] if node.op_type in _GATED else arrays)
        if case.external_data and any(name in stored for name in node.input):
            plain.append(f"{EXTERNAL} in an unusual file" if case.external_file else EXTERNAL)
        found += [Trait(i, word) for word in dict.fromkeys(plain)]
        circumstances = [
            *_version_words(node, case.opset),
            *_count_words(node),
            *_operand_words(node, case.opset, constants),
            *_shape_words(node, arrays),
        ]
        found += [Trait(i, word, circumstance=True) for word in dict.fromkeys(circumstances)]
    return tuple(found)


def operators_of(case: Case, traits: Collection[Trait], left_out: Collection[int] = ()) -> tuple[str, ...]:
    """``Op(word,word)`` for each operator, in an order that depends on the graph's form alone.

    Nodes at the positions ``left_out`` are not named.
    """
    depths = _depths(case.model.graph)
    entries = []
    for i, node in enumerate(case.model.graph.node):
        if node.op_type != "Constant" and i not in left_out:
            words = sorted({t.word for t in traits if t.node == i})
            entries.append((depths[i], f"{node.op_type}({','.join(words)})" if words else node.op_type))
    return tuple(text for _, text in sorted(entries))


def split_operator(text: str) -> tuple[str, frozenset[str]]:
    """``Op(word,word)`` taken apart again."""
    name, _, words = text.removesuffix(")").partition("(")
    return name, frozenset(filter(None, words.split(",")))


def _depths(graph: onnx.GraphProto) -> list[int]:
    depth_of: dict[str, int] = {}
    depths = []
    for node in graph.node:
        constant = node.op_type == "Constant"
        depth = 0 if constant else 1 + max((depth_of.get(n, 0) for n in node.input), default=0)
        depths.append(depth)
        depth_of |= dict.fromkeys(node.output, depth)
    return depths


def _formal_inputs(node: onnx.NodeProto, opset: int) -> Iterator[tuple[int, str, bool]]:
    """Position, name in the standard and whether it may be left out, of each input that is given."""
    schema = schema_of(node, opset)
    formal = list(schema.inputs) if schema else []
    for position, name in enumerate(node.input):
        if name and formal:
            declared = formal[min(position, len(formal) - 1)]
            optional = declared.option == onnx.defs.OpSchema.FormalParameterOption.Optional
            yield position, declared.name, optional


def _optional_inputs(node: onnx.NodeProto, opset: int) -> Iterator[str]:
    return (name for _, name, optional in _formal_inputs(node, opset) if optional)


def _version_words(node: onnx.NodeProto, opset: int) -> Iterator[str]:
    """A word where the operator was defined anew later on: its meaning may have changed."""
    if 0 < since_version(node, opset) < since_version(node, MODERN_OPSET):
        yield OLD_OPSET


def _count_words(node: onnx.NodeProto) -> Iterator[str]:
    if node.op_type in _VARIADIC and len(node.input) != 2:
        yield f"inputs={len(node.input)}"


def _operand_words(node: onnx.NodeProto, opset: int, constants: Collection[str]) -> Iterator[str]:
    for position, formal, _ in _formal_inputs(node, opset):
        constant = node.input[position] in constants
        if node.op_type in _PARAMETERISED:
            if position and not constant:
                yield f"{formal}{COMPUTED}"
        elif node.op_type in _OPERANDS_ALIKE and constant:
            yield f"{'first' if position == 0 else 'other'} constant"


def _value_words(arrays: Sequence[Array]) -> Iterator[str]:
    if arrays and arrays[0].dtype != np.float32:
        yield str(arrays[0].dtype)
    elif any(a.dtype == np.float64 for a in arrays):
        yield "float64"  # the exponent of Pow has a type of its own
    if any(d > LARGE for a in arrays if a.dtype.kind == "f" for d in a.shape):
        yield "large"


def _shape_words(node: onnx.NodeProto, arrays: Sequence[Array]) -> Iterator[str]:
    if arrays:
        operands = arrays if node.op_type in _OPERANDS_ALIKE else arrays[:1]
        yield f"rank={max(a.ndim for a in operands)}"
    if node.op_type in _BROADCASTING and len({a.shape for a in arrays}) > 1:
        yield "broadcast"


def _storage_words(
    node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto], in_nodes: Collection[str]
) -> Iterator[str]:
    for name in node.input:
        if name in in_nodes:
            yield "Constant node"
        elif name in stored and not stored[name].HasField("raw_data") and 0 not in stored[name].dims:
            yield "typed field"
