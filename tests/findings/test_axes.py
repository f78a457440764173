"""What onnx2ncnn makes of axes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from small_cases import FED, array, case, judgement, node, verdict

from fuzzconv.findings.axes import (
    FIRST_AXIS,
    ONE_AXIS,
    along_first_axis,
    from_the_end,
    of_one_axis,
    slices_all,
)
from fuzzconv.findings.signature import signature_of
from fuzzconv.verdict import Kind

NETWORK = SimpleNamespace(
    converter="onnx2ncnn", param="7767517\n1 1\nInput x 0 1 x\n", feedings=FED, files={}
)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (node("Concat", "x", axis=-2), ("Concat",)),
        (node("Concat", "x", axis=1), ()),
        (node("Gather", "x i", axis=0), ("Gather",)),
        (node("Split", "x", axis=0), ("Split",)),
        (node("ReduceSum", "x a"), ("ReduceSum",)),
        (node("ReduceMax", "x", axes=[1]), ()),
        (node("ReduceMax", "x"), ()),
        (node("Slice", "x a i a"), ("Slice",)),
        (node("Slice", "x a e a"), ()),
        (node("Softmax", "x", axis=-2), ("Softmax",)),
        (node("Softmax", "x", axis=-1), ()),
        (node("Softmax", "x"), ()),
        (node("Gather", "x i", axis=-2), ("Gather",)),
        (node("Relu", "x"), ()),
    ],
)
def test_the_legacy_converter_has_no_first_axis(operator: onnx.NodeProto, expected: tuple[str, ...]) -> None:
    made = case([operator], {"x": array(1, 2)}, {"i": np.int64([0]), "a": np.int64([0]), "e": np.int64([1])})
    assert along_first_axis(made) == expected
    bad = verdict("onnx2ncnn/cpu", Kind.SHAPE_MISMATCH, output="y")
    found = signature_of(judgement(made, bad, conversions={"onnx2ncnn": NETWORK}), bad)
    assert (found.message == FIRST_AXIS, found.operators == expected) == (
        (True, True) if expected else (False, False)
    )


@pytest.mark.parametrize(
    ("operator", "shape"), [("GlobalMaxPool", (1, 2, 1)), ("InstanceNormalization", (1, 1, 3))]
)
def test_the_legacy_converter_writes_images_of_one_axis_as_of_two(
    operator: str, shape: tuple[int, ...]
) -> None:
    made = case(
        [node("Abs", "x", "t"), node(operator, "t" if "Max" in operator else "t s s")],
        {"x": array(*shape)},
        {"s": array(shape[1])},
    )
    bad = verdict("onnx2ncnn/vulkan", Kind.SHAPE_MISMATCH, output="y")
    right = verdict("onnx2ncnn/cpu", Kind.OK)
    found = signature_of(judgement(made, right, bad, conversions={"onnx2ncnn": NETWORK}), bad)
    assert (found.converter, found.condition, found.operators, found.message) == (
        "onnx2ncnn",
        "",
        (operator,),
        ONE_AXIS,
    )
    volume = case(
        [node(operator, "x" if "Max" in operator else "x s s")],
        {"x": array(*shape, 1, 1)},
        {"s": array(shape[1])},
    )
    assert of_one_axis(volume) == ((operator,) if "Global" in operator else ())
    image = replace(made, inputs={"x": array(*shape, 2)})
    assert of_one_axis(case(list(made.model.graph.node), image.inputs, {"s": array(shape[1])})) == ()


@pytest.mark.parametrize(("axis", "expected"), [(-1, ("Gather",)), (1, ()), (-2, ())])
def test_an_axis_from_the_end(axis: int, expected: tuple[str, ...]) -> None:
    made = case([node("Gather", "x i", axis=axis)], {"x": array(1, 2)}, {"i": np.int64([0])})
    assert from_the_end(made) == expected


@pytest.mark.parametrize(
    ("inputs", "expected"), [("x i i", ("Slice",)), ("x i i a", ()), ("x i i  i", ("Slice",))]
)
def test_a_slice_that_names_no_axes(inputs: str, expected: tuple[str, ...]) -> None:
    made = case(
        [onnx.helper.make_node("Slice", inputs.split(" "), ["y"])],
        {"x": array(1, 2)},
        {"i": np.int64([0]), "a": np.int64([1])},
    )
    assert slices_all(made) == expected
