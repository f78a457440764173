"""Operands of fewer axes in onnx2ncnn's networks."""

from __future__ import annotations

import numpy as np
import pytest
from small_cases import array, by_onnx2ncnn, case, first_fault, judgement, node, verdict

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.broadcasts import LOWER_RANK, have_other_ranks
from fuzzconv.findings.legacy import legacy_faults
from fuzzconv.findings.signature import signature_of
from fuzzconv.verdict import Kind

NETWORK = "7767517\n4 5\nInput x 0 1 x\nSplit s 1 2 x a b\nMemoryData w 0 1 w {}\nBinaryOp y 2 1 b w y 0=2\n"
WITHOUT_BATCH, WHOLE = (
    Feeding((Binding("x", "x", squeeze_axis=axis),), (Binding("y", "y", squeeze_axis=axis),))
    for axis in (0, None)
)


def scaled(shape: tuple[int, ...], weight: Array) -> Case:
    return case([node("Mul", "x w")], {"x": array(*shape)}, {"w": weight})


@pytest.mark.parametrize(
    ("shape", "weight", "sizes", "expected"),
    [
        # ncnn has [2, 1, 1] x [2, 1] -> [2, 1, 1], ONNX [1, 2, 1, 1] x [2, 1] -> [1, 2, 2, 1]
        ((1, 2, 1, 1), array(2, 1), "0=1 1=2", LOWER_RANK),
        ((1, 2, 1, 1), array(1, 2, 1), "0=1 1=2 2=1", ""),
        ((1, 3, 2), array(3, 2), "0=2 1=3", ""),
        # two of the channels' size go along the channels, and else along the rows
        ((1, 2, 2, 2), array(2), "0=2", LOWER_RANK),
        ((1, 3, 2, 2), array(2), "0=2", ""),
        ((1, 2, 2, 2), np.float32([3, 3]), "0=2", ""),
        ((1, 2, 2, 2), array(1), "0=1", ""),
        ((1, 2, 1, 1), array(2, 1), "0=0", ""),
    ],
)
def test_what_ncnn_aligns_in_another_way(
    shape: tuple[int, ...], weight: Array, sizes: str, expected: str
) -> None:
    network = by_onnx2ncnn(NETWORK.format(sizes))
    network.feedings = (WITHOUT_BATCH,)
    assert first_fault(legacy_faults, scaled(shape, weight), network) == expected


def test_one_way_of_feeding_that_is_right_is_enough() -> None:
    network = by_onnx2ncnn(NETWORK.format("0=2"))
    network.feedings = (WITHOUT_BATCH, WHOLE)
    assert first_fault(legacy_faults, scaled((1, 2, 2, 2), array(2)), network) == ""


@pytest.mark.parametrize(
    ("route", "other", "expected"),
    [
        ("onnx2ncnn/vulkan", "onnx2ncnn/cpu", LOWER_RANK),
        ("onnx2ncnn/cpu:nopacking", "onnx2ncnn/cpu", LOWER_RANK),
        ("onnx2ncnn/cpu", "onnx2ncnn/vulkan", ""),
    ],
)
def test_ranks_that_do_no_harm_by_themselves_name_what_one_device_does(
    route: str, other: str, expected: str
) -> None:
    made = scaled((1, 3, 2, 2), array(2))
    network = by_onnx2ncnn(NETWORK.format("0=2"))
    network.feedings = (WITHOUT_BATCH,)
    bad = verdict(route, Kind.DIVERGENCE, max_abs=1.0, output="y")
    found = judgement(made, bad, verdict(other, Kind.OK), conversions={"onnx2ncnn": network})
    assert have_other_ranks(made, network)
    assert signature_of(found, bad).message == expected
