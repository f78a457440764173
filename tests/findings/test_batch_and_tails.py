"""What the converted network tells of batch axes, and of the nodes behind a recurrent layer."""

from __future__ import annotations

import numpy as np
import pytest
from small_cases import array, by_pnnx, case, first_fault, judgement, node, verdict

from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.batch import (
    AXIS_OF_BIAS,
    BEHIND_RECURRENT,
    BESIDE_RECURRENT,
    FIVE_AXES,
    GIVEN_STATE,
    LOWER_BATCH,
    ONE_BLOB,
    TRANSPOSED,
    batch_faults,
    certain_faults,
)
from fuzzconv.findings.signature import signature_of
from fuzzconv.findings.tails import absorbed
from fuzzconv.findings.written import telling_message
from fuzzconv.verdict import Kind

GRU_ALONE = "7767517\n2 2\nInput in0 0 1 in0\nGRU gru 1 1 in0 out0 0=2\n"
GRU_AND_PERMUTE = "7767517\n3 3\nInput in0 0 1 in0\nGRU gru 1 1 in0 a 0=2\nPermute p 1 1 a out0 0=1\n"


@pytest.mark.parametrize(
    ("second", "axes", "expected"),
    [
        ((2, 1), (0, 0), ONE_BLOB),
        ((1, 2), (0, 0), ""),
        ((2, 1), (0, 1), ""),
        ((2,), (0, 0), ONE_BLOB),
        ((4,), (0, 0), ""),
    ],
)
def test_two_outputs_that_are_one_blob(second: tuple[int, ...], axes: tuple[int, int], expected: str) -> None:
    made = case([node("Relu", "x"), node("Transpose", "y", "z")], {"x": array(1, 2)}, outputs=("y", "z"))
    outputs = tuple(
        Binding(name, f"out{i}", axis) for i, (name, axis) in enumerate(zip("yz", axes, strict=True))
    )
    conversion = by_pnnx("7767517\n2 2\nReLU r 1 1 in0 1\nSplit s 1 2 1 out0 out1\n", {}, None)
    conversion.feedings = (Feeding((), outputs),)
    bad = verdict("pnnx:fp16=0/cpu", Kind.SHAPE_MISMATCH, output="y")
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    found.reference.outputs.update({"y": array(1, 2), "z": array(*second)})
    assert first_fault(certain_faults, found, conversion) == telling_message(found, bad) == expected


@pytest.mark.parametrize(
    ("layer", "axes", "expected"),
    [("RNN", (0, 1), BESIDE_RECURRENT), ("RNN", (1, 1), ""), ("BinaryOp", (0, 1), "")],
)
def test_inputs_with_batches_of_other_sizes_about_a_recurrent_layer(
    layer: str, axes: tuple[int, int], expected: str
) -> None:
    made = case([node("RNN", "x w r s", "y")], {"x": array(3, 2, 1), "s": array(1, 2, 1)})
    conversion = by_pnnx(f"7767517\n2 2\n{layer} r 2 1 in0 in1 out0\n", {"x": axes[0], "s": axes[1]}, 1)
    assert first_fault(certain_faults, judgement(made), conversion) == expected


@pytest.mark.parametrize(
    ("layer", "batch", "expected"),
    [
        ("", 2, True),
        ("", 1, False),
        ("Split s 1 2 out0 2 3\nBinaryOp b 2 1 2 in0 4 0=0\n", 1, True),
        ("ReLU b 1 1 out0 2\n", 1, False),
        ("Reshape b 1 1 out0 2 0=1 1=1 12=233 13=1\n", 1, True),
        ("Reshape b 1 1 out0 2 0=1 1=1\n", 1, False),
    ],
)
def test_a_last_state_that_has_no_batch_for_pnnx(layer: str, batch: int, expected: bool) -> None:
    made = case([node("RNN", "x w r", "t y")], {"x": array(1, batch, 1)})
    param = f"7767517\n4 4\nInput in0 0 1 in0\nRNN r 1 2 in0 1 out0 0=1\n{layer}"
    judged = judgement(made)
    judged.reference.outputs["y"] = array(1, batch, 1)
    conversion = by_pnnx(param, {"x": 1}, None)
    told = first_fault(certain_faults, judged, conversion) or first_fault(batch_faults, judged, conversion)
    assert (told == GIVEN_STATE) is expected
    if not layer:
        assert first_fault(batch_faults, judged, by_pnnx(param, {"x": 1}, 1)) != GIVEN_STATE
        for shape in ((6,), (2, 3)):
            judged.reference.outputs["y"] = array(*shape)
            assert first_fault(batch_faults, judged, by_pnnx(param, {"x": 1}, None)) != GIVEN_STATE


