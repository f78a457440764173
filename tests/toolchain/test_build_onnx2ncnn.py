"""The onnx2ncnn build: what it needs, what it leaves, what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.errors import MissingToolError
from fuzzconv.toolchain import build_onnx2ncnn
from fuzzconv.toolchain.locate import find_onnx2ncnn


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("FUZZCONV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def without_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


def test_without_compiler_it_says_what_to_install(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    without_tools(monkeypatch, tmp_path)
    assert build_onnx2ncnn.missing_build_tools() == "g++, protoc"
    with pytest.raises(MissingToolError, match=r"apt-get install -y g\+\+ protobuf-compiler libprotobuf-dev"):
        build_onnx2ncnn.build()
    assert not empty_cache.exists()


def test_the_command_ends_with_3_and_one_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path), "FUZZCONV_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "fuzzconv.toolchain.build_onnx2ncnn"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def unsqueeze_of_a_negative_axis(path: Path) -> None:
    """The input of Tencent/ncnn issue 5599: an int64 constant that onnx2ncnn writes with the wrong length."""
    weight = numpy_helper.from_array(np.array([-1], np.int64), "axes")
    graph = helper.make_graph(
        [helper.make_node("Unsqueeze", ["x", "axes"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 1])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))


@pytest.mark.slow
@pytest.mark.onnx2ncnn
def test_it_builds_a_converter_that_converts(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if missing := build_onnx2ncnn.missing_build_tools():
        pytest.skip(f"onnx2ncnn can't be built without {missing}")
    monkeypatch.delenv("ONNX2NCNN", raising=False)
    try:
        binary = build_onnx2ncnn.build()
    except MissingToolError as error:
        if "can't be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    assert binary == empty_cache / "bin" / "onnx2ncnn"
    assert sorted(p.name for p in binary.parent.iterdir()) == ["onnx2ncnn", "onnx2ncnn.json"]
    assert find_onnx2ncnn(binary).found
    assert build_onnx2ncnn.built_version(binary) == "source of 2023-05-29"

    unsqueeze_of_a_negative_axis(tmp_path / "m.onnx")
    done = subprocess.run(
        [str(binary), "m.onnx", "m.param", "m.bin"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert (tmp_path / "m.param").read_text().startswith("7767517\n")


@pytest.mark.slow
@pytest.mark.onnx2ncnn
def test_a_tampered_source_is_not_built(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if missing := build_onnx2ncnn.missing_build_tools():
        pytest.skip(f"onnx2ncnn can't be built without {missing}")
    monkeypatch.setattr(build_onnx2ncnn, "SOURCE_SHA256", "0" * 64)
    with pytest.raises(MissingToolError, match="can't be downloaded"):
        build_onnx2ncnn.build()
    assert list((empty_cache / "bin").iterdir()) == []
