"""Plain storage: raw initializers inline, fixed shapes, short names, no decoration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import onnx
from onnx import numpy_helper

from fuzzconv.case import Case
from fuzzconv.findings.draft import constant_tensors
from fuzzconv.findings.passes.edit import Edit
from fuzzconv.findings.rebuild import set_items, value_info


def plain_storage(case: Case) -> Iterator[Edit]:
    """Everything plain at once, then each departure by itself."""
    yield Edit("all plain", lambda: _all_plain(case))
    for label, step in _STEPS.items():
        yield Edit(label, partial(step, case))


def short_names(case: Case) -> Iterator[Edit]:
    """``x``, ``w``, ``t``, ``y`` (numbered where there are several) for inputs, weights, between, outputs."""
    yield Edit("short names", lambda: _renamed(case))


def _all_plain(case: Case) -> Case | None:
    plain: Case = case
    for step in _STEPS.values():
        plain = step(plain) or plain
    return _renamed(plain) or plain


def _inline(case: Case) -> Case | None:
    return replace(case, external_data=False, external_file="") if case.external_data else None


def _usual_file(case: Case) -> Case | None:
    return replace(case, external_file="") if case.external_file else None


def _fixed_shapes(case: Case) -> Case:
    model = _copy(case)
    set_items(model.graph.input, [value_info(name, array) for name, array in case.inputs.items()])
    return replace(case, model=model, declare_inputshape=False)


def _initializers(case: Case) -> Case | None:
    tensors = constant_tensors(case.model.graph)
    if not tensors:
        return None
    model = _copy(case)
    set_items(model.graph.node, [n for n in model.graph.node if not n.output or n.output[0] not in tensors])
    for name, tensor in tensors.items():
        model.graph.initializer.append(_raw(tensor, name))
    return replace(case, model=model)


def _raw_tensors(case: Case) -> Case:
    model = _copy(case)
    set_items(model.graph.initializer, [_raw(t, t.name) for t in case.model.graph.initializer])
    return replace(case, model=model)


def _undecorated(case: Case) -> Case:
    plain = onnx.ModelProto(ir_version=case.model.ir_version)
    needed = {"", "ai.onnx"} | {node.domain for node in case.model.graph.node}
    plain.opset_import.extend(o for o in case.model.opset_import if o.domain in needed)
    plain.functions.extend(case.model.functions)
    plain.graph.CopyFrom(case.model.graph)
    graph = plain.graph
    for field in ("doc_string", "metadata_props", "quantization_annotation"):
        graph.ClearField(field)
    graph.name = "g"
    for node in graph.node:
        for field in ("name", "doc_string", "metadata_props"):
            node.ClearField(field)
    return replace(case, model=plain, features=frozenset())


_STEPS: dict[str, Callable[[Case], Case | None]] = {
    "inline data": _inline,
    "usual file": _usual_file,
    "fixed shapes": _fixed_shapes,
    "initializers": _initializers,
    "raw tensors": _raw_tensors,
    "no decoration": _undecorated,
}


def _renamed(case: Case) -> Case | None:
    graph = case.model.graph
    if any(a.HasField("g") or a.graphs for node in graph.node for a in node.attribute):
        return None
    outputs = [o.name for o in graph.output]
    produced = [n for node in graph.node for n in node.output if n and n not in outputs]
    groups = {
        "x": list(case.inputs),
        "w": [t.name for t in graph.initializer],
        "t": produced,
        "y": outputs,
    }
    names = {
        old: f"{letter}{i}" if len(members) > 1 else letter
        for letter, members in groups.items()
        for i, old in enumerate(members, start=1)
    }
    model = _copy(case)
    for node in model.graph.node:
        set_items(node.input, [names.get(n, n) for n in node.input])
        set_items(node.output, [names.get(n, n) for n in node.output])
    for value in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        value.name = names.get(value.name, value.name)
    del model.graph.value_info[:]
    inputs = {names[name]: array for name, array in case.inputs.items()}
    return replace(case, model=model, inputs=inputs)


def _raw(tensor: onnx.TensorProto, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(tensor).copy(order="C"), name)


def _copy(case: Case) -> onnx.ModelProto:
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    return model
