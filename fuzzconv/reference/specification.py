"""Formulas of the ONNX specification where ``onnx.reference`` is wrong or refuses a legal form.

Each class computes one operator by the text of the specification (``docs/Operators.md`` and ``Changelog.md``
of ONNX) and takes the place of ``onnx.reference``'s own in ``confirm``. ``CORRECTIONS`` is the table: which
operator, in which opsets, and what is wrong with the original.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx.reference.op_run import OpRun

Real = NDArray[np.floating]


@dataclass(frozen=True)
class Correction:
    """One row of the table.

    Attributes:
        operator: the operator's type.
        since, until: opsets of the model in which it applies (inclusive).
        implementation: what computes it; None: neither can be trusted, the case stays unconfirmed.
        reason: what ``onnx.reference`` does instead.
    """

    operator: str
    since: int
    until: int
    implementation: type[OpRun] | None
    reason: str


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
        powers = np.exp(_shifted(_rows(x, 1 if axis is None else axis)))
        return ((powers / powers.sum(axis=1, keepdims=True)).reshape(x.shape),)


class LogSoftmax(OpRun):
    """LogSoftmax-1 and -11: over the flattened trailing dimensions."""

    op_domain = ""

    def _run(self, x: Real, axis: int | None = None) -> tuple[Real]:
        rows = _shifted(_rows(x, 1 if axis is None else axis))
        return ((rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))).reshape(x.shape),)


class Hardmax(OpRun):
    """Hardmax-1 and -11: the first maximum of the flattened trailing dimensions."""

    op_domain = ""

    def _run(self, x: Real, axis: int | None = None) -> tuple[Real]:
        rows = _rows(x, 1 if axis is None else axis)
        chosen = np.zeros_like(rows)
        chosen[np.arange(rows.shape[0]), np.argmax(rows, axis=1)] = 1
        return (chosen.reshape(x.shape),)


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


_FLATTENS = "takes the axis alone, where these opsets flatten the dimensions from it on"

CORRECTIONS: Sequence[Correction] = (
    Correction("Softmax", 1, 12, Softmax, _FLATTENS),
    Correction("LogSoftmax", 1, 12, LogSoftmax, _FLATTENS),
    Correction("Hardmax", 1, 12, Hardmax, _FLATTENS),
    Correction("BatchNormalization", 1, 13, BatchNormalization, "computes training mode unasked"),
    Correction("LRN", 1, 99, LRN, "loops over the batch in place of the channels; refuses rank 3 and 5"),
)
"""Where ``onnx.reference`` is not the specification."""


def corrections(opset: int) -> dict[str, Correction]:
    """Operator → its correction in a model of this opset."""
    return {c.operator: c for c in CORRECTIONS if c.since <= opset <= c.until}
