"""What the operator's schema says about a node's attributes: which are set to something unusual, to which
plain value each can be reset, and the word that stands for one in a signature.

Words carry the value where it names a behaviour (``ceil_mode=1``, ``mode=cubic``, ``perm=negative``) and only
the name where the value is a size that differs from case to case (``pads``, ``alpha``, a softmax's axis),
so that one cause has one word; ``SAME_LOWER`` and ``SAME_UPPER`` are both ``auto_pad=SAME``.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx
from onnx import AttributeProto, helper

_ALL_ONES = frozenset({"strides", "dilations"})
_ALL_ZEROS = frozenset({"pads", "output_padding"})
_PLAIN_REQUIRED: dict[str, object] = {"axis": 1, "to": 1}
_ANY_AXIS = frozenset(
    {"Gather", "LayerNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax", "Split"}
)
"""Operators that converters take wrongly along every axis that isn't the usual one."""
_SIZES = frozenset({"kernel_shape", "hidden_size", "num_outputs", "equation", "blocksize", "size"})


def schema_of(node: onnx.NodeProto, opset: int) -> onnx.defs.OpSchema | None:
    """The node's schema, None for operators outside the standard."""
    try:
        return onnx.defs.get_schema(node.op_type, opset, node.domain)
    except onnx.defs.SchemaError:
        return None


def since_version(node: onnx.NodeProto, opset: int) -> int:
    """The opset that defined the node's operator as it is in ``opset``; 0 outside the standard."""
    schema = schema_of(node, opset)
    return schema.since_version if schema else 0


def unusual_attributes(node: onnx.NodeProto, opset: int) -> Iterator[AttributeProto]:
    """Attributes whose value differs from what the operator does without them."""
    for attribute in node.attribute:
        plain = plain_value(node, attribute, opset)
        if plain is None or helper.get_attribute_value(attribute) != plain:
            yield attribute


def plain_value(node: onnx.NodeProto, attribute: AttributeProto, opset: int) -> object | None:
    """The value that makes an attribute say nothing; None when only its absence does (or nothing can)."""
    value = helper.get_attribute_value(attribute)
    if attribute.name in _ALL_ONES:
        return [1] * len(value)
    if attribute.name in _ALL_ZEROS:
        return [0] * len(value)
    schema = schema_of(node, opset)
    declared = schema.attributes.get(attribute.name) if schema else None
    if declared is None:
        return None
    if declared.required:
        return _PLAIN_REQUIRED.get(attribute.name)
    default = declared.default_value
    return helper.get_attribute_value(default) if default.type != AttributeProto.UNDEFINED else None


def is_required(node: onnx.NodeProto, name: str, opset: int) -> bool:
    """Whether the node is invalid without the attribute."""
    schema = schema_of(node, opset)
    return bool(schema and name in schema.attributes and schema.attributes[name].required)


def attribute_words(node: onnx.NodeProto, opset: int) -> list[str]:
    """One word for each unusual attribute.

    Sizes are left out (a kernel has to have some size), and of required attributes all but telling values.
    """
    found = [(a, _word(node, a)) for a in unusual_attributes(node, opset) if a.name not in _SIZES]
    words = [word for a, word in found if "=" in word or not is_required(node, a.name, opset)]
    spread = any(a.name == "equation" and b"..." in a.s for a in node.attribute)
    return ["ellipsis", *words] if spread else words


def _word(node: onnx.NodeProto, attribute: AttributeProto) -> str:
    value = helper.get_attribute_value(attribute)
    name = attribute.name
    if name == "auto_pad" and value.startswith(b"SAME_"):
        return "auto_pad=SAME"
    if name == "axis" and node.op_type in _ANY_AXIS:
        return name
    if attribute.type == AttributeProto.STRING:
        return f"{name}={value.decode()}"
    if attribute.type == AttributeProto.STRINGS:
        return f"{name}={'/'.join(v.decode() for v in value)}"
    if attribute.type == AttributeProto.INT:
        if name == "to":
            return f"to={onnx.TensorProto.DataType.Name(value).lower()}"
        shown = "=negative" if value < 0 else f"={value}" if value in (0, 1) else ""
        return f"{name}{shown}"
    if attribute.type == AttributeProto.INTS and any(v < 0 for v in value):
        return f"{name}=negative"
    return name
