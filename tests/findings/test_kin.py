from __future__ import annotations

from dataclasses import replace

import pytest

from fuzzconv.findings.axes import FIRST_AXIS, ONE_AXIS
from fuzzconv.findings.batch import BESIDE_RECURRENT
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.kept import CONSTANT_KEEPS_IT
from fuzzconv.findings.kin import is_generalised, is_part, is_symptom, is_variant
from fuzzconv.findings.written import SYMPTOMS


def wrong(*operators: str, condition: str = "") -> Signature:
    return Signature("result", "pnnx", "compare", operators, condition)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("ReduceMean(axes)", "ReduceSum(axes,keepdims=0)"),
        ("LayerNormalization(axis)", "RMSNormalization(axis,rank=3)"),
        ("Softmax(old opset)", "LogSoftmax(axis,old opset)"),
        ("Upsample", "Resize(sizes)"),
        ("Clip(int64)", "Clip(int32)"),
        ("MaxPool(auto_pad=SAME,strides)", "AveragePool(auto_pad=SAME,ceil_mode=1,strides)"),
        ("Gather(axis,large)", "Gather(axis)"),
        ("LayerNormalization(B,axis,rank=3)", "LayerNormalization(B,axis,large)"),
        ("Add(broadcast,first constant)", "Max(broadcast,other constant)"),
        ("Resize(mode=cubic,sizes)", "Resize(mode=cubic,scales)"),
        ("Resize(nearest_mode=ceil)", "Resize(nearest_mode=floor,large)"),
        (
            "Resize(coordinate_transformation_mode=asymmetric)",
            "Resize(coordinate_transformation_mode=half_pixel_symmetric)",
        ),
        ("LSTM(initial_c,initial_h)", "GRU(initial_h)"),
    ],
)
def test_operators_of_one_group_and_words_of_size_make_no_cause_of_their_own(known: str, other: str) -> None:
    assert is_variant(wrong(known), wrong(other))


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("ReduceMean(axes)", "ReduceSum"),
        ("Pow", "Max(inputs=3)"),
        ("Pow", "Sub(broadcast)"),
        ("Max(broadcast)", "Sum(broadcast)"),
        ("LogSoftmax", "Softmax"),
        ("Conv(rank=3)", "Conv(pads,rank=4)"),
        ("MaxPool(large,strides)", "MaxPool(large,pads)"),
        ("LayerNormalization(axis)", "InstanceNormalization(axis)"),
        (
            "Resize(coordinate_transformation_mode=asymmetric)",
            "Resize(coordinate_transformation_mode=align_corners)",
        ),
    ],
)
def test_other_words_tell_causes_apart(known: str, other: str) -> None:
    assert not is_variant(wrong(known), wrong(other))


@pytest.mark.parametrize(
    ("known", "other", "expected"),
    [
        ("Gather(axis,large)", "Gather", True),
        ("Conv(large,old opset,rank=4)", "Conv", True),
        ("LayerNormalization(B,axis)", "RMSNormalization(axis)", True),
        ("Gather", "Gather(axis)", False),
        ("Resize(axes,scales)", "Resize(sizes)", False),
        ("AveragePool(ceil_mode=1,strides)", "AveragePool(strides)", False),
        ("AveragePool(ceil_mode=1,strides)", "MaxPool(strides)", False),
    ],
)
def test_a_special_case_that_was_found_first(known: str, other: str, expected: bool) -> None:
    assert is_generalised(wrong(known), wrong(other)) is expected


def test_of_what_one_option_does_alone_attributes_decide_little() -> None:
    known, other = wrong("Conv(group,pads)", condition="bf16s"), wrong("Conv(group)", condition="bf16s")
    assert is_generalised(known, other)
    assert not is_generalised(replace(known, condition=""), replace(other, condition=""))


def test_twins_lack_one_thing_whatever_it_shows_as() -> None:
    known = Signature("result", "onnx2ncnn", "compare", ("GlobalMaxPool",), "", ONE_AXIS)
    assert is_symptom(known, replace(known, operators=("GlobalAveragePool",), family="load"))
    assert not is_symptom(known, replace(known, operators=("ConvTranspose",), family="load"))


def test_behind_another_operator_it_is_not_the_function() -> None:
    assert is_variant(wrong("Expand", "Div"), wrong("Expand", "Sub"))


def test_what_the_tool_says_of_two_operators_is_one_cause_without_a_word_in_common() -> None:
    known, other = (bad("crash", (name,), "SIGABRT: what(): CHECK failed") for name in ("Add", "Mul"))
    assert is_variant(known, other)
    assert not is_variant(replace(known, message=""), replace(other, message=""))


