"""Causes that the converted network tells by itself."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from small_cases import FED, REDUCED, array, case, judgement, mean, node, verdict

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.axes import ONE_AXIS
from fuzzconv.findings.parameters import FOLDED_ALONG_ROWS, INTEGERS, WITHOUT_AXES
from fuzzconv.findings.signature import failures, signature_of
from fuzzconv.findings.traits import Trait
from fuzzconv.findings.wordless import CONSTANT_OUTPUT, FOLDED_OUTPUT, MADE_BY_NONE
from fuzzconv.findings.written import CONSTANT_AS_BLOB, NOTHING_LEFT, takers_of_lists, telling_message
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind


def told(made: Case, axes: str) -> str:
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    conversion = SimpleNamespace(converter="pnnx", param=REDUCED.format(axes=axes), feedings=FED, files={})
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    return telling_message(found, failures(found)[0])


@pytest.mark.parametrize("before", [(), (node("Relu", "x", "t"),)])
def test_a_reduction_written_without_its_axes_is_one_cause(before: tuple[onnx.NodeProto, ...]) -> None:
    assert told(mean({"a": np.array([1])}, *before), "-23303=0") == WITHOUT_AXES
    assert told(mean({"a": np.array([1])}, *before), "-23303=1,0") == ""


def test_a_reduction_along_axes_of_one_element_may_lack_them() -> None:
    one = case([node("ReduceMean", "x a")], {"x": array(1, 1, 3)}, {"a": np.array([1])}, opset=18)
    assert told(one, "-23303=0") == ""
    for keepdims, expected in ((1, ""), (0, WITHOUT_AXES)):
        nodes = [node("ReduceMean", "x a", "t", keepdims=keepdims), node("Softmax", "t", axis=1)]
        read = case(nodes, {"x": array(1, 1, 3, 2)}, {"a": np.array([1])}, opset=18)
        assert told(read, "-23303=0") == expected


def test_a_reduction_over_everything_needs_no_axes() -> None:
    assert told(mean({}), "-23303=0") == ""
    assert told(mean({"a": np.array([], np.int64)}), "-23303=0") == ""


def test_the_operators_stay_out_of_its_signature() -> None:
    made = mean({"a": np.array([1])})
    conversion = SimpleNamespace(
        converter="pnnx", param=REDUCED.format(axes="-23303=0"), feedings=FED, files={}
    )
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    signature = signature_of(found, failures(found)[0])
    assert (signature.operators, signature.message) == ((), WITHOUT_AXES)


@pytest.mark.parametrize(
    ("expected", "message"), [(np.ones((2, 1), np.float32), NOTHING_LEFT), (np.array([2]), "")]
)
def test_an_output_without_a_layer_is_one_cause_where_the_output_is_the_input(
    expected: Array, message: str
) -> None:
    """What should have been computed and was dropped is its operator's own fault."""
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    network = "7767517\n1 1\nInput in0 0 1 out0\n"
    found = judgement(
        case([node("Relu", "x")], {"x": np.ones(2, np.float32)}),
        bad,
        conversions={"pnnx:fp16=0": SimpleNamespace(param=network, feedings=FED, converter="pnnx", files={})},
    )
    found = replace(found, reference=Reference({"y": expected}))
    assert telling_message(found, bad) == message


@pytest.mark.parametrize(
    ("inputs", "blob", "expected"),
    [((), "out1", NOTHING_LEFT), ((Binding("x", "in0"),), "out1", ""), ((), "in0", "")],
)
@pytest.mark.parametrize(("kind", "stage"), [(Kind.DIVERGENCE, "compare"), (Kind.LOAD_FAILURE, "run")])
def test_where_an_input_is_named_as_an_output_nothing_is_fed(
    kind: Kind, stage: str, inputs: tuple[Binding, ...], blob: str, expected: str
) -> None:
    made = case(
        [node("Abs", "x"), node("Mul", "x w", "z")], {"x": array(2)}, {"w": array(1)}, outputs=("y", "z")
    )
    bad = verdict("pnnx:fp16=0/cpu", kind, stage, output="y")
    param = f"7767517\n3 3\nInput a 0 1 {blob}\nInput b 0 1 in1\nAbsVal c 1 1 in1 out0\n"
    fed = (Feeding(inputs, (Binding("y", "out0"), Binding("z", "out1"))),)
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=fed, files={})
    assert telling_message(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad) == expected


