"""Which routes this machine can run."""

from __future__ import annotations

from collections.abc import Iterable

from fuzzconv.route import DEFAULT_ROUTES, Route
from fuzzconv.toolchain.toolchain import Tool, Toolchain, VulkanDevice


def blocking_tool(toolchain: Toolchain, route: Route) -> Tool | VulkanDevice | None:
    """The first missing thing that keeps ``route`` from running, None when it can run."""
    needed: list[Tool | VulkanDevice] = [toolchain.ncnn, toolchain.onnxruntime]
    needed.append(toolchain.pnnx if route.converter == "pnnx" else toolchain.onnx2ncnn)
    if route.device == "vulkan":
        needed.append(toolchain.vulkan)
    return next((tool for tool in needed if not tool.found), None)


def available_routes(
    toolchain: Toolchain, wanted: Iterable[Route] = DEFAULT_ROUTES
) -> tuple[tuple[Route, ...], dict[Route, str]]:
    """Split ``wanted`` into the routes that can run and those that can't, each with the reason why not."""
    runnable: list[Route] = []
    skipped: dict[Route, str] = {}
    for route in wanted:
        blocker = blocking_tool(toolchain, route)
        if blocker is None:
            runnable.append(route)
        else:
            skipped[route] = f"{blocker.name}: {blocker.missing}"
    return tuple(runnable), skipped
