"""What set-up installs, and what it says when it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuzzconv.toolchain import build_onnx2ncnn, setup
from fuzzconv.toolchain.setup import install_debian_packages, needs_onnx2ncnn, wanted_packages
from fuzzconv.toolchain.toolchain import Tool, Toolchain, VulkanDevice

ROOT = Path(__file__).resolve().parents[2]
THERE = Path("/bin/true")
GONE = Tool("onnx2ncnn", missing="gone", remedy="get it")
NO_VULKAN = VulkanDevice(missing="gone", remedy="get it")
CURRENT = Tool("onnx2ncnn", THERE, build_onnx2ncnn.VERSION, "cache")


def toolchain(onnx2ncnn: Tool = CURRENT, vulkan: VulkanDevice | None = None) -> Toolchain:
    names = ("onnxruntime", "onnx", "numpy", "hypothesis")
    packages = {name: Tool(name, THERE, "1", "Python package") for name in (*names, "pnnx", "ncnn")}
    return Toolchain(onnx2ncnn=onnx2ncnn, vulkan=vulkan or VulkanDevice("card"), **packages)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ONNX2NCNN", raising=False)


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(
    ("onnx2ncnn", "vulkan", "packages"),
    [
        (CURRENT, None, ("g++",)),
        (GONE, None, ("g++", "protobuf-compiler", "libprotobuf-dev")),
        (CURRENT, NO_VULKAN, ("libvulkan1", "mesa-vulkan-drivers", "g++")),
    ],
)
def test_a_bare_machine_wants_what_its_tools_need(
    onnx2ncnn: Tool, vulkan: VulkanDevice | None, packages: tuple[str, ...]
) -> None:
    assert wanted_packages(toolchain(onnx2ncnn, vulkan)) == packages


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler here")
def test_a_complete_machine_wants_nothing() -> None:
    assert wanted_packages(toolchain()) == ()


def test_what_the_user_named_is_not_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONNX2NCNN", raising=False)
    assert needs_onnx2ncnn(toolchain(GONE))
    assert needs_onnx2ncnn(toolchain(Tool("onnx2ncnn", THERE, "unknown", "cache")))
    assert not needs_onnx2ncnn(toolchain(Tool("onnx2ncnn", THERE, "unknown", "PATH")))
    monkeypatch.setenv("ONNX2NCNN", "/nonexistent")
    assert not needs_onnx2ncnn(toolchain(GONE))


@pytest.mark.usefixtures("bare_machine")
def test_without_apt_it_says_so() -> None:
    assert "no apt-get" in install_debian_packages(("g++",))


def test_without_root_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    apt = tmp_path / "apt-get"
    shutil.copy(THERE, apt)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(setup.os, "geteuid", lambda: 1000)
    assert "not root" in install_debian_packages(("g++",))


def test_one_line_for_each_tool_that_is_still_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for variable in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(variable, "/nonexistent.json")
    monkeypatch.setenv("ONNX2NCNN", "/nonexistent/onnx2ncnn")
    monkeypatch.setenv("PATH", str(tmp_path))
    setup.forget_probes()
    assert setup.main() == 0
    setup.forget_probes()
    lines = [line for line in capsys.readouterr().out.splitlines() if " is missing: " in line]
    assert [line.split()[1] for line in lines] == ["onnx2ncnn", "vulkan"]
    assert all("; get it with: " in line for line in lines)


@pytest.mark.slow
def test_a_fresh_copy_sets_itself_up_once(tmp_path: Path) -> None:
    """The whole of setup.sh in a new place; the second run installs nothing and takes under 5 s."""
    for name in ("setup.sh", "Makefile", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    for package in ("fuzzconv", "strategies"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shim = tmp_path / "broken-shim"
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    environment = {**os.environ, "PYTHON": f"{shim} {sys.executable}"}
    environment.pop("VIRTUAL_ENV", None)

    def make_doctor() -> subprocess.CompletedProcess[str]:
        command = ["make", "doctor"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    first = make_doctor()
    if "offline?" in first.stderr:
        pytest.skip(first.stderr.strip().splitlines()[-1])
    assert first.returncode == 0, first.stderr
    assert "installing Python packages" in first.stdout
    started = time.monotonic()
    second = make_doctor()
    assert time.monotonic() - started < 5
    assert "installing Python packages" not in second.stdout
    assert f"{tmp_path}/.venv/lib/" in second.stdout
