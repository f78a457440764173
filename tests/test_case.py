from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case, read_arrays, write_arrays


def make_case(**options: bool) -> Case:
    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Case(model, {"x": np.array([[1, 2, 3]], np.float32)}, **options)


@pytest.mark.parametrize("external_data", [False, True])
def test_a_written_model_computes_the_same(tmp_path: Path, external_data: bool) -> None:
    path = make_case(external_data=external_data).write(tmp_path)
    session = onnxruntime.InferenceSession(str(path))
    (result,) = session.run(None, {"x": np.array([[1, 2, 3]], np.float32)})
    assert result.tolist() == [[0 + 4 + 12, 1 + 6 + 15]]


def test_external_data_leaves_the_model_file_without_weights(tmp_path: Path) -> None:
    case = make_case(external_data=True)
    stored = onnx.load(case.write(tmp_path), load_external_data=False)
    assert stored.graph.initializer[0].data_location == TensorProto.EXTERNAL
    assert case.model.graph.initializer[0].data_location == TensorProto.DEFAULT


def test_save_and_load_give_an_equal_case(tmp_path: Path) -> None:
    case = make_case(external_data=True, declare_inputshape=True)
    case.save(tmp_path / "case")
    loaded = Case.load(tmp_path / "case")
    assert loaded.key == case.key
    assert loaded.external_data
    assert loaded.declare_inputshape


def test_a_damaged_model_is_a_value_error(tmp_path: Path) -> None:
    make_case().save(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ValueError, match="not an ONNX model"):
        Case.load(tmp_path)


def test_the_key_tells_inputs_and_storage_apart() -> None:
    case = make_case()
    other = Case(case.model, {"x": np.array([[1, 2, 4]], np.float32)})
    keys = {case.key, other.key, make_case(external_data=True).key, make_case(declare_inputshape=True).key}
    assert len(keys) == 4
    assert make_case().key == case.key


def test_arrays_may_have_any_name(tmp_path: Path) -> None:
    arrays = {"file": np.zeros(2), "../up": np.ones((1, 3), np.int64), "a b": np.array(7.0)}
    write_arrays(tmp_path / "a.npz", arrays)
    back = read_arrays(tmp_path / "a.npz")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_external_data_may_lie_in_a_file_of_another_name(tmp_path: Path) -> None:
    case = replace(make_case(external_data=True), external_file="elsewhere.bin")
    case.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere.bin", "model.onnx"]
    case.save(tmp_path / "kept")
    assert Case.load(tmp_path / "kept").external_file == "elsewhere.bin"
    assert case.key != make_case(external_data=True).key
