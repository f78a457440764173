"""Storage forms of constants: the many ways one array can sit in an ONNX file.

``FORMS`` says where the numbers are (``raw_data``, a typed field, a ``Constant`` node, …), ``ROUTES`` through
which operators a node reaches them (``cast``, ``dequantize``, …). ``tensor`` and ``node`` build the protos.
The field rules are those of ``TensorProto`` and of operator ``Constant`` in the ONNX specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto
from onnx.helper import make_attribute

from fuzzconv.case import Array
from strategies.dtypes import FLOAT32, INT64, Dtype
from strategies.shapes import Shape

INITIALIZER_FORMS = ("raw_data", "typed", "input")
"""Initializers; ``input`` is one that is also a graph input (a default value)."""

NODE_FORMS = ("constant", "constant_typed", "constant_list", "constant_of_shape")
"""Nodes. ``constant_list`` is value_float(s) or value_int(s), ``constant_of_shape`` one repeated value."""

FORMS = (*INITIALIZER_FORMS, *NODE_FORMS)
"""Every storage form, simplest first; ``raw_data`` becomes ``external`` in a case with external data."""

ROUTES = ("direct", "identity", "cast", "transpose", "reshape", "dequantize", "computed")
"""What stands between the stored tensor and the node that uses it, simplest first; ``computed`` is the sum of
two stored tensors."""


@dataclass(frozen=True)
class Storage:
    """How one constant is asked to be stored: ``form`` and ``dtype``, or else the ``route`` to it."""

    form: str = ""
    dtype: Dtype = FLOAT32
    route: str = ""

    @property
    def feature(self) -> str:
        """The tag of a case that has such a constant."""
        return f"weight:{self.dtype.name}:{self.form}" if self.form else f"route:{self.route}"

    def exists(self, opset: int) -> bool:
        """Whether a model of this opset can hold it."""
        return self.holds((1,), opset) if self.form else self.route != "dequantize" or opset >= 10

    def holds(self, shape: Shape, opset: int) -> bool:
        """Whether its form can hold a constant of this shape (of one repeated number, if need be)."""
        repeated = np.broadcast_to(np.float32(0), shape)
        return opset >= self.dtype.since and legal(self.form, self.dtype, repeated, opset)


def tensor(name: str, array: Array, dtype: Dtype, *, typed: bool = False) -> TensorProto:
    """A ``TensorProto``; ``typed`` puts the numbers in the type's own field instead of ``raw_data``."""
    proto = TensorProto(name=name, data_type=dtype.code, dims=array.shape)
    if not typed:
        proto.raw_data = np.ascontiguousarray(array).tobytes()
        return proto
    flat = array.reshape(-1)
    if dtype.name in ("float16", "bfloat16"):
        flat = flat.view(np.uint16)
    elif dtype.kind == "b":
        flat = flat.view(np.uint8)
    getattr(proto, dtype.field).extend(flat.tolist())
    return proto


def legal(form: str, dtype: Dtype, array: Array, opset: int) -> bool:
    """Whether ``form`` can hold this array in a model of this opset.

    ``value_float(s)`` and ``value_int(s)`` came with Constant-12 and are float32 or int64 of rank 0 or 1.
    """
    if form == "constant_list":
        return opset >= 12 and dtype in (FLOAT32, INT64) and array.ndim <= 1 and array.size > 0
    if form == "constant_of_shape":
        flat = array.reshape(-1)
        return bool(dtype.name != "bfloat16" and array.size and (flat == flat[0]).all())
    return True


def node(form: str, output: str, array: Array, dtype: Dtype, shape_input: str = "") -> NodeProto:
    """The node of a node form. ``shape_input`` names the shape tensor that ``constant_of_shape`` needs."""
    if form == "constant_of_shape":
        value = tensor("", array.reshape(-1)[:1], dtype)
        proto = NodeProto(op_type="ConstantOfShape", input=[shape_input], output=[output])
        proto.attribute.append(make_attribute("value", value))
        return proto
    proto = NodeProto(op_type="Constant", output=[output])
    if form == "constant_list":
        kind = "float" if dtype is FLOAT32 else "int"
        plural = "s" if array.ndim else ""
        proto.attribute.append(make_attribute(f"value_{kind}{plural}", array.tolist()))
    else:
        proto.attribute.append(
            make_attribute("value", tensor("", array, dtype, typed=form == "constant_typed"))
        )
    return proto
