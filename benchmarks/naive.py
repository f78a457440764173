"""The loop that everything is compared with: what one would write first.

One process; a plain subprocess for each conversion; a fresh ncnn net for each run, in one worker process; the
next case when the last is done. References, oracles and routes are the same as in a campaign.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.figure import median_of
from benchmarks.models import distinct_cases
from fuzzconv.assembly import scratch_base
from fuzzconv.case import Case
from fuzzconv.converters.conversion import Converter
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.judgement import Judgement
from fuzzconv.pipeline import Pipeline, conversion_id
from fuzzconv.route import Route
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import Runtime
from fuzzconv.toolchain.toolchain import Toolchain
from fuzzconv.verdict import Kind


@contextmanager
def naive_pipeline(toolchain: Toolchain, routes: Sequence[Route]) -> Iterator[Pipeline]:
    """The real road without a fork server."""
    scratch = Path(tempfile.mkdtemp(prefix="naive-", dir=scratch_base()))
    converters = {conversion_id(route): _converter(toolchain, route) for route in routes}
    devices = {"cpu"} | {route.device for route in routes}
    runtimes: dict[str, Runtime] = {device: NcnnRuntime(device) for device in devices}
    pipeline = Pipeline(converters, runtimes, scratch)
    try:
        yield pipeline
    finally:
        pipeline.close()
        shutil.rmtree(scratch, ignore_errors=True)


def rate(toolchain: Toolchain, routes: Sequence[Route], seconds: float, repeats: int) -> float:
    """Cases/s, generation included; the median of ``repeats`` stretches of ``seconds`` each."""
    with naive_pipeline(toolchain, routes) as pipeline:
        judge_everywhere(pipeline, next(distinct_cases(99)), routes, 0)
        return median_of(repeats, lambda number: _stretch(pipeline, routes, seconds, number))


def judge_everywhere(pipeline: Pipeline, case: Case, routes: Sequence[Route], turn: int) -> Judgement:
    """Judge a case on the CPU routes, then, where it passes, on Vulkan.

    Of pnnx's settings one goes on to Vulkan, another each ``turn``, as in a campaign.
    """
    judgement = pipeline.judge(case, [route for route in routes if route.device == "cpu"])
    passed = {v.route.conversion for v in judgement.verdicts if v.kind is Kind.OK}
    vulkan = [route for route in routes if route.device == "vulkan" and route.conversion in passed]
    pnnx = [route for route in vulkan if route.converter == "pnnx"]
    chosen = [pnnx[turn % len(pnnx)]] if pnnx else []
    return pipeline.extend(judgement, [*chosen, *(route for route in vulkan if route.converter != "pnnx")])


def _stretch(pipeline: Pipeline, routes: Sequence[Route], seconds: float, number: int) -> float:
    started = time.monotonic()
    done = 0
    for case in distinct_cases(number):
        judge_everywhere(pipeline, case, routes, done)
        done += 1
        if time.monotonic() - started >= seconds:
            break
    return done / (time.monotonic() - started)


def _converter(toolchain: Toolchain, route: Route) -> Converter:
    tool = toolchain.pnnx if route.converter == "pnnx" else toolchain.onnx2ncnn
    assert tool.path is not None, f"{route} can't run: {tool.missing}"
    if route.converter == "pnnx":
        return PnnxConverter(tool.path, fp16=route.setting == "fp16=1")
    return Onnx2NcnnConverter(tool.path)
