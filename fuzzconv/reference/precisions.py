"""Which precision a route computes in: what decides which error bound holds."""

from __future__ import annotations

from fuzzconv.reference.reference import Precision
from fuzzconv.route import Route
from fuzzconv.runtime.options import switches_of


def precision_of(route: Route) -> Precision:
    """The number format of a route, by its option row, converter setting and device."""
    if route.options.startswith("bf16"):
        winograd = route.device == "vulkan" and "nowinograd" not in switches_of(route.options)
        return Precision.VULKAN_BF16 if winograd else Precision.BF16
    if route.options.startswith("fp16"):
        return Precision.FP16
    vulkan = route.device == "vulkan"
    if route.setting == "fp16=1":
        return Precision.VULKAN_FP16_WEIGHTS if vulkan else Precision.FP16_WEIGHTS
    return Precision.VULKAN_FP32 if vulkan else Precision.FP32
