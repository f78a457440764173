"""Every passing case on Vulkan as well: one PNNX setting in turn, and onnx2ncnn."""

from __future__ import annotations

from benchmarks.figure import Figure, median_of
from benchmarks.load import Load, cases_per_second
from benchmarks.plan import Plan

NAME = "every passing case on Vulkan too"


def measure(plan: Plan) -> list[Figure]:
    """Cases per second of all jobs together, no case left out."""
    if not plan.has_vulkan:
        return [Figure(NAME, None, "cases/s", note=plan.toolchain.vulkan.missing)]

    def rate(number: int) -> float:
        return cases_per_second(Load(plan.toolchain, plan.routes, plan.load_seconds, number), plan.jobs)

    value = median_of(plan.repeats, rate)
    return [Figure(NAME, value, "cases/s", 6.0, ratio=value / plan.naive_vulkan_rate)]
