import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import write_arrays
from fuzzconv.cli.check import read_inputs, read_model
from fuzzconv.cli.main import main
from fuzzconv.errors import UsageError
from fuzzconv.toolchain.locate import find_onnx2ncnn

needs_onnx2ncnn = pytest.mark.skipif(
    not find_onnx2ncnn().found, reason=f"onnx2ncnn: {find_onnx2ncnn().missing}"
)


def make_model(*, kernel_shape: bool = True) -> onnx.ModelProto:
    """A convolution; without the attribute, which ONNX lets one omit, onnx2ncnn writes no kernel size."""
    weights = np.arange(1, 10, dtype=np.float32).reshape(1, 1, 3, 3)
    attributes = {"kernel_shape": [3, 3]} if kernel_shape else {}
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], **attributes)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 5, "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 3, None])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    onnx.save(make_model(), path)
    return path


@pytest.mark.parametrize("content", [b"", b"\x00garbage" * 20, b"print('hello')"])
def test_what_is_no_model_is_a_usage_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"m\.onnx is not a"):
        read_model(path)


def test_a_missing_model_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can't read"):
        read_model(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"other": np.zeros((1, 1, 5, 5), np.float32)}, "no array 'x'"),
        ({"x": np.zeros((1, 1, 5, 5), np.float64)}, "is float64, the model wants float32"),
        ({"x": np.zeros((1, 1, 4, 5), np.float32)}, "has shape"),
        ({"x": np.zeros((1, 5, 5), np.float32)}, "has shape"),
    ],
)
def test_inputs_that_do_not_fit_are_a_usage_error(
    tmp_path: Path, arrays: dict[str, np.ndarray], said: str
) -> None:
    write_arrays(tmp_path / "in.npz", arrays)
    with pytest.raises(UsageError, match=said):
        read_inputs(tmp_path / "in.npz", make_model())


def test_inputs_that_are_no_archive_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "in.npz").write_text("no archive")
    with pytest.raises(UsageError, match="can't read inputs"):
        read_inputs(tmp_path / "in.npz", make_model())


def test_a_symbolic_dimension_takes_any_size(tmp_path: Path) -> None:
    write_arrays(tmp_path / "in.npz", {"x": np.zeros((1, 1, 5, 7), np.float32)})
    assert read_inputs(tmp_path / "in.npz", make_model())["x"].shape == (1, 1, 5, 7)


@pytest.mark.slow
@pytest.mark.onnx2ncnn
@needs_onnx2ncnn
def test_a_sound_model_passes_and_json_stands_alone_on_stdout(
    model_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(model_file), "--routes", "onnx2ncnn/cpu", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    (verdict,) = document["verdicts"]
    assert (verdict["route"], verdict["kind"], verdict["silent"]) == ("onnx2ncnn/cpu", "ok", False)
    assert document["tools"]["ncnn"]


@pytest.mark.slow
@pytest.mark.onnx2ncnn
@needs_onnx2ncnn
def test_a_bad_route_is_exit_1_and_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(make_model(kernel_shape=False), path)
    assert main(["check", str(path), "--routes", "onnx2ncnn/cpu"]) == 1
    assert "load_failure (silent)" in capfd.readouterr().out
