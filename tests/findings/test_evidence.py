"""Which stage went wrong, by the files of a converter."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from small_cases import FED, REDUCED, array, by_onnx2ncnn, case, judgement, mean, node, verdict

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.axes import FROM_THE_END, REASONS
from fuzzconv.findings.blame import PASSES, WEIGHTS, blame_of
from fuzzconv.findings.evidence import files_tell, layer_tells, passes_tell
from fuzzconv.findings.legacy import DEFAULT_ORDER
from fuzzconv.verdict import Kind


@pytest.mark.parametrize(
    ("pnnx", "told"),
    [
        (
            "torch.mean m 1 1 0 1 dim=(1) keepdim=True",
            "pnnx.param has the axes of the reduction, .param has none",
        ),
        ("torch.mean m 1 1 0 1 keepdim=True", ""),
    ],
)
def test_who_lost_the_axes_is_told_by_pnnx_param(pnnx: str, told: str) -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    files = {"pnnx.param": f"7767517\n3 2\npnnx.Input in0 0 1 0\n{pnnx}\npnnx.Output out0 1 0 1\n".encode()}
    conversion = SimpleNamespace(
        converter="pnnx", param=REDUCED.format(axes="-23303=0"), feedings=FED, files=files
    )
    found = judgement(mean({"a": np.array([1])}), bad, conversions={"pnnx:fp16=0": conversion})
    assert files_tell(found, bad) == told


READ = "\nSoftmax s 1 1 out0 z"
LINES = "7767517\n3 2\npnnx.Input in0 0 1 0\n{}\npnnx.Output out0 1 0 1\n"


@pytest.mark.parametrize(
    ("made", "param", "pnnx", "told"),
    [
        (
            mean({}),
            f"0=3 1=1 4=0{READ}",
            "torch.mean m 1 1 0 1",
            "pnnx.param has no keepdim for the reduction",
        ),
        (mean({}), f"0=3 1=1 4=0{READ}", "torch.mean m 1 1 0 1 keepdim=True", ""),
        (mean({}), f"0=3 1=1 4=1{READ}", "torch.mean m 1 1 0 1", ""),
        (
            case([node("Gather", "x i")], {"x": array(2)}, {"i": np.int64([0, 1])}),
            "1=0",
            "Tensor.select s 1 1 0 1 index=(0,1)",
            "pnnx.param has an operator that takes one index where the graph gives a list",
        ),
        (
            case(
                [node("Abs", *n) for n in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "y"))], {"x": array(2)}
            ),
            "1=0",
            "nn.Foo f 1 1 0 1",
            "pnnx.param has one operator for the whole graph, the one that became Reduction",
        ),
    ],
)
def test_what_the_passes_made_of_the_graph_is_told_by_pnnx_param(
    made: Case, param: str, pnnx: str, told: str
) -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    text = f"7767517\n2 2\nInput in0 0 1 in0\nReduction r 1 1 in0 out0 {param}\n"
    files = {"pnnx.param": LINES.format(pnnx).encode()}
    conversion = SimpleNamespace(converter="pnnx", param=text, feedings=FED, files=files)
    assert passes_tell(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad) == told


@pytest.mark.parametrize(
    ("layer", "pnnx", "passes", "lowering"),
    [
        (
            "Padding p 1 1 in0 out0 0=0",
            "F.pad p 1 1 0 1 pad=(0,2)",
            "",
            "pnnx.param has the pads, .param lacks some of them",
        ),
        ("Padding p 1 1 in0 out0 0=0", "F.relu p 1 1 0 1", "", ""),
        (
            "Reshape linearbn1d_0_ncnnreshape0 1 1 in0 out0",
            "nn.Linear l 1 1 0 1 bias=True",
            "pnnx.param has the product alone, the norm is in its weights",
            "",
        ),
        ("Reshape linearbn1d_0_ncnnreshape0 1 1 in0 out0", "nn.BatchNorm1d b 1 1 0 1", "", ""),
    ],
)
def test_which_of_the_files_lacks_it_tells_the_stage(
    layer: str, pnnx: str, passes: str, lowering: str
) -> None:
    made = case([node("Pad", "x", pads=[0, 2, 0, 0])], {"x": array(1, 2)}, opset=9)
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, output="y")
    files = {"pnnx.param": LINES.format(pnnx).encode()}
    text = f"7767517\n2 2\nInput in0 0 1 in0\n{layer}\n"
    conversion = SimpleNamespace(converter="pnnx", param=text, feedings=FED, files=files)
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    assert (passes_tell(found, bad), files_tell(found, bad)) == (passes, lowering)


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        (("1", "2"), "pnnx.param has torch.exp before the output, .param has nothing"),
        (("1", "1"), ""),
        (("1", "0"), ""),
    ],
)
def test_who_lost_an_output_is_told_by_pnnx_param(outputs: tuple[str, str], told: str) -> None:
    made = case([node("Neg", "x", "t"), node("Exp", "t")], {"x": array(2)}, outputs=("t", "y"))
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    lines = ["pnnx.Input in0 0 1 0", "torch.neg n 1 1 0 1", "torch.exp e 1 1 1 2"]
    lines += [f"pnnx.Output out{i} 1 0 {name}" for i, name in enumerate(outputs)]
    files = {"pnnx.param": "\n".join(["7767517", "5 3", *lines]).encode()}
    fed = (Feeding((), (Binding("y", "in0"),)),)
    conversion = SimpleNamespace(
        converter="pnnx", param=REDUCED.format(axes="-23303=1,0"), feedings=fed, files=files
    )
    assert files_tell(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad) == told


def test_what_onnx2ncnn_writes_wrong_is_its_fault_though_a_device_may_be_right() -> None:
    made = case([node("Transpose", "x")], {"x": array(2, 2)})
    bad = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "run", output="y")
    network = "7767517\n2 2\nInput x 0 1 x\nPermute y 1 1 x y\n"
    conversion = SimpleNamespace(converter="onnx2ncnn", param=network, feedings=FED, files={})
    told = files_tell(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad)
    assert told.startswith(f"{DEFAULT_ORDER}: so onnx2ncnn writes it")


def test_axes_that_onnx2ncnn_writes_wrong_are_not_told_by_files_of_pnnx() -> None:
    made = case([node("Softmax", "x", axis=-1)], {"x": array(1, 2, 2)})
    bad = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE, output="y")
    network = "7767517\n2 2\nInput x 0 1 x\nSoftmax y 1 1 x y 0=-2\n"
    conversion = SimpleNamespace(converter="onnx2ncnn", param=network, feedings=FED, files={})
    told = files_tell(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad)
    assert told == f"{FROM_THE_END}: {REASONS[FROM_THE_END]}"
    assert "pnnx" not in told


@pytest.mark.parametrize(
    ("bias", "told", "stage"),
    [
        ("False", "pnnx.param has a recurrent operator with a state and without a bias", PASSES),
        ("True", "", WEIGHTS),
    ],
)
def test_a_bias_that_the_passes_made_a_state_of(bias: str, told: str, stage: str) -> None:
    weights = {"w": array(1, 1, 1), "r": array(1, 1, 1), "b": array(1, 2)}
    made = case([node("RNN", "x w r b", hidden_size=1)], {"x": array(1, 1, 1)}, weights)
    bad = verdict("pnnx:fp16=0/cpu", Kind.WEIGHT_LOST, "weights", output="y")
    param = "7767517\n2 2\nInput in0 0 1 in0\nMemoryData b 0 1 b 0=2\nRNN r 2 1 in0 b out0 0=1\n"
    files = {"pnnx.param": LINES.format(f"nn.RNN r 2 1 0 b 1 bias={bias} $initial_h=b").encode()}
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=FED, files=files)
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    assert passes_tell(found, bad) == told
    assert blame_of(found, bad, None).stage == stage  # type: ignore[arg-type]


def test_pads_of_stride_one_are_in_pnnx_param_already() -> None:
    pool = node("MaxPool", "x", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, output="y")
    param = "7767517\n3 3\nInput in0 0 1 in0\nPadding p 1 1 in0 1 0=1 1=1 2=1 3=1\nPooling m 1 1 1 out0 0=0\n"
    files = {"pnnx.param": LINES.format("F.pad p 1 1 0 1 pad=(1,1,1,1)").encode()}
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=FED, files=files)
    made = case([pool], {"x": array(1, 1, 4, 4)})
    told = passes_tell(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad)
    assert told == "pnnx.param has the pads that auto_pad means for strides of 1"


def test_an_integer_input_is_fed_to_a_layer_of_floats() -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, output="y")
    fed = (Feeding((Binding("x", "in0", dtype="int32"),), (Binding("y", "out0"),)),)
    param = "7767517\n2 2\nInput in0 0 1 in0\nClip c 1 1 in0 out0 0=0\n"
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=fed, files={})
    made = case([node("Clip", "x")], {"x": np.int64([1, -2])})
    told = files_tell(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad)
    assert told == ".param has a layer that computes in floating point, and model_ncnn.py feeds it integers"


@pytest.mark.parametrize(
    ("attributes", "layer", "told"),
    [
        ({"auto_pad": "SAME_LOWER"}, "Pooling1D p 1 1 x y 0=1 1=2 5=3 6=0", True),
        ({"auto_pad": "SAME_UPPER", "count_include_pad": 0}, "Pooling p 1 1 x y 0=1 5=2 6=0", True),
        ({"auto_pad": "SAME_UPPER", "count_include_pad": 1}, "Pooling p 1 1 x y 0=1 5=2 6=0", False),
        ({"auto_pad": "SAME_UPPER"}, "Pooling p 1 1 x y 0=1 5=2 6=1", False),
        ({"auto_pad": "SAME_UPPER"}, "Pooling p 1 1 x y 0=1 5=0 6=0", False),
        ({}, "Pooling p 1 1 x y 0=1 5=2 6=0", False),
    ],
)
def test_a_pooling_that_counts_what_it_was_told_not_to(
    attributes: dict[str, object], layer: str, told: bool
) -> None:
    pool = node("AveragePool", "x", kernel_shape=[2], **attributes)
    bad = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE, output="y")
    conversion = by_onnx2ncnn(f"7767517\n2 2\nInput x 0 1 x\n{layer}\n")
    found = judgement(case([pool], {"x": array(1, 1, 3)}), bad, conversions={"onnx2ncnn": conversion})
    assert bool(layer_tells(found, bad)) is told