@pytest.mark.parametrize(
    ("product", "behind", "expected"),
    [
        ("Gemm g 3 1 in0 1 2 3 0=1", "12=233 13=0", AXIS_OF_BIAS),
        ("Gemm g 2 1 in0 1 3 0=1", "12=233 13=0", ""),
        ("Gemm g 3 1 in0 1 2 3 0=1", "12=0 13=233", ""),
    ],
)
def test_a_batch_is_made_where_a_product_has_one(product: str, behind: str, expected: str) -> None:
    param = f"7767517\n3 3\nInput in0 0 1 in0\n{product}\nReshape s 1 1 3 out0 0=1 {behind}\n"
    made = case([node("Gemm", "x w b", "y")], {"x": array(2, 1)}, {"w": array(1, 2), "b": array(2)})
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": 0}, 0)) == expected


EINSUM = (
    "7767517\n4 4\nInput in0 0 1 in0\nPooling p 1 1 in0 1 0=0\n{} 0 1 2 {}\nEinsum e 2 1 1 2 out0 -23300=0\n"
)


@pytest.mark.parametrize(("transposed", "axis", "expected"), [(1, 0, TRANSPOSED), (0, 0, ""), (1, None, "")])
def test_the_columns_of_a_transposed_matrix_are_no_batch(
    transposed: int, axis: int | None, expected: str
) -> None:
    nodes = [node("Abs", "x", "t"), node("Gemm", "t w", transA=transposed)]
    made = case(nodes, {"x": array(1, 2)}, {"w": array(1, 1)})
    conversion = by_pnnx(EINSUM.format("MemoryData w", "0=1 1=1"), {"x": axis}, axis)
    assert first_fault(batch_faults, judgement(made), conversion) == expected


def test_an_input_that_is_transposed_has_a_shape() -> None:
    nodes = [node("Gemm", "x w", "t", transA=1), node("Abs", "t")]
    made = case(nodes, {"x": array(1, 2)}, {"w": array(1, 1)})
    conversion = by_pnnx(EINSUM.format("MemoryData w", "0=1 1=1"), {"x": 0}, 0)
    assert first_fault(batch_faults, judgement(made), conversion) == ""


@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [((2, 1, 1), 0, LOWER_BATCH), ((1, 1, 2), 0, ""), ((2, 1, 1), None, ""), ((1, 2, 1, 1), 0, "")],
)
def test_a_batch_of_an_operand_of_fewer_axes_is_no_batch_of_the_other(
    shape: tuple[int, ...], axis: int | None, expected: str
) -> None:
    nodes = [node("Div", "z x"), node("MaxPool", "x", "p", kernel_shape=[1])]
    made = case(nodes, {"z": array(1, 2, 1, 1), "x": array(*shape)})
    param = "7767517\n3 3\nInput in0 0 1 in0\nInput in1 0 1 in1\nBinaryOp d 2 1 in0 in1 out0 0=3\n"
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"z": 0, "x": axis}, 0)) == expected


@pytest.mark.parametrize(
    ("axes", "fed", "axis", "expected"),
    [([0], 4, None, FIVE_AXES), ([0], 4, 0, ""), ([0], 3, None, ""), ([0], 5, None, "")],
)
def test_five_axes_within_are_too_many_without_a_batch(
    axes: list[int], fed: int, axis: int | None, expected: str
) -> None:
    made = case(
        [node("Unsqueeze", "x", "t", axes=axes), node("Abs", "t")], {"x": array(*(1,) * fed)}, opset=11
    )
    unsqueezed = by_pnnx("7767517\n2 2\nInput in0 0 1 in0\nExpandDims e 1 1 in0 out0\n", {"x": axis}, axis)
    assert first_fault(batch_faults, judgement(made), unsqueezed) == expected
    refused = verdict("pnnx:fp16=0/cpu", Kind.LOAD_FAILURE, "load", message="layer load_param 1 e failed")
    found = judgement(made, refused, conversions={"pnnx:fp16=0": unsqueezed})
    signature = signature_of(found, refused)
    assert (signature.message == FIVE_AXES) is bool(expected)
    assert not expected or signature.operators == ("Unsqueeze",)


IN_FRONT = "7767517\n3 3\nInput in0 0 1 in0\nGRU gru 1 1 in0 a 0=2\nBatchNorm b 1 1 a out0 0=2\n"
BEHIND = "7767517\n3 3\nInput in0 0 1 in0\nUnaryOp u 1 1 in0 a 0=0\nGRU gru 1 1 a out0 0=2\n"


