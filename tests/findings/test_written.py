from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_cases import array, case, judgement, node, verdict

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.batch import FROM_THE_END, LEGACY_REASONS, ONE_AXIS
from fuzzconv.findings.legacy import WITHOUT_ORDER
from fuzzconv.findings.parameters import INTEGERS, WITHOUT_AXES
from fuzzconv.findings.signature import failures, signature_of
from fuzzconv.findings.traits import Trait
from fuzzconv.findings.wordless import MADE_BY_NONE
from fuzzconv.findings.written import (
    CONSTANT_AS_BLOB,
    FIVE_DIMS,
    NOTHING_LEFT,
    files_tell,
    misstored,
    passes_tell,
    storage_cause,
    takers_of_lists,
    telling_message,
)
from fuzzconv.findings.written import TYPED_HALF as TYPED
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind

REDUCED = "7767517\n2 2\nInput in0 0 1 in0\nReduction mean_0 1 1 in0 out0 0=3 1=0 {axes} 4=1 5=1\n"
FED = (Feeding((), (Binding("y", "out0"),)),)


def told(made: Case, axes: str) -> str:
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    conversion = SimpleNamespace(converter="pnnx", param=REDUCED.format(axes=axes), feedings=FED, files={})
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    return telling_message(found, failures(found)[0])


def mean(weights: Mapping[str, Array], *before: onnx.NodeProto, **attributes: object) -> Case:
    inputs = " ".join(["x" if not before else "t", *weights])
    return case([*before, node("ReduceMean", inputs, **attributes)], {"x": array(1, 2, 3)}, weights, opset=18)


@pytest.mark.parametrize("before", [(), (node("Relu", "x", "t"),)])
def test_a_reduction_written_without_its_axes_is_one_cause(before: tuple[onnx.NodeProto, ...]) -> None:
    assert told(mean({"a": np.array([1])}, *before), "-23303=0") == WITHOUT_AXES
    assert told(mean({"a": np.array([1])}, *before), "-23303=1,0") == ""


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


def with_tensor(operator: str, tensor: onnx.TensorProto) -> Case:
    made = case([node(operator, "x w")], {"x": array(2)})
    made.model.graph.initializer.append(tensor)
    return made


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
    made = case([node("Abs", "x", "t")], {"x": array(2)}, {"w": array(2)}, outputs=("t", "w"))
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="w")
    conversion = SimpleNamespace(converter="pnnx", param=REDUCED, feedings=FED, files={})
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    assert telling_message(found, bad) == MADE_BY_NONE


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


DOUBLE = numpy_helper.from_array(np.array([1.0, 2.0]), "w")
RAW_HALF = numpy_helper.from_array(np.array([1, 2], np.float16), "w")
TYPED_HALF = helper.make_tensor("w", onnx.TensorProto.FLOAT16, [2], [1, 2])
FIVE = numpy_helper.from_array(array(1, 1, 1, 1, 2), "w")


@pytest.mark.parametrize("operator", ["Add", "Gemm"])
@pytest.mark.parametrize(
    ("converter", "tensor", "expected"),
    [
        ("pnnx:fp16=0", DOUBLE, ("constant(float64)",)),
        ("pnnx:fp16=0", TYPED_HALF, ("constant(float16,typed field)",)),
        ("pnnx:fp16=0", RAW_HALF, ()),
        ("pnnx:fp16=0", FIVE, ()),
        ("onnx2ncnn", FIVE, ("MemoryData(rank=5)",)),
    ],
)
def test_a_constant_that_a_writer_cant_take_is_one_cause_whatever_operator(
    operator: str, converter: str, tensor: onnx.TensorProto, expected: tuple[str, ...]
) -> None:
    for evidence in ({"constant": "w"}, {}):
        bad = verdict(f"{converter}/cpu", Kind.WEIGHT_LOST, "weights", **evidence)
        assert misstored(with_tensor(operator, tensor), bad, "") == expected


