"""Find every tool of the road, without importing any of them.

Order of lookup, first hit wins: an explicit path, an environment variable, the Python package's own files,
PATH, our cache. A place the user named but that doesn't work is not passed over in silence: it makes the tool
missing, with the reason.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

from fuzzconv.errors import UsageError
from fuzzconv.toolchain import build_onnx2ncnn
from fuzzconv.toolchain.executable import (
    apt_command,
    how_it_ended,
    is_elf,
    is_pip_script,
    python_command,
    start_problem,
)
from fuzzconv.toolchain.toolchain import UNKNOWN_VERSION, Tool, Toolchain, VulkanDevice

VULKAN_PACKAGES = ("libvulkan1", "mesa-vulkan-drivers")

_PROBE_SECONDS = 120

Remedy = Callable[[], str]


def pnnx_remedy() -> str:
    """The command that gets pnnx; ``--no-deps``, because it declares torch, which its binary never uses."""
    return f"{python_command()} -m pip install --no-deps pnnx"


def vulkan_remedy() -> str:
    """The command that gets a Vulkan driver which needs no GPU (Mesa's lavapipe), loader included."""
    return apt_command(*VULKAN_PACKAGES)


def find_toolchain(
    *, pnnx: Path | None = None, onnx2ncnn: Path | None = None, ncnn: Path | None = None
) -> Toolchain:
    """Find every tool; takes about a second, most of it for the Vulkan device.

    Args:
        pnnx, onnx2ncnn: executables to use instead of those that would be found.
        ncnn: a directory that holds the ``ncnn`` package (``pip install --no-deps --target DIR ncnn``).

    Raises:
        UsageError: an explicitly given path is no such tool.
    """
    ncnn_tool, vulkan = _ask_ncnn(find_ncnn(ncnn))
    return Toolchain(
        pnnx=find_pnnx(pnnx),
        onnx2ncnn=find_onnx2ncnn(onnx2ncnn),
        ncnn=ncnn_tool,
        vulkan=vulkan,
        onnxruntime=find_package("onnxruntime"),
        onnx=find_package("onnx"),
        numpy=find_package("numpy"),
        hypothesis=find_package("hypothesis"),
    )


def find_pnnx(explicit: Path | None = None) -> Tool:
    """The pnnx binary: ``explicit``, ``$PNNX``, the ``pnnx`` distribution's own file, PATH.

    A ``pnnx`` on PATH counts only if it is native: pip puts a Python script of that name there, which
    imports torch.

    Raises:
        UsageError: ``explicit`` can't be run.
    """
    named = _named_by_user("pnnx", explicit, "PNNX", pnnx_remedy)
    if named is not None:
        return named
    for candidate, origin in _pnnx_candidates():
        if is_elf(candidate):
            path = candidate.resolve()
            return _started(Tool("pnnx", path, _version_beside(path, "pnnx"), origin), pnnx_remedy)
    return Tool("pnnx", missing="not installed here and no native binary on PATH", remedy=pnnx_remedy())


def find_onnx2ncnn(explicit: Path | None = None) -> Tool:
    """The onnx2ncnn binary: ``explicit``, ``$ONNX2NCNN``, PATH, our cache.

    Raises:
        UsageError: ``explicit`` can't be run.
    """
    named = _named_by_user("onnx2ncnn", explicit, "ONNX2NCNN", build_onnx2ncnn.remedy)
    if named is not None:
        return named
    if on_path := shutil.which("onnx2ncnn"):
        tool = Tool("onnx2ncnn", Path(on_path).resolve(), UNKNOWN_VERSION, "PATH")
        return _started(tool, build_onnx2ncnn.remedy)
    cached = build_onnx2ncnn.cached_onnx2ncnn()
    if cached.is_file():
        version = build_onnx2ncnn.built_version(cached) or UNKNOWN_VERSION
        return _started(Tool("onnx2ncnn", cached, version, "cache"), build_onnx2ncnn.remedy)
    return Tool("onnx2ncnn", missing="not on PATH and not built yet", remedy=build_onnx2ncnn.remedy())


def find_ncnn(explicit: Path | None = None) -> Tool:
    """The ncnn Python package, from the directory ``explicit`` or where Python would import it from.

    Raises:
        UsageError: ``explicit`` holds no ncnn package.
    """
    if explicit is None:
        return find_package("ncnn")
    directory = explicit.expanduser().absolute()
    if not (directory / "ncnn").is_dir():
        raise UsageError(
            f"--ncnn {explicit}: no ncnn package in there; "
            f"get one with: {python_command()} -m pip install --no-deps --target {explicit} ncnn"
        )
    return Tool("ncnn", directory, _version_in(directory, "ncnn"), "--ncnn")


def find_package(name: str) -> Tool:
    """A Python distribution as its metadata describes it; it is not imported."""
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return Tool(name, missing="not installed", remedy=f"{python_command()} -m pip install {name}")
    directory = Path(str(distribution.locate_file(""))).resolve()
    return Tool(name, directory, distribution.version, "Python package")


def _pnnx_candidates() -> Iterator[tuple[Path, str]]:
    try:
        files = metadata.distribution("pnnx").files or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "pnnx":
            yield Path(str(file.locate())), "Python package"
    if on_path := shutil.which("pnnx"):
        yield Path(on_path), "PATH"


def _ask_ncnn(ncnn: Tool) -> tuple[Tool, VulkanDevice]:
    if ncnn.path is None:
        return ncnn, VulkanDevice(missing="can't be asked for without ncnn", remedy=ncnn.remedy)
    answer = _probe(ncnn.path)
    if error := answer.get("import_error"):
        broken = Tool(
            "ncnn", missing=f"can't be imported: {error}", remedy=f"{python_command()} -m pip install ncnn"
        )
        return broken, VulkanDevice(missing="can't be asked for without ncnn", remedy=broken.remedy)
    if error := answer.get("error"):
        return ncnn, VulkanDevice(missing=str(error), remedy=vulkan_remedy())
    if not answer.get("devices"):
        missing = "ncnn finds no Vulkan device (no driver?)"
        return ncnn, VulkanDevice(missing=missing, remedy=vulkan_remedy())
    known = {key: str(answer[key]) for key in ("device", "driver", "api_version")}
    return ncnn, VulkanDevice(**known)


@functools.cache
def _probe(ncnn_directory: Path) -> dict[str, str | int]:
    """What the Vulkan probe prints with the ncnn of a directory; ``{"error": …}`` when it dies."""
    paths = [str(ncnn_directory), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-m", "fuzzconv.toolchain.vulkan_probe"]
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"asking ncnn for Vulkan devices took more than {_PROBE_SECONDS} s"}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            answer: dict[str, str | int] = json.loads(line)
            return answer
    return {"error": f"asking ncnn for Vulkan devices {how_it_ended(done)}"}


def forget_probes() -> None:
    """Ask anew for Vulkan devices at the next ``find_toolchain`` (after a driver was installed)."""
    _probe.cache_clear()


def _named_by_user(name: str, explicit: Path | None, variable: str, remedy: Remedy) -> Tool | None:
    """The tool at a path the user named, or None when no path was named."""
    if explicit is not None:
        tool = _at(name, explicit, f"--{name}", remedy)
        if not tool.found:
            raise UsageError(f"--{name} {explicit}: {tool.missing}; get it with: {remedy()}")
        return tool
    if value := os.environ.get(variable):
        tool = _at(name, Path(value), f"${variable}", remedy)
        return (
            tool
            if tool.found
            else Tool(name, missing=f"${variable}={value}: {tool.missing}", remedy=remedy())
        )
    return None


def _at(name: str, given: Path, origin: str, remedy: Remedy) -> Tool:
    path = given.expanduser().resolve()
    if not path.is_file():
        return Tool(name, missing="no such file", remedy=remedy())
    if name == "pnnx" and is_pip_script(path, "pnnx"):
        missing = "this is pip's Python script, which needs torch; name the binary in site-packages/pnnx"
        return Tool(name, missing=missing, remedy=remedy())
    return _started(Tool(name, path, _version_beside(path, name), origin), remedy)


def _started(tool: Tool, remedy: Remedy) -> Tool:
    """``tool`` if its executable starts, else a missing one."""
    problem = start_problem(tool.path) if tool.path else ""
    return Tool(tool.name, missing=problem, remedy=remedy()) if problem else tool


def _version_beside(path: Path, distribution: str) -> str:
    """The version of the distribution whose package directory holds ``path``, also for ``pip --target``."""
    return _version_in(path.parent.parent, distribution)


def _version_in(directory: Path, distribution: str) -> str:
    found = metadata.distributions(name=distribution, path=[str(directory)])
    return next((d.version for d in found), UNKNOWN_VERSION)
