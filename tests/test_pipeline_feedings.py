"""Which of several ways to feed a network the pipeline believes to be meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.pipeline import Pipeline
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunRequest, RunResult, RunStatus, WeightTrace
from fuzzconv.verdict import Kind

PARAM = "7767517\n3 3\nInput x 0 1 x\nReLU y 1 1 x y\nAbsVal z 1 1 x z\n"
X = np.float32([[1.5, -1.0]])
RELU, ABS = np.maximum(X, 0), np.abs(X)


def relu_and_abs() -> Case:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in "xyz"]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:])
    return Case(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), {"x": X})


class Converts:
    name, setting = "onnx2ncnn", ""

    def convert(self, case: Case, scratch: Path) -> Conversion:
        feedings = tuple(
            Feeding(
                (Binding("x", "x", squeeze_axis=axis),),
                (Binding("y", "y", squeeze_axis=axis), Binding("z", "z", squeeze_axis=axis)),
            )
            for axis in (0, None)
        )
        run = ToolRun(Outcome.DONE, 0, "", "", 0.0)
        return Conversion("onnx2ncnn", "", run, PARAM, b"", feedings, batchless=True)

    def close(self) -> None:
        pass


class Answers:
    """By the number of axes that are fed."""

    device = "cpu"

    def __init__(self, answers: dict[int, dict[str, Array | None]]) -> None:
        self._answers = answers

    def run(self, request: RunRequest) -> RunResult:
        return RunResult(RunStatus.DONE, self._answers[request.feeds[0].array.ndim])

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        return WeightTrace(RunStatus.DONE)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("squeezed", "whole", "kind", "output"),
    [
        ({"y": RELU, "z": ABS}, {"y": RELU + 1, "z": ABS}, Kind.OK, ""),
        ({"y": RELU + 1, "z": ABS}, {"y": RELU, "z": ABS}, Kind.OK, ""),
        ({"y": RELU, "z": None}, {"y": RELU + 1, "z": ABS + 1}, Kind.SHAPE_MISMATCH, "z"),
        ({"y": None, "z": ABS}, {"y": RELU, "z": ABS + 1}, Kind.DIVERGENCE, "z"),
    ],
)
def test_the_way_with_the_fewest_wrong_outputs_is_meant(
    squeezed: dict[str, Array | None],
    whole: dict[str, Array | None],
    kind: Kind,
    output: str,
    tmp_path: Path,
) -> None:
    pipeline = Pipeline({"onnx2ncnn": Converts()}, {"cpu": Answers({1: squeezed, 2: whole})}, tmp_path)
    (verdict,) = pipeline.judge(relu_and_abs(), [Route("onnx2ncnn", "", "cpu")]).verdicts
    assert verdict.kind is kind
    assert not output or verdict.evidence["output"] == output


def test_a_batch_that_only_the_result_shows_is_skipped(tmp_path: Path) -> None:
    case = relu_and_abs()
    turned = helper.make_node("Transpose", ["t"], ["z"])
    del case.model.graph.node[1:]
    case.model.graph.node.extend([helper.make_node("Abs", ["x"], ["t"]), turned])
    case.model.graph.output[1].type.tensor_type.ClearField("shape")
    pipeline = Pipeline({"onnx2ncnn": Converts()}, {"cpu": Answers({})}, tmp_path)
    (verdict,) = pipeline.judge(case, [Route("onnx2ncnn", "", "cpu")]).verdicts
    assert verdict.kind is Kind.SKIPPED
    assert verdict.detail.startswith("output 'z' has 2 at its first axis")
