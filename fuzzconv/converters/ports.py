"""A case's graph inputs and outputs as a converter's user sees them: names, shapes, element types."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from fuzzconv.case import Case

_FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
_INTEGERS = {onnx.TensorProto.INT32, onnx.TensorProto.INT64}


@dataclass(frozen=True)
class Port:
    """One graph input or output.

    Attributes:
        tensor: its name.
        shape: dimensions, None for one that is not known; None as a whole when the rank is not known.
            Inputs are fully known: their shapes come from the arrays that are fed.
        element_type: ``onnx.TensorProto.DataType``.
    """

    tensor: str
    shape: tuple[int | None, ...] | None
    element_type: int

    @property
    def rank(self) -> int | None:
        """Number of dimensions, None when unknown."""
        return None if self.shape is None else len(self.shape)

    @property
    def blob_dtype(self) -> str:
        """What an ncnn blob holds for it: ``float32``, ``int32``, or empty when ncnn has nothing like it.

        Half and double pass as float32, int64 as int32. A boolean *output* is left to ``output_dtype``.
        """
        if self.element_type in _FLOATS:
            return "float32"
        return "int32" if self.element_type in _INTEGERS else ""

    @property
    def output_dtype(self) -> str:
        """How to understand an output blob's elements: integers and booleans are ``int32``."""
        return "float32" if self.element_type in _FLOATS else "int32"


def input_ports(case: Case) -> tuple[Port, ...]:
    """The inputs that are fed, in graph order (initializers that are also inputs left out)."""
    types = {v.name: v.type.tensor_type.elem_type for v in case.model.graph.input}
    return tuple(Port(name, array.shape, types.get(name, 0)) for name, array in case.inputs.items())


def output_ports(case: Case) -> tuple[Port, ...]:
    """The graph outputs in order, repetitions included."""
    return tuple(_output_port(value) for value in case.model.graph.output)


def _output_port(value: onnx.ValueInfoProto) -> Port:
    tensor_type = value.type.tensor_type
    shape = None
    if tensor_type.HasField("shape"):
        shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in tensor_type.shape.dim)
    return Port(value.name, shape, tensor_type.elem_type)
