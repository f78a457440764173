"""Constants that keep a batch axis which pnnx has taken out of the inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from small_cases import array, by_pnnx, case, first_fault, judgement, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.batch import (
    BESIDE_RECURRENT,
    batch_faults,
)
from fuzzconv.findings.kept import CONSTANT_KEEPS_IT, MATRIX_LOSES_IT, STATE_KEEPS_IT
from fuzzconv.findings.written import telling_message
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind


def with_constant(*shape: int) -> Case:
    nodes = [node("Add", "x w", "t"), node("Conv", "t k")]
    return case(nodes, {"x": array(4, 1, 1)}, {"w": array(*shape), "k": array(2, 1, 2)})


ADDED = (
    "7767517\n4 4\nInput in0 0 1 in0\nMemoryData w 0 1 1 {sizes}\nBinaryOp add 2 1 in0 1 2 0=0\n"
    "Convolution1D conv 1 1 2 out0 0=2\n"
)


@pytest.mark.parametrize(
    ("shape", "sizes", "axis", "expected"),
    [
        ((4, 1, 2), "0=2 1=1 2=4", 0, CONSTANT_KEEPS_IT),
        ((4, 1, 2), "0=2 1=1 2=4", None, ""),
        ((4, 1, 2), "0=2 1=4", 0, ""),
        ((1, 1, 2), "0=2 1=1 2=1", 0, ""),
        ((1, 2), "0=2 1=1", 0, ""),
    ],
)
def test_a_constant_with_all_its_axes_where_the_input_lost_one(
    shape: tuple[int, ...], sizes: str, axis: int | None, expected: str
) -> None:
    conversion = by_pnnx(ADDED.format(sizes=sizes), {"x": axis}, axis)
    assert first_fault(batch_faults, judgement(with_constant(*shape)), conversion) == expected


def test_a_recurrent_state_keeps_it_even_with_one_element() -> None:
    made = case([node("RNN", "x w r  h", "y")], {"x": array(2, 1, 1)}, {"h": array(2, 1, 1)})
    param = "7767517\n3 3\nInput in0 0 1 in0\nMemoryData h 0 1 1 0=1 1=1 2=2\nRNN r 2 1 in0 1 out0 0=1\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 1}, 1)) == STATE_KEEPS_IT
    one = case([node("RNN", "x w r  h", "y")], {"x": array(2, 1, 1)}, {"h": array(1, 1, 1)})
    harmless = param.replace("0=1 1=1 2=2", "0=1 1=1 2=1")
    assert first_fault(batch_faults, judgement(one), by_pnnx(harmless, {"x": 1}, 1)) == ""
    twice = param.replace("RNN r 2 1 in0 1 out0", "Split s 1 2 1 2 3\nLSTM r 3 1 in0 2 3 out0")
    assert first_fault(batch_faults, judgement(made), by_pnnx(twice, {"x": 1}, 1)) == STATE_KEEPS_IT


def test_a_constant_state_of_more_than_one_batch_has_none_for_pnnx_either() -> None:
    made = case([node("RNN", "x w r  h", "y")], {"x": array(2, 3, 1)}, {"h": array(2, 3, 1)})
    param = "7767517\n3 3\nInput in0 0 1 in0\nMemoryData h 0 1 1 0=1 1=3 2=2\nRNN r 2 1 in0 1 out0 0=1\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 1}, 1)) == STATE_KEEPS_IT


@pytest.mark.parametrize("read", ["2", "3"])
@pytest.mark.parametrize(("batch", "expected"), [("12=1 13=233", ""), ("12=233 13=0", CONSTANT_KEEPS_IT)])
def test_a_constant_beside_an_operand_whose_batch_is_an_axis_again(
    batch: str, expected: str, read: str
) -> None:
    param = f"7767517\n4 4\nInput in0 0 1 in0\nReshape r 1 1 in0 1 0=2 1=1 2=4 {batch}\n"
    param += f"MemoryData w 0 1 2 0=2 1=1 2=4\nSplit s 1 2 2 3 4\nBinaryOp add 2 1 1 {read} out0 0=0\n"
    assert (
        first_fault(batch_faults, judgement(with_constant(4, 1, 2)), by_pnnx(param, {"x": 0}, 0)) == expected
    )


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("ij,ij->ij", CONSTANT_KEEPS_IT),
        ("ij,jk->ik", ""),
        ("ij,ij->j", ""),
        ("ij,ij", ""),
    ],
)
def test_an_einsum_that_has_a_batch_in_all_its_operands(equation: str, expected: str) -> None:
    made = case([node("Einsum", "x w", equation=equation)], {"x": array(2, 2)}, {"w": array(2, 2)})
    param = "7767517\n3 3\nInput in0 0 1 in0\nMemoryData w 0 1 1 0=2 1=2\nEinsum e 2 1 in0 1 out0\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 0}, 0)) == expected


@pytest.mark.parametrize(
    ("before", "between", "expected"),
    [
        ("0=1 1=1 2=2 12=1 13=233", "BinaryOp b 1 1 1 2 0=1 1=1 2=1", BESIDE_RECURRENT),
        ("0=1 1=1 2=2", "BinaryOp b 1 1 1 2 0=1 1=1 2=1", BESIDE_RECURRENT),
        ("0=1 1=2", "BinaryOp b 1 1 1 2 0=1 1=1 2=1", STATE_KEEPS_IT),
        ("0=1 1=1 2=2 12=1 13=233", "Reshape b 1 1 1 2 0=1 1=2 12=233 13=1", STATE_KEEPS_IT),
    ],
)
@pytest.mark.parametrize("stage", ["load", "run"])
def test_a_batch_that_is_an_axis_for_a_recurrent_layer_outdoes_a_constant_state(
    before: str, between: str, expected: str, stage: str
) -> None:
    nodes = [node("Sub", "x c", "s"), onnx.helper.make_node("RNN", ["s", "w", "r", "", "", "h"], ["y"])]
    made = case(nodes, {"x": array(2, 1, 1)}, {"h": array(2, 1, 1)})
    param = "7767517\n5 5\nInput in0 0 1 in0\nMemoryData h 0 1 3 0=1 1=1 2=2\n"
    param += f"Reshape a 1 1 in0 1 {before}\n{between}\nRNN r 2 1 2 3 out0 0=1\n"
    crash = verdict("pnnx:fp16=0/cpu", Kind.CRASH, stage, message="double free or corruption (out)")
    conversion = by_pnnx(param, {"x": 1}, 1)
    found = judgement(made, crash, conversions={"pnnx:fp16=0": conversion})
    assert telling_message(found, crash) == expected


@pytest.mark.parametrize(
    ("sizes", "layer", "expected"),
    [
        ("0=1 1=1 2=4", "RNN", STATE_KEEPS_IT),
        ("0=1 1=4", "RNN", ""),
        ("0=1 1=1 2=4", "Sigmoid", ""),
        ("0=1 1=1 2=4", "RNN r 1 1 in0 9 0=1\nSigmoid", ""),
        ("0=1 1=1 2=4\nConcat k 2 1 2 in0 8 0=0\nRNN m 1 1 8 9", "Sigmoid", STATE_KEEPS_IT),
    ],
)
def test_a_constant_that_is_joined_to_a_recurrent_layers_output(
    sizes: str, layer: str, expected: str
) -> None:
    nodes = [node("RNN", "x w r", "t"), node("Squeeze", "t a", "s"), node("Concat", "s c", axis=0)]
    made = case(nodes, {"x": array(1, 1, 1)}, {"c": array(4, 1, 1), "a": np.int64([1])})
    param = f"7767517\n4 4\nInput in0 0 1 in0\n{layer} r 1 1 in0 1 0=1\nMemoryData c 0 1 2 {sizes}\n"
    param += "Concat j 2 1 1 2 out0 0=0\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 1}, 1)) == expected


@pytest.mark.parametrize(
    ("between", "read", "expected"),
    [("Reshape r 1 1 1 2 0=2 1=2 12=233 13=0", "2", MATRIX_LOSES_IT), ("", "1", "")],
)
def test_a_matrix_that_is_given_a_batch_is_a_products_matter(between: str, read: str, expected: str) -> None:
    nodes = [node("Gemm", "x w", "t"), node("Abs", "t")]
    made = case(nodes, {"x": array(1, 2)}, {"w": array(2, 2)})
    param = f"7767517\n3 3\nInput in0 0 1 in0\nMemoryData w 0 1 1 0=2 1=2\n{between}\n"
    param += f"Gemm g 2 1 in0 {read} out0\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 0}, 0)) == expected


EINSUM = (
    "7767517\n4 4\nInput in0 0 1 in0\nPooling p 1 1 in0 1 0=0\n{} 0 1 2 {}\nEinsum e 2 1 1 2 out0 -23300=0\n"
)


@pytest.mark.parametrize(
    ("matrix", "sizes", "axis", "expected"),
    [
        ((1, 2), "0=2", 0, MATRIX_LOSES_IT),
        ((1, 2), "0=2", None, ""),
        ((1, 2), "0=2 1=1", 0, ""),
        ((2, 2), "0=2 1=2", 0, ""),
        ((1, 2, 3), "0=3 1=2", 0, MATRIX_LOSES_IT),
    ],
)
def test_a_constant_matrix_beside_an_image_is_taken_for_a_batch(
    matrix: tuple[int, ...], sizes: str, axis: int | None, expected: str
) -> None:
    nodes = [node("MaxPool", "x", "t", kernel_shape=[1, 1]), node("Einsum", "t w", equation="nctv,vw->nctw")]
    made = case(nodes, {"x": array(1, 1, 1, 1)}, {"w": array(*matrix)})
    conversion = by_pnnx(EINSUM.format("MemoryData w", sizes), {"x": axis}, axis)
    assert first_fault(batch_faults, judgement(made), conversion) == expected


@pytest.mark.parametrize(
    ("matrix", "axis", "expected"), [((1, 2), 0, MATRIX_LOSES_IT), ((1, 2), None, ""), ((1, 2, 2), 0, "")]
)
def test_a_matrix_that_is_fed_is_taken_for_a_batch_too(
    matrix: tuple[int, ...], axis: int | None, expected: str
) -> None:
    nodes = [node("MaxPool", "x", "t", kernel_shape=[1, 1]), node("Einsum", "t w", equation="nctv,vw->nctw")]
    made = case(nodes, {"x": array(1, 1, 1, 1), "w": array(*matrix)})
    conversion = by_pnnx(EINSUM.format("Input in1", ""), {"x": 0, "w": axis}, 0)
    assert first_fault(batch_faults, judgement(made), conversion) == expected


@pytest.mark.parametrize(
    ("shape", "sizes", "expected"),
    [((2, 2), "0=2 1=2", ""), ((2, 1, 2), "0=2 1=1 2=2", CONSTANT_KEEPS_IT)],
)
def test_stacked_matrices_have_a_batch_a_single_one_has_none(
    shape: tuple[int, ...], sizes: str, expected: str
) -> None:
    made = case([node("MatMul", "x w")], {"x": array(*shape)}, {"w": array(*shape)})
    param = f"7767517\n3 3\nInput in0 0 1 in0\nMemoryData w 0 1 1 {sizes}\nMatMul m 2 1 in0 1 out0\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 0}, 0)) == expected


def test_an_output_has_as_many_axes_as_the_constant_where_the_input_has_fewer() -> None:
    """Rows that an ``Embed`` makes of indices."""
    nodes = [node("Gather", "w i", "t"), node("Add", "t c")]
    made = case(nodes, {"i": np.int64([[0], [1]])}, {"w": array(2, 2), "c": array(2, 1, 2)})
    conversion = by_pnnx(ADDED.format(sizes="0=2 1=1 2=2"), {"i": 0}, 0)
    judged = replace(judgement(made), reference=Reference({"y": array(2, 1, 2)}))
    assert first_fault(batch_faults, judged, conversion) == CONSTANT_KEEPS_IT
    assert first_fault(batch_faults, judgement(made), conversion) == ""


@pytest.mark.parametrize(
    ("made_of_it", "expected"),
    [("12=233 13=1", MATRIX_LOSES_IT), ("12=1 13=233", CONSTANT_KEEPS_IT), ("", CONSTANT_KEEPS_IT)],
)
def test_a_constant_that_is_given_a_batch_is_a_products_matter(made_of_it: str, expected: str) -> None:
    param = (
        "7767517\n4 4\nInput in0 0 1 in0\nMemoryData w 0 1 1 0=2 1=2\n"
        f"Reshape s 1 1 1 2 0=2 1=2 {made_of_it}\nGemm g 2 1 in0 2 out0 0=1\n"
    )
    made = case([node("Gemm", "x w")], {"x": array(2, 2)}, {"w": array(2, 2)})
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 0}, 0)) == expected
    row = case([node("Gemm", "x w")], {"x": array(2, 1)}, {"w": array(1, 2)})
    of_row = by_pnnx(param.replace("0=2 1=2\nReshape", "0=2 1=1\nReshape"), {"x": 0}, 0)
    assert (first_fault(batch_faults, judgement(row), of_row) == MATRIX_LOSES_IT) is (
        expected == MATRIX_LOSES_IT
    )


def test_the_summand_of_a_product_is_no_batch_either() -> None:
    """Though the first operand is transposed: without the summand's batch that does no harm."""
    nodes = [node("Gemm", "x w c", "t", transA=1), node("Abs", "t")]
    made = case(nodes, {"x": array(1, 2)}, {"w": array(1, 2), "c": array(1, 3)})
    gemm = EINSUM.format("MemoryData c", "0=3").replace("Einsum e 2 1 1 2", "Gemm e 2 1 1 2")
    assert first_fault(batch_faults, judgement(made), by_pnnx(gemm, {"x": 0}, 0)) == MATRIX_LOSES_IT
