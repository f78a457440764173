"""Number formats: how large one rounding is, and where each format ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.reference import Precision

UNIT_FP32 = 2.0**-24
UNIT_FP16 = 2.0**-11
UNIT_BF16 = 2.0**-8
SMALLEST_NORMAL_FP16 = 2.0**-14
LARGEST_FP16 = 65504.0
LARGEST_EXACT_INT = 2**24
UNDERFLOW_FP32 = 2.0**-120
"""Smaller values may be flushed to zero or lose digits, some steps before fp32's smallest normal number."""

LARGEST_FP32 = 1e30
"""Above this, squares and sums inside a kernel may overflow although the result does not."""


@dataclass(frozen=True)
class Rounding:
    """Relative and absolute size of one rounding, and whether arithmetic rounds so too or storage alone.

    ``dtype`` is ONNX's number of the format.
    """

    relative: float
    absolute: float = 0.0
    arithmetic: bool = True
    dtype: int = onnx.TensorProto.FLOAT

    def round(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """``values`` (within the format's range) as they are stored; what is subnormal in half is zero."""
        stored = values.astype(onnx.helper.tensor_dtype_to_np_dtype(self.dtype)).astype(values.dtype)
        return np.where(np.abs(values) < self.absolute, values.dtype.type(0), stored)


FORMATS: Mapping[Precision, Rounding] = {
    Precision.FP16: Rounding(UNIT_FP16, SMALLEST_NORMAL_FP16, dtype=onnx.TensorProto.FLOAT16),
    Precision.BF16: Rounding(UNIT_BF16, arithmetic=False, dtype=onnx.TensorProto.BFLOAT16),
}
"""Precisions in which activations themselves are rounded; half's subnormals may be flushed to zero."""


def exceeds(arrays: Iterable[Array], limit: float) -> bool:
    """Whether any finite element is larger in magnitude than ``limit``."""
    return any(peak(array) > limit for array in arrays if array.dtype.kind in "fiu")


def peak(array: Array) -> float:
    """The largest finite magnitude, 0 for an empty array."""
    magnitude = np.abs(array.astype(np.float64))
    return float(np.max(magnitude, initial=0.0, where=np.isfinite(magnitude)))
