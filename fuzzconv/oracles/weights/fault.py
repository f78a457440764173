"""What the weights oracle reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fuzzconv.verdict import Kind


@dataclass(frozen=True)
class WeightFault:
    """Damage between the ONNX constants and what ncnn reads from the ``.bin``.

    Attributes:
        kind: ``WEIGHT_LOST`` (values missing, zeroed, overwritten or read as another type), ``WEIGHT_SHIFT``
            (values in the wrong place) or ``WEIGHT_NAN`` (not finite, though ONNX is).
        detail: one sentence a maintainer understands.
        evidence: ``layer``, ``layer_type``, ``blob`` (index among the layer's), ``offset`` (of the blob in
            the file), ``file_size``, ``consumed``, and where they are known ``tag``, ``shift_bytes``,
            ``shift_elements``, ``constant``, ``culprit``.
    """

    kind: Kind
    detail: str
    evidence: Mapping[str, object] = field(default_factory=dict)
