"""Where tools are found, in which order, and what counts as missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from fuzzconv.errors import UsageError
from fuzzconv.toolchain import build_onnx2ncnn, locate
from fuzzconv.toolchain.locate import find_ncnn, find_onnx2ncnn, find_package, find_pnnx, find_toolchain

NATIVE = Path("/bin/true")

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Put a real native executable at ``tmp_path/<where>``."""

    def install(where: str, source: Path = NATIVE) -> Path:
        target = tmp_path / where
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
        return target

    return install


@pytest.fixture(autouse=True)
def nothing_on_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty PATH and cache, and no variables of the user's; packages stay."""
    for variable in ("PNNX", "ONNX2NCNN"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("FUZZCONV_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_pnnx_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(locate.metadata, "distribution", distribution)


def pip_script(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom pnnx import pnnx\nsys.exit(pnnx())\n")
    path.chmod(0o755)
    return path


def test_an_explicit_pnnx_beats_the_variable(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    explicit = install("a/pnnx")
    monkeypatch.setenv("PNNX", str(install("b/pnnx")))
    tool = find_pnnx(explicit)
    assert (tool.path, tool.origin, tool.version) == (explicit, "--pnnx", "unknown")


def test_the_variable_beats_the_package(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    named = install("b/pnnx")
    monkeypatch.setenv("PNNX", str(named))
    tool = find_pnnx()
    assert (tool.path, tool.origin) == (named, "$PNNX")


@pytest.mark.parametrize("where", ["nowhere", "script"])
def test_a_bad_variable_is_told_not_passed_over(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pip_script(tmp_path / "script" / "pnnx") if where == "script" else tmp_path / "nowhere"
    monkeypatch.setenv("PNNX", str(path))
    tool = find_pnnx()
    assert not tool.found
    assert f"$PNNX={path}" in tool.missing
    assert "--no-deps pnnx" in tool.remedy


def test_pips_script_as_explicit_pnnx_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs torch"):
        find_pnnx(pip_script(tmp_path / "pnnx"))


@pytest.mark.usefixtures("no_pnnx_package")
def test_a_script_on_path_is_no_pnnx(tmp_path: Path) -> None:
    pip_script(tmp_path / "path" / "pnnx")
    assert not find_pnnx().found


@pytest.mark.usefixtures("no_pnnx_package")
def test_a_native_pnnx_on_path(install: Install) -> None:
    binary = install("path/pnnx")
    tool = find_pnnx()
    assert (tool.path, tool.origin) == (binary, "PATH")


@pytest.mark.pnnx
def test_the_packages_binary_is_found_without_importing_it() -> None:
    try:
        expected = metadata.version("pnnx")
    except metadata.PackageNotFoundError:
        pytest.skip("the pnnx package is not installed")
    tool = find_pnnx()
    assert (tool.version, tool.origin) == (expected, "Python package")
    assert tool.path is not None
    assert tool.path.read_bytes()[:4] == b"\x7fELF"
    assert "pnnx" not in sys.modules


def test_the_version_of_a_pip_target_directory(install: Install, tmp_path: Path) -> None:
    binary = install("old/pnnx/pnnx")
    info = tmp_path / "old" / "pnnx-20240410.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pnnx\nVersion: 20240410\n")
    assert find_pnnx(binary).version == "20240410"


def test_onnx2ncnn_variable_then_path_then_cache(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not find_onnx2ncnn().found
    cached = install("cache/bin/onnx2ncnn")
    assert (find_onnx2ncnn().path, find_onnx2ncnn().origin) == (cached, "cache")
    on_path = install("path/onnx2ncnn")
    assert (find_onnx2ncnn().path, find_onnx2ncnn().origin) == (on_path, "PATH")
    named = install("named/onnx2ncnn")
    monkeypatch.setenv("ONNX2NCNN", str(named))
    assert (find_onnx2ncnn().path, find_onnx2ncnn().origin) == (named, "$ONNX2NCNN")


def test_a_cached_binary_of_unknown_making_has_no_version(install: Install) -> None:
    binary = install("cache/bin/onnx2ncnn")
    assert find_onnx2ncnn().version == "unknown"
    binary.with_suffix(".json").write_text('{"source": "something else"}')
    assert find_onnx2ncnn().version == "unknown"


def test_a_binary_that_lacks_a_library_is_missing_not_refusing(install: Install) -> None:
    binary = install("cache/bin/onnx2ncnn")
    content = binary.read_bytes()
    assert content.count(b"libc.so.6") == 1
    binary.write_bytes(content.replace(b"libc.so.6", b"libq.so.6"))
    tool = find_onnx2ncnn()
    assert not tool.found
    assert "libq.so.6" in tool.missing
    assert "build_onnx2ncnn" in tool.remedy


def test_an_explicit_ncnn_directory(tmp_path: Path) -> None:
    (tmp_path / "ncnn").mkdir()
    assert find_ncnn(tmp_path).version == "unknown"
    info = tmp_path / "ncnn-1.0.20240410.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ncnn\nVersion: 1.0.20240410\n")
    tool = find_ncnn(tmp_path)
    assert (tool.path, tool.version, tool.origin) == (tmp_path, "1.0.20240410", "--ncnn")


def test_a_directory_without_ncnn_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no ncnn package"):
        find_ncnn(tmp_path)


def test_a_python_package_is_not_imported() -> None:
    code = (
        "import sys; from fuzzconv.toolchain.locate import find_package; "
        "t = find_package('onnxruntime'); print(t.version, t.path, 'onnxruntime' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    version, path, imported = done.stdout.split()
    assert version == metadata.version("onnxruntime")
    assert (Path(path) / "onnxruntime").is_dir()
    assert imported == "False"


def test_a_package_that_is_not_installed() -> None:
    tool = find_package("no-such-package")
    assert tool.missing == "not installed"
    assert tool.remedy.endswith("pip install no-such-package")


def fake_ncnn(directory: Path, code: str) -> Path:
    (directory / "ncnn").mkdir(parents=True)
    (directory / "ncnn" / "__init__.py").write_text(code)
    return directory


def test_a_driver_that_crashes_costs_vulkan_alone(tmp_path: Path) -> None:
    crash = "import os, signal\ndef get_gpu_count():\n    os.kill(os.getpid(), signal.SIGSEGV)\n"
    toolchain = find_toolchain(ncnn=fake_ncnn(tmp_path / "crashing", crash))
    assert toolchain.ncnn.found
    assert not toolchain.vulkan.found
    assert "SIGSEGV" in toolchain.vulkan.missing


def test_an_ncnn_that_cant_be_imported_is_missing(tmp_path: Path) -> None:
    toolchain = find_toolchain(ncnn=fake_ncnn(tmp_path / "broken", "raise ImportError('libgomp is gone')\n"))
    assert "libgomp is gone" in toolchain.ncnn.missing
    assert not toolchain.vulkan.found


def test_no_vulkan_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("VK_DRIVER_FILES", "VK_ICD_FILENAMES"):
        monkeypatch.setenv(variable, "/nonexistent.json")
    locate.forget_probes()
    toolchain = find_toolchain()
    locate.forget_probes()
    assert toolchain.ncnn.found
    assert "no Vulkan device" in toolchain.vulkan.missing
    assert "mesa-vulkan-drivers" in toolchain.vulkan.remedy


@pytest.mark.vulkan
def test_the_vulkan_device_and_its_driver_have_names() -> None:
    vulkan = find_toolchain().vulkan
    if not vulkan.found:
        pytest.skip(f"no Vulkan here: {vulkan.missing}")
    assert vulkan.device
    assert vulkan.driver
    assert tuple(map(int, vulkan.api_version.split("."))) >= (1, 0, 0)


def test_the_cache_follows_its_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZCONV_CACHE", "/own")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert build_onnx2ncnn.cached_onnx2ncnn() == Path("/own/bin/onnx2ncnn")
    monkeypatch.delenv("FUZZCONV_CACHE")
    assert build_onnx2ncnn.cached_onnx2ncnn() == Path("/xdg/fuzzconv/bin/onnx2ncnn")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert build_onnx2ncnn.cached_onnx2ncnn() == Path("/home/someone/.cache/fuzzconv/bin/onnx2ncnn")
