"""Models that shape inference dies of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from fuzzconv.validity import fatal_flaw

FLOAT = TensorProto.FLOAT


def split(outputs: int, **attributes: int) -> onnx.ModelProto:
    names = [f"y{i}" for i in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node("Split", ["x"], names, **attributes)],
        "g",
        [helper.make_tensor_value_info("x", FLOAT, [1, 4])],
        [helper.make_tensor_value_info(name, FLOAT, [1, 4]) for name in names],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=8)


@pytest.mark.parametrize(
    ("outputs", "attributes", "flawed"),
    [
        (2, {"num_outputs": 2}, False),
        (2, {}, False),
        (2, {"num_outputs": 1}, True),
        (1, {"num_outputs": 2}, True),
    ],
)
def test_a_split_has_as_many_outputs_as_it_says(
    outputs: int, attributes: dict[str, int], flawed: bool
) -> None:
    assert bool(fatal_flaw(split(outputs, **attributes))) is flawed


def test_a_split_in_a_branch_counts_too() -> None:
    branch = split(2, num_outputs=1).graph
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [condition], [helper.make_tensor_value_info("z", FLOAT, [1, 4])])
    assert fatal_flaw(helper.make_model(graph)) == "Split has 2 outputs and num_outputs=1"


def test_a_users_model_of_that_kind_is_a_plain_error(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(split(2, num_outputs=1), path)
    command = [sys.executable, "-m", "fuzzconv", "check", str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "Split has 2 outputs and num_outputs=1" in told.stderr
