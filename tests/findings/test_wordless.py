"""Crashes without a word, told by the graph."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_cases import array, case, judgement, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.parameters import LIST_AS_INDEX
from fuzzconv.findings.signature import signature_of
from fuzzconv.findings.wordless import (
    CONSTANT_OUTPUT,
    FILLED,
    FOLDED_OUTPUT,
    LONE_OPERAND,
    MADE_BY_NONE,
    NO_FLOATS,
    NOT_FILLED,
    SHARED_IN_SUM,
    UNREAD_NUMBER,
    WITHOUT_BIAS,
    readers_of_no_floats,
    wordless_message,
)
from fuzzconv.findings.written import telling_message
from fuzzconv.verdict import Kind

X = {"x": array(1, 2)}
HEAP = "free(): invalid next size (fast)"
LIST = case([node("Gather", "x i")], X, {"i": np.int64([0, 0])})
ONE = case([node("Gather", "x i")], X, {"i": np.array(0)})
FED_NUMBER = case([node("Gather", "x i")], {**X, "i": np.array(0)})
FED_INT32 = case([node("Gather", "x i")], {**X, "i": np.int32([0])})
FED_INDEX = case([node("Gather", "x i")], {**X, "i": np.int64([0])})
SUM_TWICE = case([node("Sum", "x x x")], X)
SUM_ELSEWHERE = case([node("Ceil", "x", "t"), node("Abs", "t", "z"), node("Sum", "x z t")], X)
SUM_FIRST = case([node("Sum", "x x w")], X, {"w": array(1, 2)})
SCALAR_FIRST = case([node("Add", "s x")], X, {"s": np.float32(1)})
CONSTANT_OUT = case([node("Cosh", "x")], X, {"w": array(1)}, outputs=("w", "y"))
CONSTANT_LAST = case([node("Cosh", "x")], X, {"w": array(1)}, outputs=("y", "w"))
CONSTANT_ALONE = case([node("Cosh", "w")], X, {"w": array(1)})
FOLDED_OUT = case([node("Abs", "w", "z"), node("Abs", "x")], X, {"w": array(1)}, outputs=("z", "y"))
IDENTITY_OUT = case([node("Identity", "x", "i"), node("Abs", "x")], X, outputs=("y", "i"))


@pytest.mark.parametrize(
    ("made", "message", "expected"),
    [
        (SUM_TWICE, HEAP, SHARED_IN_SUM),
        (SUM_ELSEWHERE, "############# pass_ncnn", SHARED_IN_SUM),
        (SUM_TWICE, "malloc_consolidate(): unaligned fastbin chunk detected", SHARED_IN_SUM),
        (
            SUM_TWICE,
            "Fatal glibc error: malloc assertion failure in sysmalloc: (old_top == 1)",
            SHARED_IN_SUM,
        ),
        (SUM_FIRST, HEAP, ""),
        (SUM_TWICE, "what():  map::at", SHARED_IN_SUM),
        (SUM_TWICE, "what():  unordered_map::at", ""),
        (SUM_FIRST, "what():  map::at", ""),
        (LIST, "double free or corruption (out)", LIST_AS_INDEX),
        (LIST, "############# pass_level3", ""),
        (ONE, "double free or corruption (out)", ""),
        (CONSTANT_OUT, HEAP, FOLDED_OUTPUT),
        (CONSTANT_LAST, HEAP, ""),
        (CONSTANT_ALONE, HEAP, FOLDED_OUTPUT),
        (IDENTITY_OUT, "(it printed nothing)", MADE_BY_NONE),
        (CONSTANT_OUT, "what():  map::at", CONSTANT_OUTPUT),
        (IDENTITY_OUT, "what():  map::at", ""),
        (FED_INDEX, "ort Run failed Non-zero status code returned while running Gather node.", FILLED),
        (FED_INT32, "ort Run failed Non-zero status code returned while running Gather node.", NOT_FILLED),
        (FED_NUMBER, "ort Run failed Non-zero status code returned while running Gather node.", NOT_FILLED),
        (
            CONSTANT_OUT,
            "shape_inference ...   10:02 [W:onnxruntime:, graph.cc:44] Removing initializer",
            FOLDED_OUTPUT,
        ),
        (FOLDED_OUT, HEAP, FOLDED_OUTPUT),
        (case([node("Abs", "x")], X), HEAP, ""),
    ],
)
def test_the_graph_names_the_cause_where_the_tool_says_nothing(
    made: Case, message: str, expected: str
) -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert", message=message, signal="SIGABRT")
    assert wordless_message(made, bad) == expected
    files = SimpleNamespace(converter="pnnx", param=None, feedings=(), files={})
    signature = signature_of(judgement(made, bad, conversions={"pnnx:fp16=0": files}), bad, ())
    assert (signature.operators == ()) is bool(expected)


@pytest.mark.parametrize(
    ("made", "message", "expected"),
    [
        (case([node("Max", "x")], X), "what():  CHECK failed: (index) < (current_size_):", LONE_OPERAND),
        (SCALAR_FIRST, "what():  CHECK failed: (index) < (current_size_):", LONE_OPERAND),
        (SCALAR_FIRST, "Unknown data type 0", ""),
        (case([node("Sub", "s x")], X, {"s": np.float32(1)}), "CHECK failed: (index)", ""),
        (case([node("Add", "x s")], X, {"s": np.float32(1)}), "CHECK failed: (index)", ""),
        (case([node("Add", "s x")], X, {"s": array(1)}), "CHECK failed: (index)", ""),
    ],
)
def test_the_legacy_converter_reads_an_operand_that_is_not_there(
    made: Case, message: str, expected: str
) -> None:
    bad = verdict("onnx2ncnn/cpu", Kind.CRASH, "convert", message=message, signal="SIGABRT")
    assert wordless_message(made, bad) == expected


@pytest.mark.parametrize(
    ("route", "kind", "stage"),
    [
        ("onnx2ncnn/cpu", Kind.CRASH, "convert"),
        ("pnnx:fp16=0/cpu", Kind.CRASH, "run"),
        ("pnnx:fp16=0/cpu", Kind.REFUSED, "convert"),
    ],
)
def test_other_failures_are_not_looked_at(route: str, kind: Kind, stage: str) -> None:
    assert wordless_message(SUM_TWICE, verdict(route, kind, stage, message=HEAP)) == ""


def test_without_an_integer_input_its_onnxruntime_fails_for_another_reason() -> None:
    said = "ort Run failed Non-zero status code returned while running Gather node."
    assert wordless_message(ONE, verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert", message=said)) == ""


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (np.float64(1), UNREAD_NUMBER),
        (np.float64([[1]]), UNREAD_NUMBER),
        (np.int16(1), UNREAD_NUMBER),
        (np.int32(1), CONSTANT_OUTPUT),
        (np.float64([1, 2]), CONSTANT_OUTPUT),
        (np.float32(1), CONSTANT_OUTPUT),
    ],
)
def test_a_number_of_a_type_without_a_reader_has_a_crash_of_its_own(
    number: np.ndarray, expected: str
) -> None:
    made = case([node("Cosh", "x")], X, {"w": number}, outputs=("y", "w"))
    crashed = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert", message="what():  map::at")
    assert wordless_message(made, crashed) == expected


@pytest.mark.parametrize(("route", "expected"), [("pnnx:fp16=1/cpu", ""), ("pnnx:fp16=0/cpu", FOLDED_OUTPUT)])
def test_doubles_written_in_half_damage_the_heap_by_themselves(route: str, expected: str) -> None:
    made = case([node("Cosh", "x")], X, {"w": np.float64([1, 2])}, outputs=("w", "y"))
    assert wordless_message(made, verdict(route, Kind.CRASH, "convert", message=HEAP)) == expected


@pytest.mark.parametrize(
    ("stored", "perm", "signal", "expected"),
    [
        (TensorProto.DOUBLE, [1, 0], "SIGSEGV", NO_FLOATS),
        (TensorProto.INT8, [1, 0], "SIGSEGV", NO_FLOATS),
        (TensorProto.FLOAT, [1, 0], "SIGSEGV", ""),
        (TensorProto.DOUBLE, [0, 1], "SIGSEGV", ""),
        (TensorProto.DOUBLE, [1, 0], "SIGABRT", ""),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_a_transposed_matrix_that_the_legacy_converter_does_not_read(
    stored: int, perm: list[int], signal: str, raw: bool, expected: str
) -> None:
    made = case([node("Transpose", "w", "t", perm=perm), node("Abs", "x")], X)
    tensor = helper.make_tensor("w", stored, [1, 2], [1, 2])
    if raw:
        tensor = numpy_helper.from_array(numpy_helper.to_array(tensor), "w")
    made.model.graph.initializer.append(tensor)
    crashed = verdict("onnx2ncnn/cpu", Kind.CRASH, "convert", message="(it printed nothing)", signal=signal)
    assert wordless_message(made, crashed) == ("" if raw else expected)
    assert wordless_message(replace(made, external_data=True), crashed) == ""


@pytest.mark.parametrize(
    ("operator", "operands", "dims", "expected"),
    [
        ("MatMul", "x w", [2, 1], ("MatMul",)),
        ("MatMul", "x w", [1, 2, 1], ()),
        ("BatchNormalization", "x a a a w", [2], ("BatchNormalization",)),
        ("BatchNormalization", "x a w a a", [2], ()),
        ("GRU", "x a w", [1, 3, 1], ("GRU",)),
        ("LSTM", "x w a", [1, 4, 1], ("LSTM",)),
        ("RNN", "x a a w", [1, 2], ("RNN",)),
        ("MatMul", "x w", [2, 0], ()),
        ("Conv", "x w", [1, 1, 1], ()),
        ("ConvTranspose", "x w", [1, 1, 1], ("ConvTranspose",)),
    ],
)
def test_each_branch_that_turns_numbers_round_crashes_by_itself(
    operator: str, operands: str, dims: list[int], expected: tuple[str, ...]
) -> None:
    made = case([node(operator, operands)], X, {"a": array(2)})
    size = int(np.prod(dims))
    made.model.graph.initializer.append(helper.make_tensor("w", TensorProto.DOUBLE, dims, [1] * size))
    assert readers_of_no_floats(made) == expected
    crashed = verdict(
        "onnx2ncnn/cpu", Kind.CRASH, "convert", message="(it printed nothing)", signal="SIGSEGV"
    )
    files = SimpleNamespace(converter="onnx2ncnn", param=None, feedings=(), files={})
    signature = signature_of(judgement(made, crashed, conversions={"onnx2ncnn": files}), crashed)
    assert (signature.message == NO_FLOATS) is bool(expected)
    assert not expected or signature.operators == expected


@pytest.mark.parametrize(
    ("operands", "expected"),
    [("x w r", WITHOUT_BIAS), ("x w r  s", WITHOUT_BIAS), ("x w r b", ""), ("x w r b s", "")],
)
def test_a_bias_that_is_read_though_there_is_none(operands: str, expected: str) -> None:
    made = case([helper.make_node("GRU", operands.split(" "), ["y"], hidden_size=1)], X)
    crashed = verdict("onnx2ncnn/cpu", Kind.CRASH, "convert", message="what():  CHECK failed: (index) < (x)")
    assert wordless_message(made, crashed) == expected
    shifted = verdict("onnx2ncnn/cpu", Kind.WEIGHT_SHIFT, "weights", layer_type="GRU")
    files = SimpleNamespace(converter="onnx2ncnn", param="", feedings=(), files={})
    found = judgement(made, shifted, conversions={"onnx2ncnn": files})
    assert telling_message(found, shifted) == expected
    assert telling_message(found, replace(shifted, evidence={"layer_type": "Gemm"})) == ""
