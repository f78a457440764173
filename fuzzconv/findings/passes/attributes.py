"""Default attributes, fewer optional and variadic inputs, plain dtypes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import onnx
from onnx import AttributeProto, helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.attributes import is_required, plain_value, schema_of
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.edit import Edit
from fuzzconv.findings.rebuild import set_items

_SMALL = (0, 1, 2)


def reset_attributes(case: Case) -> Iterator[Edit]:
    """Leave attributes out: all of a node's, then each; an axis stays where 0 would take its place."""
    for i, node in enumerate(case.model.graph.node):
        if node.op_type == "Constant":
            continue
        removable = [a.name for a in node.attribute if _may_go(node, a, case.opset)]
        if len(removable) > 1:
            yield Edit(f"no attributes {i}", partial(_without, case, i, removable))
        for name in removable:
            yield Edit(f"no {name} {i}", partial(_without, case, i, [name]))
        if "kernel_shape" not in removable and any(a.name == "kernel_shape" for a in node.attribute):
            yield Edit(f"plain window {i}", partial(_plain_window, case, i))


def simplify_attributes(case: Case) -> Iterator[Edit]:
    """Plainer and smaller values for the attributes that have to stay."""
    for i, node in enumerate(case.model.graph.node):
        for attribute in node.attribute if node.op_type != "Constant" else ():
            for value in _plainer(node, attribute, case):
                label = f"{attribute.name} {i} to {value}"
                yield Edit(label, partial(_with_attribute, case, i, attribute.name, value))


def drop_inputs(case: Case) -> Iterator[Edit]:
    """Leave out optional inputs (a bias, an initial state) and surplus variadic ones, down to two.

    With one input an operator that joins several does nothing: that is another case.
    """
    for i, node in enumerate(case.model.graph.node):
        schema = schema_of(node, case.opset)
        formal = list(schema.inputs) if schema else []
        for position, name in enumerate(node.input):
            if not name or not formal:
                continue
            option = formal[min(position, len(formal) - 1)].option
            if option == onnx.defs.OpSchema.FormalParameterOption.Optional:
                yield Edit(f"no input {position} {i}", partial(_without_input, case, i, position))
            elif option == onnx.defs.OpSchema.FormalParameterOption.Variadic and len(node.input) > 2:
                yield Edit(f"fewer inputs {position} {i}", partial(_fewer_inputs, case, i, position))


def plain_dtypes(case: Case) -> Iterator[Edit]:
    """Everything that isn't float32 as float32: all at once, then single tensors."""
    draft = Draft(case)
    odd = [n for n, a in (*draft.inputs.items(), *draft.tensors.items()) if a.dtype != np.float32]
    if len(odd) > 1:
        yield Edit("all float32", partial(_as_float, case, odd))
    for name in odd:
        yield Edit(f"float32 {name}", partial(_as_float, case, [name]))


def _may_go(node: onnx.NodeProto, attribute: AttributeProto, opset: int) -> bool:
    """Whether a node is valid without the attribute, and does not read another axis as its first then."""
    becomes_first = attribute.name == "axis" and attribute.i != 0 and plain_value(node, attribute, opset) == 0
    return not becomes_first and not is_required(node, attribute.name, opset)


def _plainer(node: onnx.NodeProto, attribute: AttributeProto, case: Case) -> Iterator[object]:
    """Values by the schema, then smaller ones.

    Never axis 0, which converters take for the batch, nor a factor of 0.0: those are bugs of their own. Nor
    one axis twice, which means nothing in ONNX though onnxruntime may take it.
    """
    plain = plain_value(node, attribute, case.opset)
    structural = attribute.name in ("axis", "axes")
    current = helper.get_attribute_value(attribute)
    if plain is not None and plain != current and not (structural and plain == 0):
        yield plain
    if attribute.type == AttributeProto.INT:
        yield from (v for v in _smaller(current) if v or not structural)
    elif attribute.type == AttributeProto.INTS:
        lists = _plainer_list(list(current))
        yield from (v for v in lists if not structural or (0 not in v and len(set(v)) == len(v)))
    elif attribute.type == AttributeProto.FLOAT:
        yield from (v for v in (1.0, 2.0, 0.5) if abs(v) < abs(current) or current % 1)


def _plainer_list(current: list[int]) -> Iterator[list[int]]:
    for value in (0, 1):
        yield [value] * len(current)
    for index, number in enumerate(current):
        for smaller in _smaller(number):
            yield [*current[:index], smaller, *current[index + 1 :]]
    for index in range(len(current) if len(current) > 1 else 0):
        yield [*current[:index], *current[index + 1 :]]


def _smaller(number: int) -> Iterator[int]:
    if number < 0:
        yield from (*_SMALL, -1)
    else:
        yield from sorted({v for v in (*_SMALL, number // 2, number - 1) if 0 <= v < number})


def _without(case: Case, position: int, names: list[str]) -> Case:
    draft = Draft(case)
    node = draft.nodes[position]
    set_items(node.attribute, [a for a in node.attribute if a.name not in names])
    return draft.case()


def _plain_window(case: Case, position: int) -> Case:
    """A pooling window of one element: smaller padding alone would not fit, nor a smaller kernel alone."""
    windowless = Draft(_without(case, position, ["pads", "strides", "dilations", "auto_pad"]))
    for attribute in windowless.nodes[position].attribute:
        if attribute.name == "kernel_shape":
            set_items(attribute.ints, [1] * len(attribute.ints))
    return windowless.case()


def _with_attribute(case: Case, position: int, name: str, value: object) -> Case:
    draft = Draft(case)
    node = draft.nodes[position]
    new = helper.make_attribute(name, value)
    set_items(node.attribute, [new if a.name == name else a for a in node.attribute])
    return draft.case()


def _without_input(case: Case, position: int, index: int) -> Case:
    draft = Draft(case)
    node = draft.nodes[position]
    node.input[index] = ""
    while node.input and not node.input[-1]:
        del node.input[-1]
    return draft.case()


def _fewer_inputs(case: Case, position: int, index: int) -> Case:
    draft = Draft(case)
    del draft.nodes[position].input[index]
    return draft.case()


def _as_float(case: Case, names: list[str]) -> Case:
    draft = Draft(case)
    for arrays in (draft.inputs, draft.tensors):
        for name in set(names) & set(arrays):
            arrays[name] = _float(arrays[name])
    return draft.case()


def _float(array: Array) -> Array:
    return array.astype(np.float32)
