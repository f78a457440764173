"""A case taken apart so that it can be changed: nodes, inputs and stored tensors, each in place.

``Draft(case)`` copies; change its ``nodes``, ``inputs`` and ``tensors``; ``case()`` puts it together again.
Tensors that were not changed keep their storage form to the byte, changed ones keep its kind (raw or typed
field, initializer or ``Constant`` node).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.rebuild import set_items, value_info

_NUMBERS = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


class Draft:
    """A working copy of a case.

    Attributes:
        nodes: copies of the nodes, free to be changed.
        inputs: graph inputs.
        tensors: stored constants by name: initializers, and ``Constant`` nodes that hold numbers.
        outputs: graph output names.
    """

    def __init__(self, case: Case) -> None:
        self._whole = case
        graph = case.model.graph
        self.nodes: list[onnx.NodeProto] = [_copy(node) for node in graph.node]
        self.inputs: dict[str, Array] = dict(case.inputs)
        self.outputs = [output.name for output in graph.output]
        self._stored: dict[str, onnx.TensorProto] = {t.name: t for t in graph.initializer} | constant_tensors(
            graph
        )
        self._before = {name: numpy_helper.to_array(tensor) for name, tensor in self._stored.items()}
        self.tensors: dict[str, Array] = dict(self._before)

    def case(self) -> Case:
        """The changed case; whether it is a valid one is for ``rebuilt`` to tell.

        What numpy computes from an array without axes is a scalar, which onnxruntime does not take.
        """
        self.inputs = {name: np.asarray(array) for name, array in self.inputs.items()}
        self.tensors = {name: np.asarray(array) for name, array in self.tensors.items()}
        model = onnx.ModelProto()
        model.CopyFrom(self._whole.model)
        graph = model.graph
        in_nodes = set(constant_tensors(graph))
        for node in self.nodes:
            if node.op_type == "Constant" and node.output[0] in in_nodes:
                self._set_constant(node.attribute[0], node.output[0])
        set_items(graph.node, self.nodes)
        set_items(graph.initializer, [self._encoded(n) for n in self.tensors if n not in in_nodes])
        declared = {value.name: value for value in graph.input}
        set_items(graph.input, [self._declared(n, declared) for n in self.inputs])
        set_items(graph.output, [onnx.ValueInfoProto(name=name) for name in self.outputs])
        return replace(self._whole, model=model, inputs=dict(self.inputs))

    def _set_constant(self, attribute: onnx.AttributeProto, name: str) -> None:
        array = self.tensors[name]
        held = _NUMBERS.get(attribute.name)  # None would equal float64, numpy's default
        if held is not None and held == array.dtype and array.ndim == int(attribute.name.endswith("s")):
            values = array.tolist()
            changed = helper.make_attribute(attribute.name, values, attr_type=attribute.type)
        else:
            changed = helper.make_attribute("value", self._encoded(name))
        attribute.CopyFrom(changed)

    def _encoded(self, name: str) -> onnx.TensorProto:
        array = self.tensors[name]
        stored = self._stored.get(name)
        if stored is None:
            return numpy_helper.from_array(array.copy(order="C"), name)
        if _same(array, self._before[name]):
            return stored
        if stored.HasField("raw_data") or array.dtype != self._before[name].dtype:
            return numpy_helper.from_array(array.copy(order="C"), stored.name)
        return helper.make_tensor(stored.name, stored.data_type, array.shape, array.ravel())

    def _declared(self, name: str, declared: dict[str, onnx.ValueInfoProto]) -> onnx.ValueInfoProto:
        array = self.inputs[name]
        before = self._whole.inputs.get(name)
        kept = before is not None and (before.shape, before.dtype) == (array.shape, array.dtype)
        return declared[name] if kept and name in declared else value_info(name, array)


def with_opset(case: Case, version: int) -> Case:
    """The same graph read by the rules of another opset."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for imported in model.opset_import:
        if imported.domain in ("", "ai.onnx"):
            imported.version = version
    return replace(case, model=model)


def constant_tensors(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Output name → tensor of every ``Constant`` node that holds numbers, in whichever attribute."""
    return {
        node.output[0]: _tensor(attribute, node.output[0])
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value" or attribute.name in _NUMBERS
    }


def stored_tensors(case: Case) -> Iterator[onnx.TensorProto]:
    """Every constant of a case under its name: initializers, then what ``Constant`` nodes hold."""
    yield from case.model.graph.initializer
    for name, tensor in constant_tensors(case.model.graph).items():
        named = onnx.TensorProto()
        named.CopyFrom(tensor)
        named.name = name
        yield named


def _tensor(attribute: onnx.AttributeProto, name: str) -> onnx.TensorProto:
    if attribute.name == "value":
        return attribute.t
    value = helper.get_attribute_value(attribute)
    return numpy_helper.from_array(np.array(value, _NUMBERS[attribute.name]), name)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copied = onnx.NodeProto()
    copied.CopyFrom(node)
    return copied


def _same(one: Array, other: Array) -> bool:
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
