"""Puts a pipeline together from a toolchain: the converters and runtimes that a set of routes needs."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fuzzconv.converters.conversion import Converter
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.pipeline import Pipeline, conversion_id
from fuzzconv.route import Route
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import Runtime
from fuzzconv.runtime.shared import SharedRuntime
from fuzzconv.toolchain.toolchain import Toolchain

_TMPFS = Path("/dev/shm")
_TMPFS_NEEDED = 256 << 20
_SCRATCH_PREFIX = "fuzzconv-"


@contextmanager
def open_pipeline(toolchain: Toolchain, routes: Iterable[Route]) -> Iterator[Pipeline]:
    """A pipeline that can run ``routes``, with a scratch directory of its own; all closed at the end.

    Every runtime may be used from several threads, one at a time.
    """
    wanted = tuple(routes)
    scratch = _make_scratch()
    servers = _fork_servers(toolchain, wanted)
    converters = {conversion_id(route): _converter(toolchain, route, servers) for route in wanted}
    pythonpath = (toolchain.ncnn.path,) if toolchain.ncnn.path and toolchain.ncnn.origin == "--ncnn" else ()
    devices = {"cpu"} | {route.device for route in wanted}
    runtimes: dict[str, Runtime] = {
        device: SharedRuntime(NcnnRuntime(device, pythonpath=pythonpath)) for device in sorted(devices)
    }
    pipeline = Pipeline(converters, runtimes, scratch)
    try:
        yield pipeline
    finally:
        pipeline.close()
        shutil.rmtree(scratch, ignore_errors=True)


def scratch_base() -> Path:
    """Where conversion files go: tmpfs when there is one with room, else the system's temporary folder."""
    if os.access(_TMPFS, os.W_OK) and shutil.disk_usage(_TMPFS).free >= _TMPFS_NEEDED:
        return _TMPFS
    return Path(tempfile.gettempdir())


def _make_scratch() -> Path:
    """A scratch folder named after this process; those of processes killed without mercy are removed."""
    base = scratch_base()
    for folder in base.glob(f"{_SCRATCH_PREFIX}*"):
        owner = folder.name.removeprefix(_SCRATCH_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{_SCRATCH_PREFIX}{os.getpid()}-", dir=base))


def _fork_servers(toolchain: Toolchain, routes: Iterable[Route]) -> dict[str, ForkServer]:
    """Converter → its fork server, one for all its settings."""
    wanted = {route.converter for route in routes}
    binaries = {"pnnx": toolchain.pnnx.path, "onnx2ncnn": toolchain.onnx2ncnn.path}
    return {
        name: ForkServer(path, warm_up=name == "pnnx")
        for name, path in binaries.items()
        if name in wanted and path is not None
    }


def _converter(toolchain: Toolchain, route: Route, servers: Mapping[str, ForkServer]) -> Converter:
    tool = toolchain.pnnx if route.converter == "pnnx" else toolchain.onnx2ncnn
    if tool.path is None:
        raise AssertionError(f"route {route} was chosen although {tool.name} is missing")
    server = servers[route.converter]
    if route.converter == "pnnx":
        return PnnxConverter(tool.path, fp16=route.setting == "fp16=1", server=server)
    return Onnx2NcnnConverter(tool.path, server=server)
