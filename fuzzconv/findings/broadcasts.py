"""Operands of fewer axes than the other has, in onnx2ncnn's networks.

ONNX aligns them at the last axis. onnx2ncnn writes no ``Reshape``, and ncnn's ``BinaryOp`` aligns two axes
and more at the first one, a single axis there if the sizes agree, else at the last (``binaryop.cpp``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.findings.kept import written_constants
from fuzzconv.findings.parameters import OPERANDS, blobs_of, layer_lines
from fuzzconv.findings.rebuild import tensor_values

LOWER_RANK = "operand of fewer axes, which ncnn broadcasts in a way of its own"

_FIRST, _NONE = 0, None
"""What the blobs lack of the tensors: the batch axis, or nothing."""


def misaligns(conversion: Conversion, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether two operands are broadcast to something else than ONNX means, however the inputs are fed."""
    fed = {b.squeeze_axis for feeding in conversion.feedings for b in feeding.inputs} or {_FIRST, _NONE}
    return all(
        any(_differ(*pair) for pair in _pairs(conversion, layers, values, batchless=axis == _FIRST))
        for axis in fed
    )


def have_other_ranks(case: Case, conversion: Conversion) -> bool:
    """Whether two operands have other counts of axes (a batch is one or none), rightly broadcast or not."""
    layers, values = layer_lines(conversion), tensor_values(case) or {}
    return all(
        any(one.ndim != other.ndim for one, other in _pairs(conversion, layers, values, batchless=batchless))
        for batchless in (True, False)
    )


def _pairs(
    conversion: Conversion, layers: Sequence[Sequence[str]], values: Mapping[str, Array], *, batchless: bool
) -> Iterator[tuple[Array, Array]]:
    """The operands of every ``BinaryOp``, as its blobs have them; those that are unknown left out."""
    written = dict(written_constants(conversion.param or ""))
    blobs = {name: _without_batch(array) if batchless else array for name, array in values.items()}
    for name in blobs.keys() & written.keys():
        if values[name].size == np.prod(written[name]):
            blobs[name] = values[name].reshape(written[name][::-1])
        else:
            del blobs[name]
    for words in layers:
        if words[0] == "Split" and words[4] in blobs:
            blobs |= dict.fromkeys(blobs_of(words, outputs=True), blobs[words[4]])
        if words[0] == "BinaryOp" and words[2] == str(OPERANDS):
            one, other = blobs_of(words, outputs=False)
            if {one, other} <= blobs.keys():
                yield blobs[one], blobs[other]


def _without_batch(array: Array) -> Array:
    return array[0] if array.ndim > 1 and array.shape[0] == 1 else array


def _differ(one: Array, other: Array) -> bool:
    """Whether ncnn's alignment of two operands makes other pairs of numbers than ONNX's."""
    rank = max(one.ndim, other.ndim)
    meant = [array.reshape((1,) * (rank - array.ndim) + array.shape) for array in (one, other)]
    aligned = [_aligned(one, other, rank), _aligned(other, one, rank)]
    try:
        pairs = zip(np.broadcast_arrays(*meant), np.broadcast_arrays(*aligned), strict=True)
    except ValueError:  # sizes that don't fit: what ncnn makes of them is none of ONNX's
        return True
    return not all(np.array_equal(right, made, equal_nan=True) for right, made in pairs)


def _aligned(array: Array, other: Array, rank: int) -> Array:
    missing = (1,) * (rank - array.ndim)
    at_last = array.ndim == 0 or (array.ndim == 1 and missing and array.shape[0] != other.shape[0])
    return array.reshape(missing + array.shape if at_last else array.shape + missing)
