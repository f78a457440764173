"""A model as source: a ``build_model()`` over ``onnx.helper`` that yields the very same protobuf message.

``model_source`` either returns code whose result equals the model (it runs the code to be sure) or raises
``NotLiteralError``, whereupon the caller loads the file instead.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from fuzzconv.report.literals import NotLiteralError, literal, nested, quoted, wrapped

_FALLBACK = '''def build_model():
    """The model is too large (or too odd) to spell out: see model.onnx and model.txt."""
    return stored_model()
'''


def model_source(model: onnx.ModelProto) -> str:
    """Source of a function ``build_model()`` which returns ``model``.

    The code expects ``np``, ``helper``, ``numpy_helper``, ``TensorProto`` and, where weights are too large to
    spell, a function ``stored_model()``.
    """
    try:
        source = _function(model)
        scope: dict[str, object] = {
            "np": np,
            "helper": helper,
            "numpy_helper": numpy_helper,
            "TensorProto": TensorProto,
        }
        exec(compile(source, "build_model", "exec"), scope)
        build = scope["build_model"]
        if callable(build) and build() == model:
            return source
    except (NotLiteralError, ValueError, TypeError, OverflowError):
        pass  # whatever helper can't rebuild is loaded from the file
    return _FALLBACK


def _function(model: onnx.ModelProto) -> str:
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise NotLiteralError("functions, training info and sparse weights are not spelled out")
    graph = model.graph
    parts = [
        _list([_node(node) for node in graph.node], 8),
        quoted(graph.name),
        _list([_value_info(v) for v in graph.input], 8),
        _list([_value_info(v) for v in graph.output], 8),
    ]
    if graph.initializer:
        parts.append("initializer=" + _list([_tensor(t) for t in graph.initializer], 8))
    if graph.value_info:
        parts.append("value_info=" + _list([_value_info(v) for v in graph.value_info], 8))
    if graph.doc_string:
        parts.append(f"doc_string={quoted(graph.doc_string)}")
    body = "".join(f"        {part},\n" for part in parts)
    return (
        "def build_model():\n"
        f"    graph = helper.make_graph(\n{body}    )\n"
        f"    return helper.make_model({', '.join(['graph', *_model_fields(model)])})\n"
    )


def _model_fields(model: onnx.ModelProto) -> list[str]:
    opsets = ", ".join(f"helper.make_opsetid({quoted(o.domain)}, {o.version})" for o in model.opset_import)
    fields = [f"opset_imports=[{opsets}]", f"ir_version={model.ir_version}"]
    for name in ("producer_name", "producer_version", "domain", "model_version", "doc_string"):
        if model.HasField(name):
            fields.append(f"{name}={_plain(getattr(model, name))}")
    return fields


def _node(node: onnx.NodeProto) -> str:
    parts = [quoted(node.op_type), _names(node.input), _names(node.output)]
    for name in ("name", "domain", "doc_string"):
        if node.HasField(name):
            parts.append(f"{name}={quoted(getattr(node, name))}")
    attributes = [(a.name, _attribute(a)) for a in node.attribute]
    if all(name.isidentifier() for name, _ in attributes):
        parts += [f"{name}={value}" for name, value in attributes]
    else:
        parts.append("**{" + ", ".join(f"{quoted(name)}: {value}" for name, value in attributes) + "}")
    return f"helper.make_node({', '.join(parts)})"


def _attribute(attribute: onnx.AttributeProto) -> str:
    value = helper.get_attribute_value(attribute)
    match attribute.type:
        case AttributeProto.INT:
            return str(value)
        case AttributeProto.FLOAT:
            return _float(value)
        case AttributeProto.INTS:
            return str(list(value))
        case AttributeProto.FLOATS:
            return "[" + ", ".join(_float(v) for v in value) + "]"
        case AttributeProto.STRING:
            return quoted(value.decode())
        case AttributeProto.STRINGS:
            return _names([v.decode() for v in value])
        case AttributeProto.TENSOR:
            return _tensor(value)
    raise NotLiteralError(f"attribute {attribute.name} is of a type that is not spelled out")


def _float(value: float) -> str:
    """A float attribute keeps its point, or ``make_node`` would store an int."""
    text = nested(np.asarray(np.float32(value)))
    return text if any(c in text for c in ".en") else f"{text}.0"


def _tensor(tensor: onnx.TensorProto) -> str:
    array = numpy_helper.to_array(tensor)
    if tensor.HasField("raw_data"):
        return f"numpy_helper.from_array({wrapped(literal(array), 16)}, {quoted(tensor.name)})"
    values = literal(array.reshape(-1))
    kind = TensorProto.DataType.Name(tensor.data_type)
    if values.startswith("np.array("):
        values = nested(array.reshape(-1))
    dims = list(tensor.dims)
    return f"helper.make_tensor({quoted(tensor.name)}, TensorProto.{kind}, {dims}, {wrapped(values, 16)})"


def _value_info(info: onnx.ValueInfoProto) -> str:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type"):
        raise NotLiteralError(f"{info.name} is no tensor")
    name = TensorProto.DataType.Name(kind.elem_type)
    dims = ", ".join(_dim(d) for d in kind.shape.dim)
    shape = f"[{dims}]" if kind.HasField("shape") else "None"
    return f"helper.make_tensor_value_info({quoted(info.name)}, TensorProto.{name}, {shape})"


def _dim(dim: onnx.TensorShapeProto.Dimension) -> str:
    if dim.HasField("dim_value"):
        return str(dim.dim_value)
    return quoted(dim.dim_param) if dim.HasField("dim_param") else "None"


def _names(names: Iterable[str]) -> str:
    return "[" + ", ".join(quoted(name) for name in names) + "]"


def _plain(value: str | int) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def _list(items: Iterable[str], indent: int) -> str:
    lines = list(items)
    if not lines:
        return "[]"
    if len(lines) == 1 and len(lines[0]) < 90:
        return f"[{lines[0]}]"
    pad = " " * (indent + 4)
    return "[\n" + "".join(f"{pad}{line},\n" for line in lines) + " " * indent + "]"