def test_the_legacy_writer_takes_every_constant_for_float32() -> None:
    named = verdict("onnx2ncnn/cpu", Kind.WEIGHT_LOST, "weights", constant="w")
    unnamed = verdict("onnx2ncnn/cpu", Kind.WEIGHT_LOST, "weights")
    single = numpy_helper.from_array(array(2), "w")
    assert misstored(with_tensor("PRelu", TYPED_HALF), named, "") == ("constants(not float32)",)
    assert misstored(with_tensor("PRelu", single), named, "") == ()
    assert misstored(with_tensor("PRelu", TYPED_HALF), unnamed, "") == ()


@pytest.mark.parametrize("operator", ["BatchNormalization", "Conv"])
def test_weights_that_no_initializer_holds_are_one_cause_of_the_legacy_converter(operator: str) -> None:
    lost = verdict("onnx2ncnn/cpu", Kind.WEIGHT_LOST, "weights")
    held = case([node(operator, "x w")], {"x": array(2)}, {"w": array(2)})
    computed = case(
        [node("Add", "a b", "w"), node(operator, "x w")], {"x": array(2)}, {"a": array(2), "b": array(2)}
    )
    assert storage_cause(held, lost, ()) == ()
    listed, tensor = (
        case([helper.make_node("Constant", [], ["w"], **value), node(operator, "x w")], {"x": array(2)})
        for value in ({"value_floats": [1.0, 2.0]}, {"value": numpy_helper.from_array(array(2), "")})
    )
    assert storage_cause(listed, lost, ()) == ("constants(numbers of a Constant node)",)
    assert storage_cause(tensor, lost, ()) == ()
    assert storage_cause(computed, lost, ()) == ("constants(computed)",)
    wrong = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE)
    of_pnnx = verdict("pnnx:fp16=0/cpu", Kind.WEIGHT_LOST, "weights")
    assert storage_cause(computed, wrong, ()) == storage_cause(computed, of_pnnx, ()) == ()
    assert storage_cause(listed, wrong, ()) == ("constants(numbers of a Constant node)",)
    sizes = case(
        [helper.make_node("Constant", [], ["w"], value_ints=[1]), node("Split", "x w")], {"x": array(1)}
    )
    assert storage_cause(sizes, wrong, ()) == ()


@pytest.mark.parametrize("kind", [Kind.SHAPE_MISMATCH, Kind.WEIGHT_LOST])
def test_half_precision_in_a_typed_field_is_one_cause_whatever_comes_of_it(kind: Kind) -> None:
    bad = verdict("pnnx:fp16=0/cpu", kind, output="y")
    typed = with_tensor("Add", TYPED_HALF)
    assert storage_cause(typed, bad, [Trait(0, "typed field")]) == (TYPED,)
    assert storage_cause(typed, bad, [Trait(0, "float16")]) == ()
    assert storage_cause(with_tensor("Add", RAW_HALF), bad, [Trait(0, "typed field")]) == ()


@pytest.mark.parametrize(
    ("operator", "route", "kind", "expected"),
    [
        ("Add", "onnx2ncnn/cpu", Kind.SHAPE_MISMATCH, (FIVE_DIMS,)),
        ("Conv", "onnx2ncnn/cpu", Kind.SHAPE_MISMATCH, ()),
        ("Add", "pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, ()),
        ("Add", "pnnx:fp16=0/cpu", Kind.WEIGHT_LOST, (FIVE_DIMS,)),
    ],
)
def test_data_of_five_axes_is_one_cause(
    operator: str, route: str, kind: Kind, expected: tuple[str, ...]
) -> None:
    assert storage_cause(with_tensor(operator, FIVE), verdict(route, kind), ()) == expected


def test_weights_that_are_fed_are_as_good_as_computed() -> None:
    crash = verdict("onnx2ncnn/cpu", Kind.CRASH, "convert")
    fed = case([node("Conv", "x w")], {"x": array(1, 1, 1, 1), "w": array(1, 1, 1, 1)})
    assert storage_cause(fed, crash, ()) == ("constants(computed)",)
    assert storage_cause(case([node("Mul", "x w")], {"x": array(1), "w": array(1)}), crash, ()) == ()


@pytest.mark.parametrize("operator", ["Conv", "Gemm"])
def test_what_half_precision_takes_from_weights_is_one_cause_whatever_operator(operator: str) -> None:
    made = with_tensor(operator, numpy_helper.from_array(array(2), "w"))
    zero = verdict("pnnx:fp16=1/cpu", Kind.WEIGHT_LOST, "weights", constant="w", flushed=1)
    infinite = verdict("pnnx:fp16=1/cpu", Kind.WEIGHT_NAN, "weights", constant="w")
    assert misstored(made, zero, "fp16=1") == ("subnormal fp16 weight",)
    assert misstored(made, infinite, "fp16=1") == ("fp16 weight",)


def test_another_constant_that_is_named_is_not_to_blame() -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.WEIGHT_LOST, "weights", constant="other")
    assert misstored(with_tensor("Add", DOUBLE), bad, "") == ()


