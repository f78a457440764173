"""Blame: on made-up judgements for the stages that need none of the tools, on real ones where they are."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings import blame, stages
from fuzzconv.findings.blame import blame_of
from fuzzconv.findings.layers import first_difference, first_unknown_layer
from fuzzconv.findings.legacy import DEFAULT_ORDER
from fuzzconv.findings.rebuild import rebuilt, tensor_values
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunRequest, RunResult, RunStatus
from fuzzconv.verdict import Kind, Verdict

PARAM = """7767517
4 4
Input            in0     0 1 in0
ReLU             relu_0  1 1 in0 1
Split            split_0 1 2 1 2 3
BinaryOp         add_0   2 1 2 3 out0 0=0
"""
PNNX_PARAM = "7767517\n2 1\npnnx.Input in0 0 1 0 #0=(2)f32\n{} op 1 1 0 1 #1=(2)f32\n"


def made() -> Case:
    found = rebuilt(case([node("Relu", "x", "t"), node("Add", "t t")], {"x": array(2)}, opset=14))
    assert found is not None
    return found


class Bench:
    """A laboratory whose option rows and blob values are given."""

    def __init__(self, helping: Sequence[str] = (), blobs: dict[str, np.ndarray] | None = None) -> None:
        self._helping = helping
        self._blobs = blobs

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        kinds = [Kind.OK if r.options in self._helping else Kind.DIVERGENCE for r in routes]
        verdicts = tuple(Verdict(r, k) for r, k in zip(routes, kinds, strict=True))
        return Judgement(judged, Reference(), verdicts)

    def run(self, request: RunRequest, device: str) -> RunResult:
        if self._blobs is None:
            return RunResult(RunStatus.EXTRACT_FAILED)
        return RunResult(RunStatus.DONE, {f.blob: self._blobs[f.blob] for f in request.fetches})


def conversion(converter: str = "onnx2ncnn", stderr: str = "", **files: bytes) -> Conversion:
    feeding = Feeding((Binding("x", "in0"),), (Binding("y", "out0"),))
    return Conversion(
        converter,
        "fp16=0" if converter == "pnnx" else "",
        ToolRun(Outcome.DONE, 0, "", stderr, 0.1),
        PARAM,
        b"1234",
        (feeding,),
        files={name.replace("_", "."): content for name, content in files.items()},
    )


def judged(converted: Conversion, *verdicts: Verdict, **actual: np.ndarray) -> Judgement:
    whole = made()
    values = tensor_values(whole)
    assert values is not None
    outputs = {"y": values["y"]}
    bounds = {Precision.FP32: {"y": np.full(2, 1e-5)}}
    identity = ":".join(filter(None, (converted.converter, converted.setting)))
    routes = [str(v.route) for v in verdicts]
    return Judgement(
        whole,
        Reference(outputs, bounds),
        verdicts,
        conversions={identity: converted},
        actual={route: {"y": actual[key]} for route, key in zip(routes, actual, strict=False)},
    )


def test_layers_of_a_param() -> None:
    layers = read_layers(PARAM)
    assert [layer.type for layer in layers] == ["Input", "ReLU", "Split", "BinaryOp"]
    assert layers[3].inputs == ("2", "3")
    assert layers[3].outputs == ("out0",)


def test_the_first_layer_that_leaves_the_graph() -> None:
    right, wrong = np.array([1.5, 2.5]), np.array([9.0, 9.0])
    blobs = {"in0": right, "1": right, "2": right, "3": right, "out0": wrong}
    layer, told = first_unknown_layer(PARAM, blobs, [right, right * 2], 1e-4)
    assert layer == "add_0"
    assert told == (
        "no output of BinaryOp 'add_0' equals a tensor of the ONNX graph; that of ReLU 'relu_0' does"
    )
    layer, told = first_unknown_layer(PARAM, {**blobs, "1": wrong}, [right * 2], 1e-4)
    assert layer == ""
    assert told == "no output of ReLU 'relu_0', BinaryOp 'add_0' equals a tensor of the ONNX graph"
    assert first_unknown_layer(PARAM, {**blobs, "out0": right * 2}, [right, right * 2], 1e-4) == ("", "")


def test_the_first_layer_that_differs_between_two_runs() -> None:
    one = {"1": np.array([1.0]), "out0": np.array([2.0])}
    found = first_difference(PARAM, one, {"1": np.array([1.0]), "out0": np.array([3.0])}, 1e-4)
    assert found is not None
    assert found.name == "add_0"
    assert first_difference(PARAM, one, one, 1e-4) is None


def test_a_crash_names_the_last_pass() -> None:
    stderr = "############# pass_level1\n############# pass_level2\n"
    crash = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert")
    found = blame_of(judged(conversion("pnnx", stderr), crash), crash, Bench())
    assert found.stage == blame.CONVERTER
    assert found.evidence[-1] == "the last pass it began is pass_level2"


def test_weight_faults_are_the_writers() -> None:
    shift = verdict("onnx2ncnn/cpu", Kind.WEIGHT_SHIFT, "weights", layer="conv", culprit="axes")
    found = blame_of(judged(conversion(), shift), shift, Bench())
    assert (found.stage, found.layer) == (blame.WEIGHTS, "axes")


@pytest.mark.parametrize(
    ("converter", "left", "stage"),
    [("pnnx", "Foo", blame.PASSES), ("pnnx", "nn.Foo", blame.LOWERING), ("onnx2ncnn", "", blame.LOWERING)],
)
def test_an_unknown_layer(converter: str, left: str, stage: str) -> None:
    route = "pnnx:fp16=0/cpu" if converter == "pnnx" else "onnx2ncnn/cpu"
    failure = verdict(route, Kind.LOAD_FAILURE, "load", unknown_layer="Foo")
    converted = conversion(converter, pnnx_param=PNNX_PARAM.format(left).encode() if left else b"")
    assert blame_of(judged(converted, failure), failure, Bench()).stage == stage


def test_a_short_file_is_the_writers_fault_a_layer_that_cant_be_the_converters() -> None:
    for message, stage in (
        ("ModelBin read weight_data failed 0", blame.WEIGHTS),
        ("layer load_param 1 pool_0 failed", blame.LOWERING),
        ("invalid bottom_count or top_count for one_blob_only layer 2", blame.LOWERING),
        ("bad", blame.LOAD),
    ):
        failure = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message=message)
        assert blame_of(judged(conversion(), failure), failure, Bench()).stage == stage


def test_right_on_the_cpu_and_wrong_on_vulkan_is_the_shaders() -> None:
    wrong = verdict("onnx2ncnn/vulkan", Kind.DIVERGENCE)
    made = judged(conversion(), verdict("onnx2ncnn/cpu", Kind.OK), wrong)
    assert blame_of(made, wrong, Bench(helping=["nopacking"])).stage == blame.SHADER


def test_a_device_that_is_right_by_luck_does_not_blame_the_other() -> None:
    wrong = verdict("onnx2ncnn/vulkan", Kind.DIVERGENCE, output="y")
    unordered = PARAM.replace("ReLU             relu_0 ", "Permute relu_0 ")
    converted = replace(conversion(), param=unordered)
    found = blame_of(judged(converted, verdict("onnx2ncnn/cpu", Kind.OK), wrong), wrong, Bench())
    assert found.stage == blame.LOWERING
    assert found.evidence[-1].startswith(DEFAULT_ORDER)


def test_a_cpu_that_is_right_with_packing_alone_does_not_blame_the_shader() -> None:
    wrong = verdict("onnx2ncnn/vulkan", Kind.DIVERGENCE)
    found = blame_of(judged(conversion(), verdict("onnx2ncnn/cpu", Kind.OK), wrong), wrong, Bench())
    assert found.stage == blame.UNKNOWN
    assert any("use_packing_layout=0" in sentence for sentence in found.evidence)


def test_an_option_that_helps_is_the_cpu_layers() -> None:
    wrong = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE)
    found = blame_of(judged(conversion(), wrong), wrong, Bench(helping=["nopacking"]))
    assert found.stage == blame.CPU_LAYER
    assert "the same network is right on the CPU with use_packing_layout=False" in found.evidence


def test_an_option_that_helps_blames_no_layer_where_another_device_is_wrong_too() -> None:
    wrong, other = (verdict(f"onnx2ncnn/{device}", Kind.DIVERGENCE) for device in ("cpu", "vulkan"))
    found = blame_of(judged(conversion(), wrong, other), wrong, Bench(helping=["nopacking"]))
    assert found.stage == blame.UNKNOWN
    assert found.evidence[-1] == "on vulkan it is wrong as well"


def test_options_that_alone_are_wrong_are_not_tried_against_each_other() -> None:
    wrong = verdict("pnnx:fp16=0/cpu:bf16s", Kind.DIVERGENCE)
    made = judged(conversion("pnnx"), verdict("pnnx:fp16=0/cpu", Kind.OK), wrong)
    found = blame_of(made, wrong, Bench(helping=["nopacking"]))
    assert found.stage == blame.CPU_LAYER
    assert found.evidence[0] == "the same network is right with ncnn's plain options"


def test_options_are_told_of_the_device_they_were_tried_on() -> None:
    wrong = verdict("onnx2ncnn/vulkan", Kind.DIVERGENCE)
    found = blame_of(judged(conversion(), wrong), wrong, Bench(helping=["nopacking"]))
    assert found.stage == blame.SHADER
    assert "the same network is right on vulkan with use_packing_layout=False" in found.evidence


def test_two_devices_that_agree_were_told_wrong() -> None:
    wrong = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE)
    vulkan = verdict("onnx2ncnn/vulkan", Kind.DIVERGENCE)
    nine = np.array([9.0, 9.0])
    blobs = {name: array(2) for name in ("1", "2", "3")} | {"out0": nine}
    found = blame_of(judged(conversion(), wrong, vulkan, a=nine, b=nine), wrong, Bench(blobs=blobs))
    assert (found.stage, found.layer) == (blame.LOWERING, "add_0")
    apart = blame_of(judged(conversion(), wrong, vulkan, a=nine, b=nine + 1), wrong, Bench(blobs=blobs))
    assert apart.stage == blame.UNKNOWN


def test_a_network_that_is_right_on_vulkan_is_the_cpu_layers() -> None:
    wrong, right = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE), verdict("onnx2ncnn/vulkan", Kind.OK)
    found = blame_of(judged(conversion(), wrong, right), wrong, Bench())
    assert found.stage == blame.CPU_LAYER
    assert found.evidence[-1] == "the same network is right on vulkan"


def simplified(operator: str) -> bytes:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node(operator, "a", "b")],
        "sim",
        [info("a", TensorProto.FLOAT, [2])],
        [info("b", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_simplified_graph_that_computes_otherwise() -> None:
    wrong = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE)
    # the model is relu(x) + relu(x): the simplified one forgot to double
    converted = conversion("pnnx", pnnxsim_onnx=simplified("Relu"))
    found = blame_of(judged(converted, wrong), wrong, Bench())
    assert found.stage == blame.SIMPLIFICATION
    assert found.evidence[0].startswith("pnnxsim.onnx in onnxruntime is wrong: output 'y'")


def test_an_operator_that_no_pass_took() -> None:
    wrong = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE)
    converted = conversion("pnnx", pnnx_param=PNNX_PARAM.format("Softmax").encode())
    found = blame_of(judged(converted, wrong), wrong, Bench())
    assert found.stage == blame.PASSES
    assert "no pnnx pass took Softmax: pnnx.param has it as ONNX had it" in found.evidence


SCRIPT = """
import torch
class Model(torch.nn.Module):
    def forward(self, v_0):
        return torch.relu(v_0) * {}