def test_an_output_that_no_node_makes_is_lost_without_a_word_or_with_a_crash() -> None:
    made = case([node("Abs", "x", "t")], {"x": array(2)}, {"w": array(2)}, outputs=("t", "w", "x"))
    conversion = SimpleNamespace(converter="pnnx", param=REDUCED, feedings=FED, files={})
    for lost, expected in (("w", FOLDED_OUTPUT), ("x", MADE_BY_NONE), ("t", "")):
        bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output=lost)
        found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
        assert telling_message(found, bad) == expected


def test_a_constant_output_is_lost_by_the_legacy_converter_whatever_stands_beside_it() -> None:
    made = case([node("Concat", "x x", axis=1)], {"x": array(1, 2)}, {"w": array(1)}, outputs=("y", "w"))
    param = "7767517\n3 4\nInput x 0 1 x\nSplit s 1 2 x a b\nConcat y 2 1 a b y 0=0\n"
    conversion = SimpleNamespace(converter="onnx2ncnn", param=param, feedings=FED, files={})
    for lost, expected in (("w", CONSTANT_OUTPUT), ("y", "")):
        bad = verdict("onnx2ncnn/cpu", Kind.SHAPE_MISMATCH, output=lost)
        found = judgement(made, bad, conversions={"onnx2ncnn": conversion})
        assert telling_message(found, bad) == expected


ONE_BLOB_ONLY = "invalid bottom_count or top_count for one_blob_only layer 3"
SECOND_INPUT = """7767517
3 3
Input x 0 1 x
{axes} axes 0 1 axes
{operator} y 2 1 x axes y
"""


@pytest.mark.parametrize("operator", ["Squeeze", "Padding"])
def test_an_input_that_should_be_a_parameter_is_one_cause_whatever_operator(operator: str) -> None:
    def load_failure(message: str, axes: str = "MemoryData", dtype: type[np.generic] = np.int64) -> str:
        bad = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message=message)
        conversion = SimpleNamespace(
            converter="onnx2ncnn", param=SECOND_INPUT.format(axes=axes, operator=operator), feedings=FED
        )
        made = case([node("Relu", "x")], {"x": array(2)}, {"axes": np.array([1], dtype)})
        found = judgement(made, bad, conversions={"onnx2ncnn": conversion})
        return signature_of(found, bad).message

    assert load_failure(ONE_BLOB_ONLY, dtype=np.float32) != CONSTANT_AS_BLOB
    assert load_failure(ONE_BLOB_ONLY) == CONSTANT_AS_BLOB
    assert load_failure(ONE_BLOB_ONLY, axes="Input") != CONSTANT_AS_BLOB
    assert load_failure("layer load_param 1 y failed") != CONSTANT_AS_BLOB


def test_the_operator_that_is_given_the_list_is_named() -> None:
    lists = {"axes": np.int64([1]), "pads": np.int64([0, 1, 0, 1])}
    made = case(
        [node("ReduceSum", "x axes", "t"), node("Mul", "t w")], {"x": array(1, 2)}, {**lists, "w": array(1)}
    )
    assert takers_of_lists(made) == ("ReduceSum",)
    assert takers_of_lists(case([node("Pad", "x pads")], {"x": array(1, 2)}, lists)) == ("Pad",)


UNSQUEEZE = "7767517\n3 3\nInput x 0 1 x\nExpandDims unsqueeze_0 1 1 x a 0=9\n{} f 1 1 a y\n"