@pytest.mark.parametrize(
    ("kind", "words", "expected"),
    [
        (Kind.CRASH, ("external data", "large"), ("constants(external data)",)),
        (Kind.WEIGHT_LOST, ("external data",), ("constants(external data)",)),
        (Kind.LOAD_FAILURE, ("external data",), ("constants(external data)",)),
        (
            Kind.CRASH,
            ("external data in an unusual file",),
            ("constants(external data in an unusual file)",),
        ),
        (Kind.CRASH, ("float64", "first constant"), ("constant(float64)",)),
        (Kind.DIVERGENCE, ("external data",), ()),
        (Kind.DIVERGENCE, ("float64",), ()),
        (Kind.CRASH, ("large", "pads"), ()),
    ],
)
def test_storage_that_reduction_could_not_make_plain_is_the_cause(
    kind: Kind, words: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    bad = verdict("pnnx:fp16=0/cpu", kind, "convert")
    traits = [Trait(0, word) for word in words]
    assert storage_cause(with_tensor("Add", DOUBLE), bad, traits) == expected


def test_a_crash_over_a_double_input_alone_is_its_operators() -> None:
    made = case([node("Relu", "x")], {"x": array(2).astype(np.float64)})
    bad = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert")
    assert storage_cause(made, bad, [Trait(0, "float64")]) == ()


def test_what_onnx2ncnn_writes_wrong_is_its_fault_though_a_device_may_be_right() -> None:
    made = case([node("Transpose", "x")], {"x": array(1, 2)})
    bad = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "run", output="y")
    network = "7767517\n2 2\nInput x 0 1 x\nPermute y 1 1 x y\n"
    conversion = SimpleNamespace(converter="onnx2ncnn", param=network, feedings=FED, files={})
    told = files_tell(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad)
    assert told.startswith(f"{WITHOUT_ORDER}: so onnx2ncnn writes it")


def test_axes_that_onnx2ncnn_writes_wrong_are_not_told_by_files_of_pnnx() -> None:
    made = case([node("Softmax", "x", axis=-1)], {"x": array(1, 2, 2)})
    bad = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE, output="y")
    network = "7767517\n2 2\nInput x 0 1 x\nSoftmax y 1 1 x y 0=-2\n"
    conversion = SimpleNamespace(converter="onnx2ncnn", param=network, feedings=FED, files={})
    told = files_tell(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad)
    assert told == f"{FROM_THE_END}: {LEGACY_REASONS[FROM_THE_END]}"
    assert "pnnx" not in told


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
    ("axes", "kind", "expected"),
    [(1, Kind.WEIGHT_SHIFT, ONE_AXIS), (2, Kind.WEIGHT_SHIFT, ""), (1, Kind.WEIGHT_LOST, "")],
)
def test_weights_of_one_axis_in_the_order_of_two(axes: int, kind: Kind, expected: str) -> None:
    made = case(
        [node("ConvTranspose", "x w")], {"x": array(1, 2, *[1] * axes)}, {"w": array(2, 2, *[2] * axes)}
    )
    bad = verdict("onnx2ncnn/cpu", kind, "weights", layer_type="Deconvolution")
    conversion = SimpleNamespace(converter="onnx2ncnn", param="7767517\n0 0\n", feedings=FED, files={})
    assert telling_message(judgement(made, bad, conversions={"onnx2ncnn": conversion}), bad) == expected