"""


def with_torch(factor: object) -> stages.Check:
    converted = conversion("pnnx", pnnx_py=SCRIPT.format(factor).encode(), pnnx_bin=b"")
    wrong = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE)
    found = judged(converted, wrong)
    return stages.check_torch(found.case, converted, found.reference)


def test_without_torch_the_passes_are_not_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # an interpreter that sees no packages at all
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv(stages.TORCH_PYTHON, str(bare))
    check = with_torch(2)
    assert check.right is None
    assert "torch is not installed" in check.told


@pytest.mark.slow
@pytest.mark.parametrize(("factor", "right"), [(2, True), (3, False)])
def test_the_passes_under_torch(factor: int, right: bool) -> None:
    check = with_torch(factor)
    if "torch is not installed" in check.told:
        pytest.skip(f"no torch in {stages.TORCH_PYTHON} or this interpreter (an optional extra)")
    assert check.right is right


@pytest.mark.slow
def test_an_operator_that_torch_refuses_was_written_wrongly() -> None:
    check = with_torch("[][v_0, v_0]")
    if "torch is not installed" in check.told:
        pytest.skip(f"no torch in {stages.TORCH_PYTHON} or this interpreter (an optional extra)")
    assert check.right is False
    assert check.told.startswith("torch refuses what pnnx's passes wrote: TypeError")


def test_constants_that_were_made_attributes_are_inputs_again() -> None:
    """pnnx writes ``Squeeze(axes=1)`` at opset 13, which no runtime takes."""
    squeezed = onnx.ModelProto.FromString(simplified("Squeeze"))
    squeezed.graph.node[0].attribute.append(helper.make_attribute("axes", 1))
    for value in (*squeezed.graph.input, *squeezed.graph.output):
        value.type.tensor_type.ClearField("shape")
    made = case([node("Squeeze", "a")], {"a": array(2, 1)})
    right = Reference(outputs={"y": array(2)}, bounds={Precision.FP32: {"y": np.full(2, 1e-6)}})
    converted = conversion("pnnx", pnnxsim_onnx=squeezed.SerializeToString())
    check = stages.check_simplified(made, converted, right)
    assert check.right is True
    assert "inputs again" in check.told
    wrong = Reference(outputs={"y": array(2) + 1}, bounds={Precision.FP32: {"y": np.full(2, 1e-6)}})
    assert stages.check_simplified(made, converted, wrong).right is False