BEHIND_SPLIT = (
    "7767517\n4 5\nInput in0 0 1 in0\nConvolution1D c 1 1 in0 a 0=1\n"
    "Split s 1 2 a out1 b\nGRU gru 1 1 b out0 0=2\n"
)


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ("Softmax s 1 1 h out0 0=2 1=1", GIVEN_STATE),
        ("UnaryOp u 1 1 h a 0=0\nSplit p 1 2 a b c\nReduction r 1 1 c out0 0=0", GIVEN_STATE),
        ("UnaryOp u 1 1 h out0 0=0", BEHIND_RECURRENT),
        ("Softmax s 1 1 y out0 0=2 1=1", BEHIND_RECURRENT),
    ],
)
def test_axes_that_are_named_behind_a_state(behind: str, expected: str) -> None:
    made = case([node("Relu", "x")], {"x": array(1, 1, 1)})
    network = by_pnnx(f"7767517\n3 3\nInput in0 0 1 in0\nRNN r 1 2 in0 y h 0=2\n{behind}\n", {"x": 1}, None)
    assert first_fault(batch_faults, judgement(made), network) == expected


@pytest.mark.parametrize(
    ("param", "axes", "expected"),
    [
        (BEHIND, (1, None), BESIDE_RECURRENT),
        (BEHIND, (0, 0), BESIDE_RECURRENT),
        (IN_FRONT, (1, 0), BEHIND_RECURRENT),
        (IN_FRONT, (1, 1), BEHIND_RECURRENT),
        (IN_FRONT.replace("BatchNorm", "UnaryOp"), (1, 1), ""),
        (BEHIND.replace("UnaryOp", "Convolution1D"), (1, 1), BESIDE_RECURRENT),
        (BEHIND_SPLIT, (0, 0), BESIDE_RECURRENT),
        (BEHIND, (1, 1), ""),
        (GRU_ALONE, (0, 0), ""),
    ],
)
def test_a_recurrent_layer_behind_another_needs_the_batch_axis_that_it_has(
    param: str, axes: tuple[int | None, int | None], expected: str
) -> None:
    made = case([node("Relu", "x")], {"x": array(2, 1, 1)})
    assert first_fault(batch_faults, judgement(made), by_pnnx(param, {"x": axes[0]}, axes[1])) == expected
    other = by_pnnx(param, {"x": axes[0]}, axes[1], converter="onnx2ncnn")
    assert first_fault(batch_faults, judgement(made), other) == ""


@pytest.mark.parametrize("kind", [Kind.CRASH, Kind.LOAD_FAILURE])
def test_a_network_that_fails_when_it_runs_is_told_by_the_same(kind: Kind) -> None:
    made = case([node("Relu", "x", "t"), node("Abs", "t")], {"x": array(2, 1, 1)})

    def message(stage: str) -> str:
        bad = verdict("pnnx:fp16=0/cpu", kind, stage)
        found = judgement(made, bad, conversions={"pnnx:fp16=0": by_pnnx(BEHIND, {"x": 1}, None)})
        return signature_of(found, bad).message

    assert message("run") == BESIDE_RECURRENT
    assert message("convert") != BESIDE_RECURRENT


SQUEEZED = [node("GRU", "x w r", "t", hidden_size=2), node("Squeeze", "t a")]
TURNED_AND_RESHAPED = [
    node("GRU", "x w r", "t", hidden_size=2),
    node("Transpose", "t", "u", perm=[0, 2, 1, 3]),
    node("Reshape", "u a"),
]


@pytest.mark.parametrize("nodes", [SQUEEZED, TURNED_AND_RESHAPED], ids=["squeeze", "transpose"])
def test_which_tail_a_recurrent_layer_has_is_no_part_of_the_signature(nodes: list) -> None:
    made = case(nodes, {"x": array(1, 1, 1)}, {"w": array(1, 6, 1), "r": array(1, 6, 2), "a": np.array([1])})
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE)
    found = judgement(made, bad, conversions={"pnnx:fp16=0": by_pnnx(GRU_ALONE, {"x": 1}, 1)})
    assert signature_of(found, bad, ()).operators == ("GRU",)


def test_a_tail_that_was_converted_to_a_layer_stays() -> None:
    made = case(TURNED_AND_RESHAPED, {"x": array(1, 1, 1)})
    assert absorbed(made, by_pnnx(GRU_ALONE, {"x": 1}, 1)) == {1, 2}
    assert absorbed(made, by_pnnx(GRU_AND_PERMUTE, {"x": 1}, 1)) == set()
    assert absorbed(made, None) == set()


def test_what_moves_data_behind_another_layer_stays() -> None:
    made = case([node("Conv", "x w", "t"), node("Squeeze", "t a")], {"x": array(1, 1, 1)})
    conv = "7767517\n2 2\nInput in0 0 1 in0\nConvolution1D c 1 1 in0 out0 0=1\n"
    assert absorbed(made, by_pnnx(conv, {"x": 0}, 0)) == set()
