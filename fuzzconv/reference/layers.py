"""Operators by the text of the ONNX specification (``docs/Operators.md``, ``Changelog.md``), in numpy.

They take the place of ``onnx.reference``'s own in the opsets that ``specification`` lists.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun

Real = NDArray[Any]


def _axis(operator: OpRun) -> int:
    """The node's own axis, 1 by default; ``OpRun`` would fill in the newest opset's default, -1."""
    return next((a.i for a in operator.onnx_node.attribute if a.name == "axis"), 1)


def _rows(x: Real, axis: int) -> Real:
    """The 2-D coercion of opsets below 13: dimensions from ``axis`` on are one."""
    axis %= max(1, x.ndim)
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def _shifted(rows: Real) -> Real:
    shifted: Real = rows - np.max(rows, axis=1, keepdims=True, initial=-np.inf)
    return shifted


class Softmax(OpRun):
    """Softmax-1 and -11: over the flattened trailing dimensions."""

    op_domain = ""

    def _run(self, x: Real, axis: int | None = None) -> tuple[Real]:
        powers = np.exp(_shifted(_rows(x, _axis(self))))
        return ((powers / powers.sum(axis=1, keepdims=True)).reshape(x.shape),)


class LogSoftmax(OpRun):
    """LogSoftmax-1 and -11: over the flattened trailing dimensions."""

    op_domain = ""

    def _run(self, x: Real, axis: int | None = None) -> tuple[Real]:
        rows = _shifted(_rows(x, _axis(self)))
        return ((rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))).reshape(x.shape),)


class Hardmax(OpRun):
    """Hardmax-1 and -11: the first maximum of the flattened trailing dimensions."""

    op_domain = ""

    def _run(self, x: Real, axis: int | None = None) -> tuple[Real]:
        rows = _rows(x, _axis(self))
        chosen = np.zeros_like(rows)
        chosen[np.arange(rows.shape[0]), np.argmax(rows, axis=1)] = 1
        return (chosen.reshape(x.shape),)


class GlobalMaxPool(OpRun):
    """The largest element of each channel."""

    op_domain = ""

    def _run(self, x: Real) -> tuple[Real]:
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class GlobalLpPool(OpRun):
    """The p-norm of each channel."""

    op_domain = ""

    def _run(self, x: Real, p: int | None = 2) -> tuple[Real]:
        power = p or 2
        return ((np.abs(x) ** power).sum(axis=tuple(range(2, x.ndim)), keepdims=True) ** (1 / power),)


class DequantizeLinear(OpRun):
    """(x - zero point) · scale, per tensor or per index of ``axis``."""

    op_domain = ""

    def _run(
        self, x: Real, scale: Real, zero_point: Real | None = None, *, axis: int | None = 1, **_: Any
    ) -> tuple[Real]:
        per_axis = [1] * x.ndim
        if scale.size > 1:
            per_axis[1 if axis is None else axis] = -1
        zero = np.zeros_like(scale) if zero_point is None else zero_point.astype(np.float64)
        levels = x.astype(np.float64) - zero.reshape(per_axis)
        return (levels * scale.astype(np.float64).reshape(per_axis),)


class BatchNormalization(OpRun):
    """BatchNormalization in test mode: (x - mean) / sqrt(var + epsilon) · scale + bias, per channel."""

    op_domain = ""

    def _run(
        self, x: Real, scale: Real, bias: Real, mean: Real, var: Real, epsilon: float = 1e-5, **_: Any
    ) -> tuple[Real]:
        per_channel = (-1,) + (1,) * (x.ndim - 2)
        scale, bias, mean, var = (a.reshape(per_channel) for a in (scale, bias, mean, var))
        return ((x - mean) / np.sqrt(var + epsilon) * scale + bias,)


class LRN(OpRun):
    """x / (bias + alpha / size · sum of squares over neighbouring channels) ** beta."""

    op_domain = ""

    def _run(
        self, x: Real, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0, size: int = 1
    ) -> tuple[Real]:
        channels = x.shape[1]
        sums = np.empty_like(x)
        for c in range(channels):
            near = slice(max(0, c - floor((size - 1) / 2)), min(channels - 1, c + ceil((size - 1) / 2)) + 1)
            sums[:, c] = np.square(x[:, near]).sum(axis=1)
        return (x / (bias + alpha / size * sums) ** beta,)


class Upsample(OpRun):
    """Upsample-7 and -9, Resize-10: asymmetric coordinates x / scale; nearest rounds down."""

    op_domain = ""

    def _run(
        self, x: Real, scales: Real | None = None, mode: str | None = None, **attributes: Any
    ) -> tuple[Real]:
        factors = attributes["scales"] if scales is None else scales
        for axis, factor in enumerate(factors):
            size = x.shape[axis]
            place = np.arange(floor(size * factor)) / factor
            low = np.minimum(np.floor(place).astype(int), size - 1)
            nearest = x.take(low, axis)
            if mode == "linear":
                high = np.minimum(low + 1, size - 1)
                share = (place - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
                nearest = nearest * (1 - share) + x.take(high, axis) * share
            x = nearest
        return (x,)


class Resize(Upsample):
    """Resize-10 is Upsample under its later name."""