@pytest.mark.parametrize(
    ("known", "others", "expected"),
    [
        ("Add(broadcast)", ("Add(broadcast,large)", "Split(axis)"), True),
        ("Add(broadcast)", ("Add", "Split(axis)"), False),
        ("Gemm(C,alpha)", ("Gemm(C,alpha,transA=1)", "ReduceMax"), True),
        ("Gather(axis)", ("Gather(axis)", "Concat"), False),
        ("HardSwish", ("ReduceMax", "HardSwish"), False),
    ],
)
def test_an_operator_that_is_wrong_in_any_company(
    known: str, others: tuple[str, ...], expected: bool
) -> None:
    assert is_part(wrong(known), wrong(*others)) is expected
    assert not is_part(wrong(*others), wrong(known))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("bf16s", "bf16s-nopacking", True),
        ("bf16s-nopacking", "bf16s", True),
        ("bf16s", "nopacking", False),
        ("", "nopacking", False),
        ("vulkan", "vulkan+bf16s", False),
        ("nopacking", "bf16s-nopacking-threads2", True),
    ],
)
def test_a_row_within_a_row_is_one_cause_of_one_operator(one: str, other: str, same: bool) -> None:
    known, new = (Signature("result", "ncnn", "compare", ("Conv(group)",), row) for row in (one, other))
    assert is_symptom(known, new) is same
    assert not is_symptom(replace(known, operators=("Conv",)), new)


def test_a_condition_tells_causes_apart_whatever_the_size() -> None:
    assert not is_variant(wrong("Conv(large)"), wrong("Conv", condition="vulkan"))


EXTERNAL = ("constants(external data)",)
DOUBLE = ("constant(float64)",)
LISTED = ("constants(numbers of a Constant node)",)


def bad(family: str, operators: tuple[str, ...], message: str = "", converter: str = "pnnx") -> Signature:
    return Signature(family, converter, "convert" if family == "crash" else family, operators, "", message)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (
            bad("crash", EXTERNAL, "SIGABRT: what(): CHECK failed: (index) < (current_size_)"),
            bad("weights", EXTERNAL),
        ),
        (bad("weights", EXTERNAL), bad("load", EXTERNAL, "layer load_param N nN failed")),
        (
            bad("crash", LISTED, "SIGSEGV: Unknown data type N", "onnx2ncnn"),
            bad("crash", LISTED, "SIGABRT: what(): CHECK failed", "onnx2ncnn"),
        ),
        (
            bad("weights", ("Gather(int64)",)),
            Signature("weights", "pnnx", "weights", ("Gather(int64)",), "fp16=1"),
        ),
        (
            bad("crash", DOUBLE, "SIGSEGV: ############# pass_ncnn"),
            bad("crash", DOUBLE, "SIGABRT: heap corruption"),
        ),
        (
            Signature("result", "pnnx", "compare", (), "", BESIDE_RECURRENT),
            Signature("crash", "pnnx", "run", (), "", BESIDE_RECURRENT),
        ),
        (
            Signature("result", "ncnn", "compare", ("Conv(group,rank=4)",), "bf16s"),
            Signature("crash", "ncnn", "run", ("Conv(dilations,group)",), "bf16s", "SIGSEGV: it"),
        ),
        (
            bad("load", ("Gemm(C)",), "unknown layer F.linear"),
            bad("load", ("Cast(Constant node)", "Gemm"), "unknown layer F.linear"),
        ),
        (
            bad("crash", ("Min(inputs=1)",), "SIGSEGV: ############# pass_levelN"),
            bad("crash", ("Max(inputs=1)",), "SIGABRT: heap corruption"),
        ),
    ],
)
def test_what_one_cause_shows_alternately_is_one_finding(known: Signature, other: Signature) -> None:
    assert is_symptom(known, other)
    assert is_symptom(other, known)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        (bad("crash", EXTERNAL, "SIGABRT: x"), bad("weights", EXTERNAL, converter="onnx2ncnn")),
        (
            Signature("result", "pnnx", "compare", (), "", BESIDE_RECURRENT),
            Signature("result", "pnnx", "compare", (), "", CONSTANT_KEEPS_IT),
        ),
        (bad("weights", EXTERNAL), bad("weights", ("constants(external data in an unusual file)",))),
        (
            Signature("result", "onnx2ncnn", "compare", ("Concat",), "", FIRST_AXIS),
            Signature("load", "onnx2ncnn", "run", ("Gather",), "", FIRST_AXIS),
        ),
        (bad("weights", DOUBLE), bad("crash", DOUBLE, "SIGABRT: what(): map::at")),
        (bad("weights", DOUBLE), bad("crash", DOUBLE, "SIGABRT: heap corruption")),
        (bad("crash", ("Sum",), "SIGSEGV: ############# pass_ncnn"), bad("crash", ("Conv",), "SIGSEGV")),
        (bad("crash", ("Sum",), "SIGABRT: what(): map::at"), bad("crash", ("Sum",), "SIGSEGV")),
        (bad("load", ("Sum",), "extract failed"), bad("crash", ("Sum",), "SIGSEGV")),
        (
            bad("load", ("Gemm(C)",), "unknown layer F.linear"),
            bad("load", ("MatMul",), "unknown layer F.linear"),
        ),
    ],
)
def test_what_the_tool_said_itself_and_the_operators_tell_causes_apart(
    known: Signature, other: Signature
) -> None:
    assert not is_symptom(known, other)


@pytest.mark.parametrize("message", sorted(SYMPTOMS))
def test_what_a_network_lacks_is_one_cause_whatever_it_shows_as(message: str) -> None:
    wrong_result = Signature("result", "pnnx", "compare", (), "", message)
    assert is_symptom(wrong_result, Signature("crash", "pnnx", "run", (), "", message))
    assert is_symptom(wrong_result, replace(wrong_result, converter="ncnn", family="load"))
    assert not is_symptom(wrong_result, replace(wrong_result, converter="onnx2ncnn", family="load"))
