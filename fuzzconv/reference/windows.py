"""Pooling and transposed convolution by the text of the ONNX specification, in plain numpy loops.

``onnx.reference`` gets many of their forms wrong or refuses them (``specification`` has the table). Formulas:
MaxPool, AveragePool, ConvTranspose in ``docs/Operators.md`` of ONNX.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from math import ceil, prod
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from fuzzconv.reference.layers import Real

Ints = Sequence[int] | None
Windows = Iterator[tuple[tuple[int, ...], Real, int]]


class MaxPool(OpRun):
    """The largest element under each window; padding never counts."""

    op_domain = ""

    def _run(self, x: Real, **attributes: Any) -> tuple[Real]:
        if len(self.onnx_node.output) > 1:
            raise NotImplementedError("MaxPool with Indices")
        pool = _Pool(x.shape[2:], **_given(attributes))
        result = np.empty((*x.shape[:2], *pool.sides), x.dtype)
        for position, window, _ in pool.windows(x):
            result[_at(position)] = window.max(axis=-1)
        return (result,)


class AveragePool(OpRun):
    """The mean of the elements under each window, of its padding too with ``count_include_pad``."""

    op_domain = ""

    def _run(self, x: Real, count_include_pad: int | None = 0, **attributes: Any) -> tuple[Real]:
        pool = _Pool(x.shape[2:], **_given(attributes))
        result = np.empty((*x.shape[:2], *pool.sides), x.dtype)
        for position, window, padded in pool.windows(x):
            count = padded if count_include_pad else window.shape[-1]
            result[_at(position)] = window.sum(axis=-1) / count
        return (result,)


class ConvTranspose(OpRun):
    """Each input element times the kernel, added at ``stride · position + dilation · offset - pad``."""

    op_domain = ""

    def _run(
        self, x: Real, w: Real, bias: Real | None = None, *, group: int | None = 1, **attributes: Any
    ) -> tuple[Real]:
        given = _given(attributes)
        groups, kernel = group or 1, w.shape[2:]
        strides = given.get("strides") or [1] * len(kernel)
        dilations = given.get("dilations") or [1] * len(kernel)
        extra = given.get("output_padding") or [0] * len(kernel)
        full = [
            (n - 1) * s + (k - 1) * d + 1 + e
            for n, s, k, d, e in zip(x.shape[2:], strides, kernel, dilations, extra, strict=True)
        ]
        begins, sides = _crop(x.shape[2:], full, strides, given)
        inputs, outputs = x.shape[1] // groups, w.shape[1]
        canvas = np.zeros((x.shape[0], outputs * groups, *full), np.result_type(x, w))
        for g in range(groups):
            part, weight = x[:, g * inputs : (g + 1) * inputs], w[g * inputs : (g + 1) * inputs]
            target = canvas[:, g * outputs : (g + 1) * outputs]
            for offset in product(*map(range, kernel)):
                places = tuple(
                    slice(o * d, o * d + (n - 1) * s + 1, s)
                    for o, d, n, s in zip(offset, dilations, x.shape[2:], strides, strict=True)
                )
                target[_at(places)] += np.einsum("ni...,io->no...", part, weight[_at(offset)])
        padded = np.zeros(
            (*canvas.shape[:2], *(b + s for b, s in zip(begins, sides, strict=True))), canvas.dtype
        )
        common = tuple(slice(0, min(p, c)) for p, c in zip(padded.shape[2:], full, strict=True))
        padded[_at(common)] = canvas[_at(common)]
        result = padded[_at(slice(b, None) for b in begins)]
        return (result if bias is None else result + bias.reshape(-1, *[1] * len(kernel)),)


def _crop(
    spatial: Sequence[int], full: Sequence[int], strides: Sequence[int], given: dict[str, Any]
) -> tuple[list[int], list[int]]:
    """(elements cut off at each axis's begin, size of each axis of the result)."""
    rank = len(full)
    auto_pad, shape = given.get("auto_pad") or "NOTSET", given.get("output_shape")
    if auto_pad in ("SAME_UPPER", "SAME_LOWER") and not shape:
        shape = [n * s for n, s in zip(spatial, strides, strict=True)]
    if shape:
        totals = [f - s for f, s in zip(full, shape, strict=True)]
        begins = [t // 2 if auto_pad == "SAME_UPPER" else t - t // 2 for t in totals]
        return begins, list(shape)
    pads = given.get("pads") or [0] * 2 * rank
    return list(pads[:rank]), [f - pads[i] - pads[i + rank] for i, f in enumerate(full)]


class _Pool:
    """The geometry of a pooling node.

    Attributes:
        sides: the output's spatial shape.
    """

    def __init__(
        self,
        spatial: Sequence[int],
        kernel_shape: Sequence[int],
        strides: Ints = None,
        dilations: Ints = None,
        pads: Ints = None,
        auto_pad: str = "NOTSET",
        ceil_mode: int = 0,
        storage_order: int = 0,
    ) -> None:
        rank = len(kernel_shape)
        self._spatial, self._kernel = spatial, kernel_shape
        self._strides, self._dilations = strides or [1] * rank, dilations or [1] * rank
        reach = [(k - 1) * d + 1 for k, d in zip(kernel_shape, self._dilations, strict=True)]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            self.sides = [ceil(n / s) for n, s in zip(spatial, self._strides, strict=True)]
            totals = [
                max(0, (o - 1) * s + r - n)
                for o, s, r, n in zip(self.sides, self._strides, reach, spatial, strict=True)
            ]
            small = [t // 2 for t in totals]
            large = [t - t // 2 for t in totals]
            self._begins, self._ends = (small, large) if auto_pad == "SAME_UPPER" else (large, small)
            return
        given = list(pads or [0] * 2 * rank)
        self._begins, self._ends = given[:rank], given[rank:]
        self.sides = [self._side(axis, reach[axis], bool(ceil_mode)) for axis in range(rank)]

    def _side(self, axis: int, reach: int, ceil_mode: bool) -> int:
        begin, stride, size = self._begins[axis], self._strides[axis], self._spatial[axis]
        room = size + begin + self._ends[axis] - reach
        side = (ceil(room / stride) if ceil_mode else room // stride) + 1
        if ceil_mode and (side - 1) * stride >= size + begin:
            side -= 1  # a window that would start in the end padding is left out
        return side

    def windows(self, x: Real) -> Windows:
        """(output position, the window's elements along the last axis, elements with declared padding)."""
        for position in product(*map(range, self.sides)):
            inside, padded = [], 1
            for axis, place in enumerate(position):
                start = place * self._strides[axis] - self._begins[axis]
                taps = [start + k * self._dilations[axis] for k in range(self._kernel[axis])]
                inside.append([t for t in taps if 0 <= t < self._spatial[axis]])
                padded *= sum(t < self._spatial[axis] + self._ends[axis] for t in taps)
            window = x[_at(np.ix_(*inside))].reshape(*x.shape[:2], prod(map(len, inside)))
            yield position, window, padded


def _at(spatial: Iterable[Any]) -> tuple[Any, ...]:
    """An index of the spatial axes, for all batches and channels."""
    return (..., *spatial)


def _given(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
