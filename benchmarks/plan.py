"""How much is measured, and with which tools (``Plan``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from benchmarks import naive
from fuzzconv.route import Route
from fuzzconv.toolchain.locate import find_toolchain
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.toolchain.toolchain import Toolchain


@dataclass(frozen=True)
class Plan:
    """The extent of one benchmark run.

    Attributes:
        repeats: each figure is the median of so many measurements.
        campaign_seconds: length of each campaign.
        load_seconds: length of each measurement outside a campaign.
        cases: cases for measurements of single stages.
        memory_seconds: length of the campaign whose memory is watched.
        jobs: worker processes of campaigns.
    """

    repeats: int = 3
    campaign_seconds: int = 60
    load_seconds: float = 15.0
    cases: int = 60
    memory_seconds: int = 180
    jobs: int = 2
    toolchain: Toolchain = field(default_factory=find_toolchain)

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """The default routes that run on this machine."""
        return available_routes(self.toolchain)[0]

    @property
    def cpu_routes(self) -> tuple[Route, ...]:
        """Those on the CPU."""
        return tuple(route for route in self.routes if route.device == "cpu")

    @property
    def has_vulkan(self) -> bool:
        """Whether there is any on Vulkan."""
        return any(route.device == "vulkan" for route in self.routes)

    @cached_property
    def naive_cpu_rate(self) -> float:
        """Cases/s of the naive loop on the CPU routes."""
        return naive.rate(self.toolchain, self.cpu_routes, self.load_seconds, self.repeats)

    @cached_property
    def naive_vulkan_rate(self) -> float:
        """Cases/s of the naive loop that takes every passing case through Vulkan as well."""
        return naive.rate(self.toolchain, self.routes, self.load_seconds, self.repeats)
