"""What onnx2ncnn's layers lack of the graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_cases import array, by_onnx2ncnn, case, first_fault, node

from fuzzconv.findings import legacy
from fuzzconv.findings.legacy import (
    CEIL_OVER_SAME,
    CROPS_NOTHING,
    DEFAULT_AXIS,
    DEFAULT_ORDER,
    GATHER_DEFAULT,
    INDEX_KEEPS_AXIS,
    MESSAGES,
    NOT_FLATTENED,
    ONE_OPERAND,
    PAD_OF_ONE,
    POOLED_AXES,
    RECURRENT_AXES,
    RECURRENT_BATCH,
    SHORTENED,
    WITHOUT_ORDER,
    legacy_faults,
)
from fuzzconv.findings.parameters import TWO_OF_MANY

POOLED = "7767517\n{}\nInput x 0 1 x\nPooling p 1 1 x a 0=1 4=1\n{}"
ONE = case([node("Relu", "x")], {"x": array(1, 2)})
NOTHING = "7767517\n1 1\nInput x 0 1 x\n"


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ("", ""),
        ("Split s 1 2 a b c\n", ""),
        ("Split s 1 2 a b c\nPadding q 1 1 c y 0=1\n", POOLED_AXES),
        ("Softmax r 1 1 a y 0=0\n", POOLED_AXES),
        ("Softmax r 1 1 x y 0=0\n", ""),
        ("BinaryOp r 2 1 a x y 0=6\n", ""),
        ("BinaryOp r 2 1 a x b 0=6\nSoftmax q 1 1 b y 0=0\n", ""),
        ("MemoryData m 0 1 m\nBinaryOp r 2 1 a m b 0=6\nSoftmax q 1 1 b y 0=0\n", POOLED_AXES),
        ("ReLU r 1 1 a b\nReduction q 1 1 b y 0=0\n", POOLED_AXES),
        ("PReLU r 1 1 a b\nPixelShuffle q 1 1 b y 0=2\n", POOLED_AXES),
        ("Convolution r 1 1 a y 0=1 1=2\n", POOLED_AXES),
        ("Convolution r 1 1 a y 0=1 1=1 11=1 4=1\n", POOLED_AXES),
        ("Convolution r 1 1 a y 0=1 1=1 11=1 4=0\n", ""),
        ("Convolution r 1 1 a b 0=1 1=1\nSoftmax q 1 1 b y 0=1\n", POOLED_AXES),
        ("ReLU a name 1 1 a y\n", ""),
        ("LSTM l 1 1 x b 0=1\nReLU r 1 1 b c\nPermute p 1 1 c y 0=2\n", RECURRENT_AXES),
        ("GRU l 1 1 x b 0=1\nReLU r 1 1 b y\n", ""),
    ],
)
def test_what_stands_behind_global_pooling_has_fewer_axes(behind: str, expected: str) -> None:
    param = POOLED.format("9 9", behind)
    assert first_fault(legacy_faults, ONE, by_onnx2ncnn(param)) == expected


def test_an_eltwise_of_one_operand() -> None:
    param = "7767517\n2 2\nInput x 0 1 x\nEltwise y {} 0=1\n"
    assert first_fault(legacy_faults, ONE, by_onnx2ncnn(param.format("1 1 x y"))) == ONE_OPERAND
    assert first_fault(legacy_faults, ONE, by_onnx2ncnn(param.format("2 1 x x y"))) == ""


@pytest.mark.parametrize(
    ("operator", "operands", "expected"),
    [("Max", "x x w", TWO_OF_MANY), ("Min", "x w x", ""), ("Min", "w w x", TWO_OF_MANY), ("Max", "x w", "")],
)
def test_two_operands_of_a_maximum_of_three(operator: str, operands: str, expected: str) -> None:
    made = case([node(operator, operands)], {"x": array(1, 2)}, {"w": array(1, 2) + 1})
    layer = f"BinaryOp y {len(operands.split())} 1 {operands} y 0=4"
    param = f"7767517\n3 3\nInput x 0 1 x\nMemoryData w 0 1 w 0=2\n{layer}\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param.replace("w 0=2", "w 0=0"))) == ""


@pytest.mark.parametrize(
    ("settings", "expected"),
    [("-23309=0 -23310=0", CROPS_NOTHING), ("-23309=1,0 -23310=1,1 -23311=1,0", ""), ("0=1", "")],
)
def test_a_crop_along_no_axis(settings: str, expected: str) -> None:
    param = f"7767517\n2 2\nInput x 0 1 x\nCrop y 1 1 x y {settings}\n"
    places = {"s": np.int64([0]), "e": np.int64([1]), "a": np.int64([0])}
    made = case([node("Slice", "x s e a")], {"x": array(1, 2)}, places)
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected


def test_a_crop_whose_starts_are_not_read_has_another_cause() -> None:
    param = "7767517\n2 2\nInput x 0 1 x\nCrop y 1 1 x y -23309=0 -23310=0\n"
    computed = [node("Identity", "s", "t"), node("Slice", "x t e a")]
    places = {"s": np.int64([0]), "e": np.int64([1]), "a": np.int64([0])}
    listed = [node("Constant", "", "s", value_ints=[0]), node("Slice", "x s e a")]
    for nodes, stored in ((computed, places), (listed, {k: v for k, v in places.items() if k != "s"})):
        made = case(nodes, {"x": array(1, 2)}, stored)
        assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == ""


@pytest.mark.parametrize(
    ("shape", "order", "attributes", "behind", "expected"),
    [
        ((1, 2, 2), "", {"perm": [2, 1, 0]}, "", WITHOUT_ORDER),
        ((1, 2, 2), "", {}, "", DEFAULT_ORDER),
        ((1, 2, 2), "0=1", {"perm": [0, 2, 1]}, "", ""),
        ((1, 2, 1), "", {"perm": [2, 1, 0]}, "BinaryOp z 2 1 x y z 0=0", ""),
        ((1, 2, 1), "", {"perm": [0, 2, 1]}, "Softmax z 1 1 y z 0=0", WITHOUT_ORDER),
    ],
)
def test_a_permute_without_an_order(
    shape: tuple[int, ...], order: str, attributes: dict, behind: str, expected: str
) -> None:
    param = f"7767517\n2 2\nInput x 0 1 x\nPermute y 1 1 x y {order}\n{behind}\n"
    made = case([node("Transpose", "x", **attributes)], {"x": array(*shape)})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected


@pytest.mark.parametrize(
    ("axis", "written", "expected"),
    [
        (0, "0=1 1=4", SHORTENED),
        (-3, "0=1 1=4", SHORTENED),
        (1, "0=1 1=4", ""),
        (0, "0=1 1=4 2=1", ""),
    ],
)
def test_a_constant_joined_along_the_axis_that_it_has_lost(axis: int, written: str, expected: str) -> None:
    param = (
        f"7767517\n3 3\nInput x 0 1 x\nMemoryData c 0 1 c {written}\nConcat y 2 1 x c y 0={min(axis, 0)}\n"
    )
    made = case([node("Concat", "x c", axis=axis)], {"x": array(1, 4, 1)}, {"c": array(1, 4, 1)})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected


@pytest.mark.parametrize(
    ("written", "layer", "expected"),
    [
        ("0=1 1=4", "BinaryOp z 2 1 x c z 0=0", SHORTENED),
        ("0=1 1=4 2=1", "BinaryOp z 2 1 x c z 0=0", ""),
        ("0=1 1=4", "Softmax z 1 1 x z 0=0", ""),
    ],
)
def test_a_constant_that_has_lost_an_axis_which_another_operator_needs(
    written: str, layer: str, expected: str
) -> None:
    param = f"7767517\n4 4\nInput x 0 1 x\nMemoryData c 0 1 c {written}\nConcat y 1 1 x y 0=0\n{layer}\n"
    nodes = [node("Concat", "x", axis=0), node("Add", "x c", "z")]
    made = case(nodes, {"x": array(1, 4, 1)}, {"c": array(1, 4, 1)})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected
    folded = "\n".join(line for line in param.splitlines() if "MemoryData" not in line)
    assert first_fault(legacy_faults, made, by_onnx2ncnn(folded)) == ""


CROPPED = "7767517\n3 3\nInput x 0 1 x\nCrop t 1 1 x t -23309=1,0 -23310=1,1 -23311=1,0\n{}\n"


@pytest.mark.parametrize(
    ("index", "axis", "layer", "expected"),
    [
        (np.array(0), {"axis": 1}, "Softmax y 1 1 t y 0=0", INDEX_KEEPS_AXIS),
        (np.array(0), {"axis": 1}, "BinaryOp y 2 1 x t y 0=0", INDEX_KEEPS_AXIS),
        (np.array(0), {"axis": 1}, "BinaryOp y 1 1 t y 0=0 1=1", ""),
        (np.array(0), {"axis": 1}, "ReLU y 1 1 t y", ""),
        (np.array(0), {"axis": 0}, "Softmax y 1 1 t y 0=0", ""),
        (np.array([0]), {"axis": 1}, "Softmax y 1 1 t y 0=0", ""),
        (np.array(0), {}, "Softmax y 1 1 t y 0=0", GATHER_DEFAULT),
    ],
)
def test_one_index_keeps_its_axis_where_something_counts_axes(
    index: np.ndarray, axis: dict, layer: str, expected: str
) -> None:
    nodes = [node("Gather", "x i", "t", **axis), node("Relu", "t")]
    made = case(nodes, {"x": array(1, 2)}, {"i": index})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(CROPPED.format(layer))) == expected


@pytest.mark.parametrize(
    ("direction", "blob", "expected"),
    [("bidirectional", "t", RECURRENT_AXES), ("forward", "t", ""), ("bidirectional", "y", "")],
)
def test_a_recurrent_layer_of_two_directions(direction: str, blob: str, expected: str) -> None:
    count = 2 if direction == "bidirectional" else 1
    weights = {"w": array(count, 1, 1), "r": array(count, 1, 1), "s": np.int64([0, 0, -1])}
    nodes = [
        node("RNN", "x w r", "t", hidden_size=1, direction=direction),
        node("Transpose", "t", "u", perm=[0, 2, 1, 3]),
        node("Reshape", "u s"),
    ]
    made = case(nodes, {"x": array(1, 1, 1)}, weights)
    made.model.graph.output.extend([onnx.ValueInfoProto(name="t")] if blob == "t" else [])
    param = f"7767517\n2 2\nInput x 0 1 x\nRNN r 1 1 x {blob} 0=1\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"auto_pad": "SAME_UPPER", "ceil_mode": 1}, CEIL_OVER_SAME),
        ({"auto_pad": "SAME_LOWER", "ceil_mode": 0}, ""),
        ({"auto_pad": "VALID", "ceil_mode": 1}, ""),
        ({"auto_pad": "SAME_UPPER", "ceil_mode": 1, "kernel_shape": [1, 1, 2]}, ""),
    ],
)
def test_a_pooling_that_is_told_two_ways_of_padding(attributes: dict, expected: str) -> None:
    made = case([node("MaxPool", "x", **{"kernel_shape": [2], **attributes})], {"x": array(1, 1, 2)})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(NOTHING)) == expected


@pytest.mark.parametrize(
    ("shape", "attributes", "opset", "expected"),
    [
        ((1, 2, 2), {}, 11, NOT_FLATTENED),
        ((1, 2, 2), {}, 13, DEFAULT_AXIS),
        ((1, 2), {}, 13, ""),
        ((1, 2, 2), {"axis": 1}, 13, ""),
        ((1, 2), {}, 11, ""),
        ((1, 2, 2), {"axis": 2}, 11, ""),
        ((1, 2, 2), {"axis": -1}, 11, ""),
        ((1, 2, 2), {"axis": -2}, 11, NOT_FLATTENED),
        ((1, 3, 1, 1), {"axis": 1}, 11, ""),
        ((3,), {}, 13, ""),
        ((1, 2, 1, 1), {}, 13, DEFAULT_AXIS),
        ((1, 1, 2, 1), {}, 13, ""),
    ],
)
def test_a_softmax_over_several_axes(
    shape: tuple[int, ...], attributes: dict, opset: int, expected: str
) -> None:
    made = case([node("Softmax", "x", **attributes)], {"x": array(*shape)}, opset=opset)
    assert first_fault(legacy_faults, made, by_onnx2ncnn(NOTHING)) == expected


@pytest.mark.parametrize(("shape", "expected"), [((2,), PAD_OF_ONE), ((1, 2), "")])
def test_a_pad_of_one_axis(shape: tuple[int, ...], expected: str) -> None:
    made = case([node("Pad", "x p")], {"x": array(*shape)}, {"p": np.int64([0, 1] * len(shape))})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(NOTHING)) == expected


def test_another_concat_along_the_first_axis_does_not_join_a_constant_along_it() -> None:
    param = "7767517\n4 4\nInput x 0 1 x\nMemoryData c 0 1 c 0=1 1=4\nConcat y 1 1 x y 0=0\n"
    param += "Concat z 2 1 x c z 0=0\nSoftmax s 1 1 z s 0=0\n"
    nodes = [node("Concat", "x", axis=0), node("Concat", "x c", "z", axis=1)]
    made = case(nodes, {"x": array(1, 4, 1)}, {"c": array(1, 4, 1)})
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == ""


@pytest.mark.parametrize(("batch", "expected"), [(2, RECURRENT_BATCH), (1, "")])
def test_a_batch_that_is_taken_for_steps(batch: int, expected: str) -> None:
    made = case(
        [node("RNN", "x w r b", hidden_size=1)],
        {"x": array(1, batch, 1)},
        {"w": array(1, 1, 1), "r": array(1, 1, 1), "b": array(1, 2)},
    )
    network = "7767517\n2 2\nInput x 0 1 x\nRNN y 1 1 x y 0=1\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(network)) == expected
    assert (
        first_fault(legacy_faults, made, by_onnx2ncnn(f"{network}Permute z 1 1 y z 0=2\n")) == RECURRENT_AXES
    )


def test_every_cause_that_is_named_is_a_symptom_whatever_it_shows_as() -> None:
    named = {value for name, value in vars(legacy).items() if name.isupper() and name[0] != "_"}
    assert {text for text in named if isinstance(text, str)} == MESSAGES
