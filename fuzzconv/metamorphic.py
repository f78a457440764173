"""Metamorphic variants: the same graph written in another way, which must convert to the same results.

A variant computes exactly what its original does, so where the original passes on a route, the variant must
pass against the same reference. Each maker takes a case and returns the changed one, or None where there is
nothing to change. ``variant_of`` draws one for a case, by the case's own key, and makes sure with
onnxruntime that its meaning is unchanged (simplifiers have bugs of their own).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case
from fuzzconv.findings.draft import constant_tensors
from fuzzconv.findings.rebuild import run_model, set_items
from fuzzconv.oracles.values import judge_outputs
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.toolchain.optional import SIMPLIFIED, SIMPLIFIER, variants_left_out

FEATURE = "variant:"
"""What the feature tag of a variant begins with; its name follows."""

_TYPED = frozenset(
    {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.INT32}
    | {TensorProto.INT8, TensorProto.UINT8, TensorProto.BOOL}
)


@dataclass(frozen=True)
class Variant:
    """Another way to write a case.

    Attributes:
        name: in which way.
        case: None when onnxruntime does not get the original's outputs from it: then it can't be judged.
    """

    name: str
    case: Case | None


def variant_of(case: Case, reference: Reference) -> Variant | None:
    """A variant of a case; None when the one drawn changes nothing."""
    makers = sorted(MAKERS.keys() - variants_left_out())
    name = random.Random(f"{case.key} variant").choice(makers)
    if any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in _attributes(case)):
        return None
    changed = MAKERS[name](case)
    if changed is None:
        return None
    if not means_the_same(changed, reference):
        return Variant(name, None)
    return Variant(name, replace(changed, features=case.features | {FEATURE + name}))


def means_the_same(case: Case, reference: Reference) -> bool:
    """Whether onnxruntime computes the reference's outputs, within the fp32 bound."""
    outputs = run_model(case.model, case.inputs)
    if (
        outputs is None
        or Precision.FP32 not in reference.bounds
        or outputs.keys() != reference.outputs.keys()
    ):
        return False
    shapes = all(array.shape == reference.outputs[name].shape for name, array in outputs.items())
    return shapes and bool(judge_outputs(reference, Precision.FP32, outputs))


def renamed(case: Case) -> Case | None:
    """Other names for every tensor but the graph's inputs and outputs, and none for the nodes."""
    model = _copy(case)
    graph = model.graph
    kept = {value.name for value in (*graph.input, *graph.output)}
    inside = [name for node in graph.node for name in node.output] + [t.name for t in graph.initializer]
    names = {name: f"renamed_{i}" for i, name in enumerate(reversed(inside)) if name and name not in kept}
    for node in graph.node:
        node.ClearField("name")
        set_items(node.input, [names.get(name, name) for name in node.input])
        set_items(node.output, [names.get(name, name) for name in node.output])
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    del graph.value_info[:]
    return replace(case, model=model) if names else None


def reordered(case: Case) -> Case | None:
    """Another order of the nodes that the graph allows: whenever there is a choice, the last one first."""
    model = _copy(case)
    left = list(model.graph.node)
    computed = {name for node in left for name in node.output}
    order: list[onnx.NodeProto] = []
    while left:
        ready = [node for node in left if not computed & set(node.input)]
        order.append(ready[-1])
        left.remove(ready[-1])
        computed -= set(ready[-1].output)
    if order == list(case.model.graph.node):
        return None
    set_items(model.graph.node, [_copied(node) for node in order])
    return replace(case, model=model)


def restored(case: Case) -> Case | None:
    """Every stored tensor in the other form: raw bytes as numbers, numbers as raw bytes."""
    model = _copy(case)
    values = [a.t for node in model.graph.node for a in node.attribute if node.op_type == "Constant"]
    tensors = [t for t in (*model.graph.initializer, *values) if t.data_type in _TYPED and t.ByteSize()]
    for tensor in tensors:
        array = numpy_helper.to_array(tensor)
        if tensor.HasField("raw_data"):
            numbers = array.astype(np.int32) if array.dtype == np.bool_ else array
            tensor.CopyFrom(helper.make_tensor(tensor.name, tensor.data_type, array.shape, numbers.ravel()))
        else:
            tensor.CopyFrom(numpy_helper.from_array(array.copy(order="C"), tensor.name))
    return replace(case, model=model) if tensors else None


def moved(case: Case) -> Case | None:
    """``Constant`` nodes as initializers; where there are none, initializers as ``Constant`` nodes."""
    model = _copy(case)
    graph = model.graph
    in_nodes = constant_tensors(graph)
    if in_nodes:
        set_items(
            graph.node, [_copied(n) for n in case.model.graph.node if not set(n.output) & set(in_nodes)]
        )
        for name, tensor in constant_tensors(case.model.graph).items():
            stored = TensorProto()
            stored.CopyFrom(tensor)
            stored.name = name
            graph.initializer.append(stored)
        return replace(case, model=model)
    if case.external_data:
        return None
    inputs = {value.name for value in graph.input}
    stored_ones = [t for t in case.model.graph.initializer if t.name not in inputs]
    nodes = [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in stored_ones]
    set_items(graph.node, [*nodes, *map(_copied, case.model.graph.node)])
    set_items(graph.initializer, [t for t in case.model.graph.initializer if t.name in inputs])
    return replace(case, model=model) if nodes else None


def simplified(case: Case) -> Case | None:
    """What onnxslim makes of the model; None when it fails or leaves the nodes alone."""
    slimmer = import_module(SIMPLIFIER)  # optional, and slow to import
    try:
        model = slimmer.slim(_copy(case))
    except Exception:  # whatever it raises is no bug of the tools under test
        return None
    if not isinstance(model, onnx.ModelProto):
        return None
    inputs = [value.name for value in model.graph.input]
    if set(inputs) - set(case.inputs) or list(model.graph.node) == list(case.model.graph.node):
        return None
    return replace(case, model=model, inputs={name: case.inputs[name] for name in inputs})


MAKERS: Mapping[str, Callable[[Case], Case | None]] = {
    "renamed": renamed,
    "reordered": reordered,
    "restored": restored,
    "moved": moved,
    SIMPLIFIED: simplified,
}


def _attributes(case: Case) -> list[onnx.AttributeProto]:
    return [attribute for node in case.model.graph.node for attribute in node.attribute]


def _copy(case: Case) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    return model


def _copied(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy
