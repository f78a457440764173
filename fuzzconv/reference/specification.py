"""The table of operators × opsets where ``onnx.reference`` is wrong or refuses a legal form.

``CORRECTIONS`` says which operator, in which opsets, what is wrong, and which formula (``layers``,
``windows``, ``recurrent``) is computed instead when ``confirm`` asks for a second opinion. Found by running
generated cases of every operator through both references; each row was settled by the specification's text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onnx.reference.op_run import OpRun

from fuzzconv.reference import layers, recurrent, windows


@dataclass(frozen=True)
class Correction:
    """One row of the table.

    Attributes:
        operator: the operator's type.
        since, until: opsets of the model in which it applies (inclusive).
        implementation: what computes it instead.
        reason: what ``onnx.reference`` does instead.
    """

    operator: str
    since: int
    until: int
    implementation: type[OpRun]
    reason: str


_IGNORES = "ignores clip, sequence_lens and activations"
_FLATTENS = "takes the axis alone, where these opsets flatten the dimensions from it on"

CORRECTIONS: Sequence[Correction] = (
    Correction("Softmax", 1, 12, layers.Softmax, _FLATTENS),
    Correction("LogSoftmax", 1, 12, layers.LogSoftmax, _FLATTENS),
    Correction("Hardmax", 1, 12, layers.Hardmax, _FLATTENS),
    Correction("BatchNormalization", 1, 13, layers.BatchNormalization, "computes training mode unasked"),
    Correction("LRN", 1, 99, layers.LRN, "loops over the batch, not the channels; refuses rank 3 and 5"),
    Correction("GlobalMaxPool", 1, 99, layers.GlobalMaxPool, "is wrong for every rank but 4"),
    Correction("GlobalLpPool", 1, 99, layers.GlobalLpPool, "does not have it"),
    Correction("DequantizeLinear", 10, 18, layers.DequantizeLinear, "has it from opset 19 on"),
    Correction("MaxPool", 1, 99, windows.MaxPool, "is wrong with ceil_mode, fails on SAME and some pads"),
    Correction("AveragePool", 1, 99, windows.AveragePool, "refuses ceil_mode with auto_pad"),
    Correction(
        "ConvTranspose", 1, 99, windows.ConvTranspose, "is wrong with pads and strides, fails on groups"
    ),
    Correction("RNN", 1, 99, recurrent.RNN, _IGNORES),
    Correction("GRU", 1, 99, recurrent.GRU, _IGNORES),
    Correction("LSTM", 1, 99, recurrent.LSTM, _IGNORES),
    Correction("Upsample", 7, 9, layers.Upsample, "refuses linear with most scales"),
    Correction("Resize", 10, 10, layers.Resize, "does not know this form"),
)
"""Where ``onnx.reference`` (of onnx 1.23) is not the specification."""


def corrections(opset: int) -> dict[str, Correction]:
    """Operator → its correction in a model of this opset."""
    return {c.operator: c for c in CORRECTIONS if c.since <= opset <= c.until}