@pytest.mark.parametrize("behind", ["Flatten", "ReduceL1"])
def test_of_several_operators_the_layer_that_ncnn_refuses_is_the_cause(behind: str) -> None:
    message = "layer load_param 1 unsqueeze_0 failed"
    bad = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message=message)
    conversion = SimpleNamespace(converter="onnx2ncnn", param=UNSQUEEZE.format(behind), feedings=FED)

    def operators(made: Case) -> tuple[str, ...]:
        return signature_of(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad, ()).operators

    pair = case([node("Unsqueeze", "x a", "t"), node(behind, "t")], {"x": array(2)})
    assert operators(pair) == ("ncnn.ExpandDims",)
    assert operators(case([node("Unsqueeze", "x a")], {"x": array(2)})) == ("Unsqueeze",)


@pytest.mark.parametrize("before", ["GlobalMaxPool", "Resize"])
def test_the_refused_layer_is_its_operator_where_the_graph_has_it(before: str) -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.LOAD_FAILURE, "load", message="layer load_param 1 e_0 failed")
    param = "7767517\n3 3\nInput in0 0 1 in0\nPooling p 1 1 in0 1\nEinsum e_0 1 1 1 out0\n"
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=(), files={})
    made = case([node(before, "x", "t"), node("Einsum", "t", equation="...ij->...")], {"x": array(1, 2)})
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    assert signature_of(found, bad, [Trait(0, "large"), Trait(1, "ellipsis")]).operators == (
        "Einsum(ellipsis)",
    )


@pytest.mark.parametrize(
    ("layer", "dtype", "kind", "expected"),
    [
        ("BinaryOp b 1 1 in0 out0 0=12", "int32", Kind.NAN, INTEGERS),
        ("Split s 1 2 in0 a b\nClip c 1 1 b out0 0=0", "int32", Kind.DIVERGENCE, INTEGERS),
        ("Clip c 1 1 in0 out0 0=0", "int32", Kind.SHAPE_MISMATCH, ""),
        ("Embed e 1 1 in0 out0 0=1", "int32", Kind.DIVERGENCE, ""),
        ("Clip c 1 1 in0 out0 0=0", "float32", Kind.DIVERGENCE, ""),
    ],
)
def test_integers_are_computed_with_as_if_they_were_floats(
    layer: str, dtype: str, kind: Kind, expected: str
) -> None:
    fed = (Feeding((Binding("x", "in0", dtype=dtype),), (Binding("y", "out0"),)),)
    bad = verdict("pnnx:fp16=0/cpu", kind, output="y")
    param = f"7767517\n3 3\nInput in0 0 1 in0\n{layer}\n"
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=fed, files={})
    made = case([node("Clip", "x")], {"x": np.int64([1, -2])})
    assert telling_message(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad) == expected


@pytest.mark.parametrize(
    ("axes", "kind", "stored", "expected"),
    [
        (1, Kind.WEIGHT_SHIFT, np.float32, ONE_AXIS),
        (2, Kind.WEIGHT_SHIFT, np.float32, ""),
        (1, Kind.WEIGHT_LOST, np.float32, ONE_AXIS),
        (1, Kind.WEIGHT_LOST, np.float16, ""),
    ],
)
def test_weights_of_one_axis_in_the_order_of_two(axes: int, kind: Kind, stored: type, expected: str) -> None:
    weights = {"w": array(2, 2, *[2] * axes).astype(stored)}
    made = case([node("ConvTranspose", "x w")], {"x": array(1, 2, *[1] * axes).astype(stored)}, weights)
    bad = verdict("onnx2ncnn/cpu", kind, "weights", layer_type="Deconvolution")
    conversion = SimpleNamespace(converter="onnx2ncnn", param="7767517\n0 0\n", feedings=FED, files={})
    assert telling_message(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad) == expected


def test_a_folded_norm_whose_weights_are_wrong_is_the_folds() -> None:
    made = case([node("MatMul", "x w")], {"x": array(1, 2, 2)}, {"w": array(2, 2)})
    bad = verdict("pnnx:fp16=0/cpu", Kind.WEIGHT_NAN, "weights")
    param = "7767517\n2 2\nInput in0 0 1 in0\nReshape linearbn1d_0_ncnnreshape0 1 1 in0 out0 0=2\n"
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=FED, files={})
    told = telling_message(judgement(made, bad, conversions={"pnnx:fp16=0": conversion}), bad)
    assert told == FOLDED_ALONG_ROWS
