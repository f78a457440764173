"""What a run's blobs mean as the model's outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fuzzconv.case import Array
from fuzzconv.converters.conversion import Binding
from fuzzconv.runtime.execution import RunResult


def readings_of(outputs: Sequence[Binding], result: RunResult) -> list[dict[str, Array | None]]:
    """The outputs by tensor name: as ncnn's Python API gives them (floats), then integers as integers.

    A blob does not say whether its four-byte elements are floats or integers, and ncnn's layers are not of
    one mind, so where the model's output is an integer either reading may be the right one.
    """
    plain = {b.tensor: result.outputs.get(b.blob) for b in outputs}
    if all(b.dtype == "float32" for b in outputs):
        return [plain]
    return [plain, {b.tensor: _read_as(plain[b.tensor], b.dtype) for b in outputs}]


def _read_as(array: Array | None, dtype: str) -> Array | None:
    return (
        array.view(dtype) if array is not None and array.dtype.itemsize == np.dtype(dtype).itemsize else array
    )
