"""Cases per second of whole campaigns, as ``run.json`` defines it."""

from __future__ import annotations

from benchmarks.campaigns import run_campaign
from benchmarks.figure import Figure, median_of
from benchmarks.plan import Plan


def measure(plan: Plan) -> list[Figure]:
    """CPU routes alone, then with Vulkan under the default policy."""
    figures = [
        Figure("naive loop, CPU routes", plan.naive_cpu_rate, "cases/s"),
        _campaign(plan, "campaign, CPU routes", "cpu", 25.0, plan.naive_cpu_rate, 8.0),
    ]
    if not plan.has_vulkan:
        return [*figures, Figure("campaign, all routes", None, "cases/s", note=plan.toolchain.vulkan.missing)]
    return [
        *figures,
        Figure("naive loop, every passing case on Vulkan too", plan.naive_vulkan_rate, "cases/s"),
        _campaign(
            plan, "campaign, all routes, default Vulkan policy", "*", 12.0, plan.naive_vulkan_rate, 6.0
        ),
    ]


def _campaign(plan: Plan, name: str, routes: str, target: float, naive: float, ratio: float) -> Figure:
    def cases_per_second(number: int) -> float:
        options = ["--routes", routes, "--seed", str(number + 1), "--jobs", str(plan.jobs)]
        return run_campaign(options, plan.campaign_seconds).number("cases_per_s")

    rate = median_of(plan.repeats, cases_per_second)
    return Figure(name, rate, "cases/s", target, ratio=rate / naive, ratio_target=ratio)
