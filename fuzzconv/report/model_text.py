"""A model as text for people: one line per input, weight, node and output.

Used in reproducer folders (``model.txt``), in issues and in the notes Hypothesis prints.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.report.literals import nested

_MAX_LISTED = 64


def model_text(model: onnx.ModelProto) -> str:
    """The graph as lines such as ``y = Conv(x, w, strides=[1, 2])``, weights with their values when few."""
    opsets = ", ".join(f"{o.domain or 'ai.onnx'} {o.version}" for o in model.opset_import)
    graph = model.graph
    weights = {t.name for t in graph.initializer}
    lines = [f"model {graph.name!r}: ir {model.ir_version}, opset {opsets}"]
    lines += [f"input  {_value_info(v)}" for v in graph.input if v.name not in weights]
    lines += [f"weight {_tensor(t)}" for t in graph.initializer]
    lines += [node_text(node) for node in graph.node]
    lines += [f"output {_value_info(v)}" for v in graph.output]
    return "\n".join(lines) + "\n"


def case_text(case: Case) -> str:
    """``model_text`` followed by the input values."""
    fed = [f"{name} = {array_text(array)}" for name, array in case.inputs.items()]
    return model_text(case.model) + "".join(f"fed    {line}\n" for line in fed)


def node_text(node: onnx.NodeProto) -> str:
    """One node, ``y = Conv(x, w, strides=[1, 2])``."""
    arguments = [name or "-" for name in node.input]
    arguments += [f"{a.name}={attribute_text(a)}" for a in node.attribute]
    domain = f"{node.domain}." if node.domain else ""
    return f"{', '.join(node.output)} = {domain}{node.op_type}({', '.join(arguments)})"


def attribute_text(attribute: onnx.AttributeProto) -> str:
    """An attribute's value, short."""
    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, onnx.TensorProto):
        return array_text(numpy_helper.to_array(value))
    if isinstance(value, onnx.GraphProto):
        return f"graph {value.name}"
    if isinstance(value, float):
        return str(np.float32(value))
    if isinstance(value, int):
        return str(value)
    return str([v.decode(errors="replace") if isinstance(v, bytes) else v for v in value])


def array_text(array: Array) -> str:
    """``int64[1] [-1]``: dtype, shape, then the values, or their range when they are many."""
    head = f"{array.dtype}[{','.join(map(str, array.shape))}]"
    if array.dtype.kind not in "biuf":
        return f"{head} {array.tolist()}" if array.size <= _MAX_LISTED else head
    if array.size <= _MAX_LISTED:
        return f"{head} {nested(array)}".replace("np.", "")
    return f"{head} {array.size} values in {array.min()} … {array.max()}"


def _tensor(tensor: onnx.TensorProto) -> str:
    storage = "raw_data" if tensor.HasField("raw_data") else "typed field"
    return f"{tensor.name} = {array_text(numpy_helper.to_array(tensor))}  ({storage})"


def _value_info(info: onnx.ValueInfoProto) -> str:
    kind = info.type.tensor_type
    dims = ",".join(_dim(d) for d in kind.shape.dim) if kind.HasField("shape") else "unknown"
    return f"{info.name}: {TensorProto.DataType.Name(kind.elem_type).lower()}[{dims}]"


def _dim(dim: onnx.TensorShapeProto.Dimension) -> str:
    return str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?"
