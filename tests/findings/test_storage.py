"""Causes that lie in how constants are stored."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.storage import FIVE_DIMS, misstored, storage_cause
from fuzzconv.findings.storage import TYPED_HALF as TYPED
from fuzzconv.findings.traits import Trait
from fuzzconv.verdict import Kind


def with_tensor(operator: str, tensor: onnx.TensorProto) -> Case:
    made = case([node(operator, "x w")], {"x": array(2)})
    made.model.graph.initializer.append(tensor)
    return made


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


def test_external_data_without_a_byte_has_a_crash_of_its_own() -> None:
    crash = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert")
    empty = numpy_helper.from_array(array(0), "w")
    found = storage_cause(with_tensor("Concat", empty), crash, [Trait(0, "external data")])
    assert found == ("constants(external data of no bytes)",)
    wrong = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE)
    found = storage_cause(with_tensor("Concat", empty), wrong, [Trait(0, "external data")])
    assert found == ("constants(external data)",)


def test_external_data_of_which_the_legacy_converter_reads_none_makes_wrong_results_too() -> None:
    bad = verdict("onnx2ncnn/cpu", Kind.DIVERGENCE)
    found = storage_cause(with_tensor("Mul", DOUBLE), bad, [Trait(0, "external data")])
    assert found == ("constants(external data)",)


def test_a_crash_over_a_double_input_alone_is_its_operators() -> None:
    made = case([node("Relu", "x")], {"x": array(2).astype(np.float64)})
    bad = verdict("pnnx:fp16=0/cpu", Kind.CRASH, "convert")
    assert storage_cause(made, bad, [Trait(0, "float64")]) == ()
