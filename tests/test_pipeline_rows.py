"""Option rows and repeated runs through the real pipeline, with a runtime that misbehaves as planted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.pipeline import Pipeline
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunRequest, RunResult, RunStatus, WeightTrace
from fuzzconv.verdict import Kind

PARAM = "7767517\n2 2\nInput in0 0 1 in0\nReLU relu 1 1 in0 out0\n"
RIGHT = np.float32([[1.5, 0.0, 2.5]])
Answer = Callable[[Mapping[str, bool | int], int], Array]


def relu() -> Case:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Case(model, {"x": np.float32([[1.5, -1.0, 2.5]])})


class Converts:
    name, setting = "pnnx", "fp16=0"

    def convert(self, case: Case, scratch: Path) -> Conversion:
        feeding = Feeding((Binding("x", "in0"),), (Binding("y", "out0"),))
        return Conversion("pnnx", "fp16=0", ToolRun(Outcome.DONE, 0, "", "", 0.0), PARAM, b"", (feeding,))

    def close(self) -> None:
        pass


class Answers:
    """Answers as planted: by the options asked for and how often it was asked before."""

    device = "cpu"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[Mapping[str, bool | int]] = []

    def run(self, request: RunRequest) -> RunResult:
        self.asked.append(request.options)
        return RunResult(RunStatus.DONE, {"out0": self._answer(request.options, len(self.asked))})

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        return WeightTrace(RunStatus.DONE)

    def close(self) -> None:
        pass


def kind_on(row: str, answer: Answer, tmp_path: Path) -> tuple[Kind, Answers]:
    runtime = Answers(answer)
    pipeline = Pipeline({"pnnx:fp16=0": Converts()}, {"cpu": runtime}, tmp_path)
    (verdict,) = pipeline.judge(relu(), [Route("pnnx", "fp16=0", "cpu", row)]).verdicts
    return verdict.kind, runtime


def flickering(options: Mapping[str, bool | int], count: int) -> Array:
    return RIGHT if count == 1 else RIGHT + np.float32(0.5)


def steady(options: Mapping[str, bool | int], count: int) -> Array:
    return RIGHT


def test_a_second_run_with_other_values_is_nondeterminism(tmp_path: Path) -> None:
    kind, runtime = kind_on("threads2-twice", flickering, tmp_path)
    assert kind is Kind.NONDETERMINISM
    assert [options["num_threads"] for options in runtime.asked] == [2, 2]


def test_it_outranks_a_first_run_that_is_wrong(tmp_path: Path) -> None:
    kind, _ = kind_on("twice", lambda options, count: RIGHT + np.float32(count), tmp_path)
    assert kind is Kind.NONDETERMINISM


def test_other_bits_within_the_bound_are_none(tmp_path: Path) -> None:
    kind, _ = kind_on("twice", lambda options, count: RIGHT * np.float32(1 + 1e-7 * count), tmp_path)
    assert kind is Kind.OK


@pytest.mark.parametrize(("answer", "kind"), [(flickering, Kind.NONDETERMINISM), (steady, Kind.SKIPPED)])
def test_two_runs_need_no_reference(answer: Answer, kind: Kind, tmp_path: Path) -> None:
    """Infinity in the input: there is no reference to compare with."""
    case = replace(relu(), inputs={"x": np.float32([[1.5, np.inf, 2.5]])})
    pipeline = Pipeline({"pnnx:fp16=0": Converts()}, {"cpu": Answers(answer)}, tmp_path)
    judgement = pipeline.judge(case, [Route("pnnx", "fp16=0", "cpu", "twice")])
    assert judgement.reference.skip
    assert judgement.verdicts[0].kind is kind


def open_coordinates() -> Case:
    """A case that both references leave open: what interpolates between which points is not specified."""
    x, scales = np.float32([[[1.5, -1.0, 2.5]]]), np.float32([1, 1, 1])
    node = helper.make_node("Upsample", ["x", "s"], ["y"], mode="linear")
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, 3]) for name in "xy"]
    graph = helper.make_graph([node], "g", values[:1], values[1:], [numpy_helper.from_array(scales, "s")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=8)
    return Case(model, {"x": x})


def only_packed(factor: float, of: float = 1.0) -> Answer:
    """Without packing the answer is this many times the other."""
    return lambda options, count: (
        RIGHT * np.float32(of if options.get("use_packing_layout", True) else of * factor)
    )


def unsteady(options: Mapping[str, bool | int], count: int) -> Array:
    """The first run is the row's, the others are the baseline and its nudged runs."""
    return RIGHT * np.float32(2 if count == 1 else 1 + count / 500)


@pytest.mark.parametrize(
    ("row", "answer", "kind"),
    [
        ("nopacking", only_packed(2.0), Kind.DIVERGENCE),
        ("nopacking", only_packed(np.nan), Kind.NAN),
        ("nopacking", only_packed(1.001), Kind.OK),
        ("nosgemm", only_packed(2.0), Kind.OK),
        ("nopacking", only_packed(2.0, of=1e-8), Kind.OK),
        ("nopacking", unsteady, Kind.SKIPPED),
        ("nopacking", lambda options, count: RIGHT * np.float32(1e35 * count), Kind.SKIPPED),
        ("bf16s-nopacking", only_packed(2.0), Kind.SKIPPED),
        ("", only_packed(2.0), Kind.SKIPPED),
    ],
)
def test_rows_agree_though_the_right_answer_is_open(
    row: str, answer: Answer, kind: Kind, tmp_path: Path
) -> None:
    pipeline = Pipeline({"pnnx:fp16=0": Converts()}, {"cpu": Answers(answer)}, tmp_path)
    judgement = pipeline.judge(open_coordinates(), [Route("pnnx", "fp16=0", "cpu", row)])
    assert "leaves the coordinates" in judgement.reference.skip
    (verdict,) = judgement.verdicts
    assert verdict.kind is kind
    assert ("compared_with" in verdict.evidence) is kind.is_bad
    assert ("the baseline row gives" in verdict.detail) is kind.is_bad


def test_rows_may_differ_where_values_overflow(tmp_path: Path) -> None:
    case = replace(relu(), inputs={"x": np.float32([[1.5, np.inf, 2.5]])})
    pipeline = Pipeline({"pnnx:fp16=0": Converts()}, {"cpu": Answers(only_packed(2.0))}, tmp_path)
    (verdict,) = pipeline.judge(case, [Route("pnnx", "fp16=0", "cpu", "nopacking")]).verdicts
    assert verdict.kind is Kind.SKIPPED


def test_a_steady_error_is_a_divergence(tmp_path: Path) -> None:
    kind, _ = kind_on("twice", lambda options, count: RIGHT + np.float32(1), tmp_path)
    assert kind is Kind.DIVERGENCE


def test_other_rows_run_once(tmp_path: Path) -> None:
    kind, runtime = kind_on("", flickering, tmp_path)
    assert (kind, len(runtime.asked)) == (Kind.OK, 1)


@pytest.mark.parametrize(("row", "kind"), [("nopacking", Kind.DIVERGENCE), ("nosgemm", Kind.OK)])
def test_a_row_reaches_the_runtime(row: str, kind: Kind, tmp_path: Path) -> None:
    def without_packing(options: Mapping[str, bool | int], count: int) -> Array:
        return RIGHT if options.get("use_packing_layout", True) else -RIGHT

    assert kind_on(row, without_packing, tmp_path)[0] is kind
