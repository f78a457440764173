"""The element types of tensors: how ONNX stores each, and which numbers each may hold here.

Defines ``Dtype`` and one constant per type. Numbering and typed storage fields are those of ``TensorProto``
in the ONNX IR specification ("Tensor Element Types", ``onnx.proto``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype


@dataclass(frozen=True, eq=False)
class Dtype:
    """One element type.

    Attributes:
        name: the numpy name (``float32``, ``bfloat16``, ``bool``).
        code: the ``TensorProto.DataType`` number.
        kind: ``f`` float, ``i`` signed, ``u`` unsigned, ``b`` bool.
        field: the typed field of ``TensorProto`` that may hold it instead of ``raw_data``.
        limit: largest magnitude that generated values of this type have. Integers stay below 2**24, where
            ncnn's float arithmetic is exact; float16 stays clear of its overflow.
        since: the first opset whose operators take it.
    """

    name: str
    code: int
    kind: str
    field: str
    limit: float
    since: int = 9

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy type (``ml_dtypes`` for bfloat16)."""
        return _NUMPY[self.name]

    @property
    def lowest(self) -> float:
        """The smallest value this type can hold here."""
        return 0.0 if self.kind in "ub" else -self.limit

    def __repr__(self) -> str:
        return self.name


FLOAT32 = Dtype("float32", TensorProto.FLOAT, "f", "float_data", 1e6)
FLOAT16 = Dtype("float16", TensorProto.FLOAT16, "f", "int32_data", 2e4)
BFLOAT16 = Dtype("bfloat16", TensorProto.BFLOAT16, "f", "int32_data", 2e4, since=13)
FLOAT64 = Dtype("float64", TensorProto.DOUBLE, "f", "double_data", 1e6)
INT8 = Dtype("int8", TensorProto.INT8, "i", "int32_data", 127)
INT16 = Dtype("int16", TensorProto.INT16, "i", "int32_data", 32767)
INT32 = Dtype("int32", TensorProto.INT32, "i", "int32_data", 2**23)
INT64 = Dtype("int64", TensorProto.INT64, "i", "int64_data", 2**23)
UINT8 = Dtype("uint8", TensorProto.UINT8, "u", "int32_data", 255)
UINT16 = Dtype("uint16", TensorProto.UINT16, "u", "int32_data", 65535)
UINT32 = Dtype("uint32", TensorProto.UINT32, "u", "uint64_data", 2**23)
UINT64 = Dtype("uint64", TensorProto.UINT64, "u", "uint64_data", 2**23)
BOOL = Dtype("bool", TensorProto.BOOL, "b", "int32_data", 1)

DTYPES = (
    FLOAT32,
    FLOAT16,
    BFLOAT16,
    FLOAT64,
    INT64,
    INT32,
    INT16,
    INT8,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    BOOL,
)
"""Every type, simplest (most ordinary for a converter) first."""

FLOATS = frozenset({FLOAT32, FLOAT16, FLOAT64})
"""The float types that onnxruntime's CPU kernels take for most operators (bfloat16 is for storage only)."""

HALF_AND_SINGLE = frozenset({FLOAT32, FLOAT16})
"""What every float operator of onnxruntime takes (float16 through casts that it inserts itself)."""

INTS = frozenset({INT32, INT64})
"""The integer types that most integer kernels take."""

_NUMPY = {d.name: np.dtype(tensor_dtype_to_np_dtype(d.code)) for d in DTYPES}
