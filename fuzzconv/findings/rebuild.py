"""Make a valid model out of a changed one, and look inside a model while it runs.

``rebuilt`` is the gate every cut or shrunk model passes: unused parts go, output types are what onnxruntime
really yields, the checker's full check passes. ``tensor_values`` gives every intermediate value of a case.
Both answer None for a model that is not valid, since most guesses of a reducer are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

from fuzzconv.case import Array, Case
from fuzzconv.validity import fatal_flaw

_FATAL_ONLY = 4
_AXES_INPUT = {"Slice": 3, "Squeeze": 1, "Unsqueeze": 1}
"""Which of their inputs the axes are."""
_UNREADABLE = "tensor(bfloat16)"


def used_names(node: onnx.NodeProto) -> set[str]:
    """Names of all tensors a node reads, those its subgraphs capture included."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            inner = {name for child in graph.node for name in used_names(child)}
            names |= inner | {output.name for output in graph.output}
            names -= {name for child in graph.node for name in child.output}
            names -= {value.name for value in (*graph.input, *graph.initializer)}
    return names


def run_model(model: onnx.ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array] | None:
    """Every graph output of ``model`` as onnxruntime (optimisations off) computes it; None when it can't.

    Outputs that are no tensors, or tensors of a type that onnxruntime can't hand over, are left out.
    """
    if fatal_flaw(model):
        return None
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs() if output.type != _UNREADABLE]
        values = session.run(names, {name: np.asarray(array) for name, array in inputs.items()})
    except Exception:  # onnxruntime raises its own unrelated types, RuntimeError and ValueError alike
        return None
    tensors = ((n, v) for n, v in zip(names, values, strict=True) if isinstance(v, np.ndarray | np.generic))
    return {name: np.asarray(value) for name, value in tensors}


def tensor_values(case: Case) -> dict[str, Array] | None:
    """The value of every input, initializer and intermediate of a case; None when it can't be run."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    declared = {output.name for output in graph.output}
    names = [name for node in graph.node for name in node.output if name and name not in declared]
    graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    computed = run_model(model, case.inputs)
    if computed is None:
        return None
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    return {**constants, **case.inputs, **computed}


def rebuilt(case: Case) -> Case | None:
    """``case`` as a valid one: dead parts dropped, outputs retyped; None when the model isn't valid.

    Nodes that no graph output needs, unused initializers and inputs, and stale value infos go. Kept are
    node order, names, operator sets and IR version.
    """
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    del graph.value_info[:]
    _drop_dead_nodes(graph)
    needed = {name for node in graph.node for name in used_names(node)} | {o.name for o in graph.output}
    set_items(graph.initializer, (t for t in graph.initializer if t.name in needed))
    set_items(graph.input, (i for i in graph.input if i.name in needed))
    inputs = {name: array for name, array in case.inputs.items() if name in needed}
    if not graph.node or not graph.output or not inputs:
        return None
    set_items(graph.output, [onnx.ValueInfoProto(name=o.name) for o in graph.output])
    values = run_model(model, inputs)
    if values is None or len(values) != len(graph.output):
        return None
    set_items(graph.output, [value_info(o.name, values[o.name]) for o in graph.output])
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception:  # the checker raises ValidationError and InferenceError, which share no base
        return None
    made = replace(case, model=model, inputs=inputs)
    return made if _is_legal(made) else None


def _is_legal(case: Case) -> bool:
    """Whether no axis is named twice, and the slope of every ``PRelu`` fits its input, not it the slope.

    The standard asks for that; onnxruntime and the checker take either.
    """
    if any(len(set(axes)) < len(axes) for axes in _named_axes(case.model.graph)):
        return False
    if "PRelu" not in case.operators:
        return True
    values = tensor_values(case) or {}
    nodes = [node for node in case.model.graph.node if node.op_type == "PRelu"]
    known = (node for node in nodes if {node.input[0], node.output[0]} <= values.keys())
    return all(values[node.input[0]].shape == values[node.output[0]].shape for node in known)


def _named_axes(graph: onnx.GraphProto) -> Iterator[list[int]]:
    """The axes of each node that names some, as an attribute or as an initializer."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        yield from ([*a.ints] for a in node.attribute if a.name == "axes")
        place = _AXES_INPUT.get(node.op_type, 1 if node.op_type.startswith("Reduce") else 0)
        named = [stored[name] for name in node.input[place:][:1] if place and name in stored]
        yield from (onnx.numpy_helper.to_array(tensor).ravel().tolist() for tensor in named)


def value_info(name: str, array: Array) -> onnx.ValueInfoProto:
    """The value info of a tensor that is known."""
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _drop_dead_nodes(graph: onnx.GraphProto) -> None:
    wanted = {output.name for output in graph.output}
    alive: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted |= used_names(node)
            alive.append(node)
    set_items(graph.node, list(reversed(alive)))


def set_items(field: Any, items: Iterable[object]) -> None:
    """Replace the content of a repeated protobuf field (whose Python type has no common base)."""
    kept = list(items)
    del field[:]
    field.extend(kept)
