"""The reference of a case: expected outputs, an error bound per element, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array

UNRUNNABLE = "onnxruntime can't run the model"
OPEN_COORDINATES = "leaves the coordinates"
EMPTY = "is empty: ncnn has no such blobs"
"""Reasons to skip a case that say nothing about its numbers, as parts of ``Reference.skip``."""


class Precision(Enum):
    """The number formats a route computes in; each has its own error bound.

    ``FP16_WEIGHTS``: weights rounded to half, everything else fp32 (pnnx ``fp16=1``). ``FP16``: weights,
    activations and arithmetic may be half. ``BF16``: storage may be bfloat16. The ``VULKAN_`` ones are the
    same number formats where sin, exp and their like are GLSL builtins, which Vulkan lets be inexact, and
    where a wide 3×3 convolution in bfloat16 keeps Winograd's tiles in that format.
    """

    FP32 = "fp32"
    FP16_WEIGHTS = "fp16_weights"
    VULKAN_FP32 = "vulkan_fp32"
    VULKAN_FP16_WEIGHTS = "vulkan_fp16_weights"
    FP16 = "fp16"
    BF16 = "bf16"
    VULKAN_BF16 = "vulkan_bf16"


@dataclass(frozen=True)
class Reference:
    """What a case should yield.

    Attributes:
        outputs: graph output name → expected array, in graph output order.
        bounds: precision → output name → largest absolute error a correct implementation may show, per
            element (float64, the output's shape). A precision that can't be judged is absent.
        skip: why this case can't be judged at all (non-finite, ill-conditioned, discontinuous, references
            disagree, not runnable), else empty.
        precision_skips: precision → why it is absent from ``bounds``.
    """

    outputs: Mapping[str, Array] = field(default_factory=dict)
    bounds: Mapping[Precision, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    skip: str = ""
    precision_skips: Mapping[Precision, str] = field(default_factory=dict)
