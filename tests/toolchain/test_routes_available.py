"""Which routes a toolchain allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fuzzconv.route import DEFAULT_ROUTES, Route
from fuzzconv.toolchain.routes import available_routes, blocking_tool
from fuzzconv.toolchain.toolchain import Tool, Toolchain, VulkanDevice

ALL = Toolchain(
    pnnx=Tool("pnnx", Path("/bin/pnnx"), "1"),
    onnx2ncnn=Tool("onnx2ncnn", Path("/bin/onnx2ncnn"), "2"),
    ncnn=Tool("ncnn", Path("/lib"), "3"),
    vulkan=VulkanDevice("card", "driver", "1.3.0"),
    onnxruntime=Tool("onnxruntime", Path("/lib"), "4"),
    onnx=Tool("onnx", Path("/lib"), "5"),
    numpy=Tool("numpy", Path("/lib"), "6"),
    hypothesis=Tool("hypothesis", Path("/lib"), "7"),
)
GONE = {
    "pnnx": Tool("pnnx", missing="no pnnx", remedy="get pnnx"),
    "onnx2ncnn": Tool("onnx2ncnn", missing="no onnx2ncnn", remedy="get onnx2ncnn"),
    "ncnn": Tool("ncnn", missing="no ncnn", remedy="get ncnn"),
    "onnxruntime": Tool("onnxruntime", missing="no onnxruntime", remedy="get onnxruntime"),
    "vulkan": VulkanDevice(missing="no vulkan", remedy="get vulkan"),
}


def without(*names: str) -> Toolchain:
    return replace(ALL, **{name: GONE[name] for name in names})


def test_everything_there_runs_everything() -> None:
    assert available_routes(ALL) == (DEFAULT_ROUTES, {})


@pytest.mark.parametrize(
    ("missing", "runs"),
    [
        (["vulkan"], ["pnnx:fp16=0/cpu", "pnnx:fp16=1/cpu", "onnx2ncnn/cpu"]),
        (["pnnx"], ["onnx2ncnn/cpu", "onnx2ncnn/vulkan"]),
        (["pnnx", "vulkan"], ["onnx2ncnn/cpu"]),
        (
            ["onnx2ncnn"],
            ["pnnx:fp16=0/cpu", "pnnx:fp16=1/cpu", "pnnx:fp16=0/vulkan", "pnnx:fp16=1/vulkan"],
        ),
        (["ncnn"], []),
        (["onnxruntime"], []),
    ],
)
def test_what_is_missing_skips_its_routes_with_the_reason(missing: list[str], runs: list[str]) -> None:
    runnable, skipped = available_routes(without(*missing))
    assert [str(route) for route in runnable] == runs
    assert set(skipped) | set(runnable) == set(DEFAULT_ROUTES)
    assert set(skipped.values()) <= {f"{name}: no {name}" for name in missing}


def test_only_wanted_routes_are_answered() -> None:
    wanted = (Route.parse("pnnx:fp16=1/vulkan:fp16"), Route.parse("onnx2ncnn/cpu"))
    runnable, skipped = available_routes(without("vulkan"), wanted)
    assert runnable == wanted[1:]
    assert skipped == {wanted[0]: "vulkan: no vulkan"}


def test_the_blocking_tool_knows_its_remedy() -> None:
    blocker = blocking_tool(without("pnnx"), DEFAULT_ROUTES[0])
    assert blocker is not None
    assert blocker.remedy == "get pnnx"


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ([], ""),
        (["vulkan", "onnx2ncnn"], ""),
        (["pnnx"], ""),
        (["pnnx", "onnx2ncnn"], "get pnnx"),
        (["ncnn"], "get ncnn"),
    ],
)
def test_a_campaign_needs_ncnn_and_one_converter(missing: list[str], named: str) -> None:
    problem = without(*missing).required_missing
    assert bool(problem) == bool(named)
    assert named in problem


def test_versions_name_what_is_there() -> None:
    assert without("pnnx", "vulkan").versions() == {
        "onnx2ncnn": "2",
        "ncnn": "3",
        "onnxruntime": "4",
        "onnx": "5",
        "numpy": "6",
        "hypothesis": "7",
    }
    assert ALL.versions()["vulkan"] == "card; driver"
