"""Reshapes of onnx2ncnn's networks."""

from __future__ import annotations

import numpy as np
import pytest
from small_cases import array, by_onnx2ncnn, case, first_fault, judgement, node, verdict

from fuzzconv.findings.legacy import WITHOUT_ORDER, legacy_faults
from fuzzconv.findings.reshapes import FIVE_SIZES, WITHOUT_ALL, WITHOUT_FIRST, ZERO_COPIES
from fuzzconv.findings.signature import signature_of
from fuzzconv.findings.written import telling_message
from fuzzconv.verdict import Kind

NOTHING = "7767517\n1 1\nInput x 0 1 x\n"


@pytest.mark.parametrize(
    ("shape", "sizes", "expected"),
    [
        ((1, 1, 2, 2), [0, 0, -1], ZERO_COPIES),
        ((1, 2, 2, 3), [0, 0, -1], ""),
        ((1, 1, 2, 2), [0, -1], ""),
        ((1, 2, 3), [0, 0, 3, 1], ZERO_COPIES),
        ((1, 1, 2, 2), [0, 0, 1, -1], ""),
        ((1, 1, 2, 2), [1, 1, -1], ""),
        ((1, 2), [1, 1, 2, 0], ""),
    ],
)
def test_a_size_that_is_copied_to_another_number_of_axes(
    shape: tuple[int, ...], sizes: list[int], expected: str
) -> None:
    made = case([node("Reshape", "x s")], {"x": array(*shape)}, {"s": np.int64(sizes)})
    param = "7767517\n2 2\nInput x 0 1 x\nReshape y 1 1 x y 0=-1\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param.replace("Reshape", "Noop"))) == ""


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1, 1, 1, 2, 1], FIVE_SIZES),
        ([1, 1, 2, 1], ""),
        ([1, -1, 1, 1, 1], FIVE_SIZES),
        ([1, 1, 1, 2, -1], FIVE_SIZES),
        ([1, 1, 1, 0, 1], FIVE_SIZES),
        ([1, 1, 1, 1, 2, 1], WITHOUT_ALL),
    ],
)
def test_a_reshape_to_five_axes(sizes: list[int], expected: str) -> None:
    made = case(
        [node("Reshape", "x s")],
        {"x": array(1, 1, 1, 1, 2)[..., : 1 + (0 not in sizes)]},
        {"s": np.int64(sizes)},
    )
    network = by_onnx2ncnn("7767517\n2 2\nInput x 0 1 x\nReshape y 1 1 x y 0=1\n")
    assert first_fault(legacy_faults, made, network) == expected
    assert first_fault(legacy_faults, made, by_onnx2ncnn(NOTHING)) == ""
    attribute = case([node("Reshape", "x", shape=sizes)], {"x": array(1, 2)}, opset=1)
    assert first_fault(legacy_faults, attribute, network) == expected


def test_a_reshape_without_sizes_is_refused_whatever_its_sizes_are() -> None:
    made = case([node("Reshape", "x s")], {"x": array(1, 6)}, {"s": np.int64([1, 1, 1, 1, 6, 1])})
    network = by_onnx2ncnn("7767517\n2 2\nInput x 0 1 x\nReshape y 1 1 x y\n")
    refused = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message="layer load_param 1 y failed")
    signature = signature_of(judgement(made, refused, conversions={"onnx2ncnn": network}), refused)
    assert (signature.operators, signature.message) == ((), WITHOUT_ALL)


def test_another_fault_of_another_layer_does_not_hide_what_is_refused() -> None:
    nodes = [node("Reshape", "x s", "t"), node("Transpose", "t", perm=[0, 1, 5, 3, 2, 4])]
    made = case(nodes, {"x": array(1, 8)}, {"s": np.int64([1, 1, 2, 2, 2, 1])})
    network = by_onnx2ncnn("7767517\n3 3\nInput x 0 1 x\nReshape t 1 1 x t\nPermute y 1 1 t y\n")
    assert list(legacy_faults(made, network)) == [WITHOUT_ORDER, WITHOUT_ALL]
    for layer, expected in (("t", WITHOUT_ALL), ("y", "")):
        message = f"layer load_param 1 {layer} failed"
        refused = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message=message)
        found = judgement(made, refused, conversions={"onnx2ncnn": network})
        assert telling_message(found, refused) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([3, 1, 2], WITHOUT_FIRST), ([-1, 2], WITHOUT_FIRST), ([1, 3, 2], ""), ([6], "")],
)
def test_more_than_one_batch_is_made(sizes: list[int], expected: str) -> None:
    made = case([node("Reshape", "x s")], {"x": array(1, 6)}, {"s": np.int64(sizes)})
    network = by_onnx2ncnn("7767517\n2 2\nInput x 0 1 x\nReshape y 1 1 x y 0=1\n")
    assert first_fault(legacy_faults, made, network) == expected
