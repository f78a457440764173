"""What the converters' files lack of the graph."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from small_cases import FED, array, case, first_fault, judgement, node, verdict

from fuzzconv.findings.evidence import passes_tell
from fuzzconv.findings.parameters import (
    AXES_MISSING,
    BIAS_AS_STATE,
    ELLIPSIS,
    FOLDED_ALONG_ROWS,
    FOUR_REPEATS,
    LARGEST_OF_ALL,
    LIST_AS_INDEX,
    NOT_WHOLE,
    SAME_OF_ONE,
    TWO_OF_MANY,
    WITHOUT_AXIS,
    WITHOUT_KEEPDIMS,
    WITHOUT_PADS,
    WITHOUT_SIZES,
    parameter_faults,
    recurrent_operators,
)
from fuzzconv.findings.written import telling_message
from fuzzconv.verdict import Kind

SELECT = "7767517\n2 2\npnnx.Input in0 0 1 0\nTensor.select s 1 1 0 1 dim=1 index={} $input=0\n"
REDUCED = "7767517\n3 3\nInput in0 0 1 in0\nReduction r 1 1 in0 1 0=5 1={} 4={}\nPadding p 1 1 1 out0 0={}\n"
ONE = case([node("Gather", "x i", axis=1)], {"x": array(1, 2)}, {"i": np.array(1)})
GATHER = case([node("Gather", "x i", axis=1)], {"x": array(1, 2)}, {"i": np.int64([0, -1])})


def converted(param: str = "", pnnx: str = "", converter: str = "pnnx") -> SimpleNamespace:
    return SimpleNamespace(converter=converter, param=param, feedings=(), files={"pnnx.param": pnnx.encode()})


def told(node_or_nodes: onnx.NodeProto, param: str, pads: tuple[int, ...] = (0, 0, 0, 0)) -> str:
    made = case([node_or_nodes], {"x": array(1, 2)}, {"pads": np.int64(pads)})
    return first_fault(parameter_faults, made, converted(param))


@pytest.mark.parametrize(
    ("kind", "stage", "index", "expected"),
    [
        (Kind.LOAD_FAILURE, "run", "(0,0)", LIST_AS_INDEX),
        (Kind.CRASH, "run", "(0,-1)", LIST_AS_INDEX),
        (Kind.SHAPE_MISMATCH, "compare", "0", LIST_AS_INDEX),
    ],
)
def test_a_select_with_a_list_of_indices_is_one_cause(
    kind: Kind, stage: str, index: str, expected: str
) -> None:
    bad = verdict("pnnx:fp16=0/cpu", kind, stage)
    found = judgement(GATHER, bad, conversions={"pnnx:fp16=0": converted(pnnx=SELECT.format(index))})
    assert first_fault(parameter_faults, GATHER, found.conversions["pnnx:fp16=0"]) == expected
    if stage == "run":
        assert telling_message(found, bad) == expected
    assert first_fault(parameter_faults, ONE, converted(pnnx=SELECT.format(1))) == ""


@pytest.mark.parametrize(
    ("operator", "operands", "expression", "expected"),
    [
        ("Max", "x x w", "max(@0,@0)", TWO_OF_MANY),
        ("Max", "x w x", "max(@0,@1)", ""),
        ("Min", "w w w x", "min(min(@0,@0),@0)", TWO_OF_MANY),
        ("Max", "x x w", "max(max(@0,@0),@1)", ""),
        ("Max", "x w", "max(@0,@1)", ""),
        ("Sum", "x x w", "add(@0,@0)", ""),
        ("Max", "x", "@0\ntorch.max m 1 1 0 1", LARGEST_OF_ALL),
        ("Max", "x x", "max(@0,@0)\ntorch.max m 1 1 0 1", ""),
        ("Min", "x", "@0", ""),
    ],
)
def test_two_of_many_operands_are_compared(
    operator: str, operands: str, expression: str, expected: str
) -> None:
    made = case([node(operator, operands)], {"x": array(1, 2)}, {"w": array(1, 2) + 1})
    pnnx = f"7767517\n1 1\npnnx.Expression e 1 1 0 1 expr={expression}\n"
    assert first_fault(parameter_faults, made, converted(pnnx=pnnx)) == expected
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, output="y")
    conversion = converted(pnnx=pnnx)
    conversion.feedings = FED
    found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
    assert bool(passes_tell(found, bad)) is bool(expected)


@pytest.mark.parametrize(
    ("reduction", "whole", "keepdims", "expected"),
    [
        (node("ReduceMin", "x"), 1, 0, WITHOUT_KEEPDIMS),
        (node("ReduceMin", "x"), 1, 1, ""),
        (node("ReduceMin", "x"), 0, 0, ""),
        (node("ReduceMin", "x", keepdims=0), 1, 0, ""),
        (node("Relu", "x"), 1, 0, ""),
        (node("ReduceMin", "x", axes=[0]), 1, 0, ""),
    ],
)
def test_a_reduction_that_should_keep_its_axes(
    reduction: onnx.NodeProto, whole: int, keepdims: int, expected: str
) -> None:
    assert told(reduction, REDUCED.format(whole, keepdims, 1)) == expected


@pytest.mark.parametrize(
    ("operator", "size", "pads", "expected"),
    [
        ("Pad", 0, (0, 1, 0, 0), WITHOUT_PADS),
        ("Pad", 1, (0, 1, 0, 0), ""),
        ("Pad", 1, (1, 0, 0, 1), WITHOUT_PADS),
        ("Pad", 0, (0, 0, 0, 0), ""),
        ("Reshape", 0, (0, 1, 0, 0), ""),
    ],
)
def test_a_padding_that_does_not_pad(operator: str, size: int, pads: tuple[int, ...], expected: str) -> None:
    assert told(node(operator, "x pads"), REDUCED.format(0, 1, size), pads) == expected


@pytest.mark.parametrize(
    ("before", "expected"),
    [("Reshape linearbn1d_0_ncnnreshape0 1 1 in0 1 6=0\n", FOLDED_ALONG_ROWS), ("Reshape r 1 1 in0 1\n", "")],
)
def test_a_norm_folded_into_a_product_of_more_than_rows(before: str, expected: str) -> None:
    param = f"7767517\n3 3\nInput in0 0 1 in0\n{before}Gemm linearbn1d_0 1 1 1 out0 10=4\n"
    assert first_fault(parameter_faults, ONE, converted(param)) == expected


@pytest.mark.parametrize(
    ("dim", "axis", "expected"), [("None", -7, WITHOUT_AXIS), ("None", 0, ""), ("0", -7, "")]
)
def test_a_split_along_its_default_axis(dim: str, axis: int, expected: str) -> None:
    split = f"torch.split s 1 2 0 1 2 dim={dim} split_size_or_sections=(1,1)"
    pnnx = f"7767517\n3 3\npnnx.Input in0 0 1 0\n{split}\n"
    network = converted(f"7767517\n2 3\nInput in0 0 1 in0\nSlice s 1 2 in0 a b -23300=2,1,1 1={axis}\n", pnnx)
    assert first_fault(parameter_faults, ONE, network) == expected


@pytest.mark.parametrize(
    ("repeats", "expected"), [("-23302=4,2,1,1,1", FOUR_REPEATS), ("-23302=3,2,1,1", ""), ("0=0 1=4", "")]
)
def test_four_repeats_are_a_cause(repeats: str, expected: str) -> None:
    assert (
        first_fault(
            parameter_faults,
            ONE,
            converted(f"7767517\n2 2\nInput in0 0 1 in0\nTile t 1 1 in0 out0 {repeats}\n"),
        )
        == expected
    )


@pytest.mark.parametrize(
    ("sections", "slice_", "expected"),
    [("None", "", WITHOUT_SIZES), ("None", "-23300=2,1,1 1=0", ""), ("(1,1)", "", "")],
)
def test_a_split_in_equal_parts_whose_layer_has_no_sizes(sections: str, slice_: str, expected: str) -> None:
    split = f"torch.split s 1 2 0 1 2 dim=1 split_size_or_sections={sections}"
    param = f"7767517\n2 3\nInput in0 0 1 in0\nSlice s 1 2 in0 out0 out1 {slice_}\n"
    assert first_fault(parameter_faults, ONE, converted(param, f"7767517\n1 3\n{split}\n")) == expected


@pytest.mark.parametrize(
    ("equation", "operands", "expected"),
    [("...ij,jk->...ik", "x w", ELLIPSIS), ("ij,jk->ik", "x w", ""), ("...ij->...ji", "x", "")],
)
def test_an_ellipsis_of_several_operands(equation: str, operands: str, expected: str) -> None:
    made = case([node("Einsum", operands, equation=equation)], {"x": array(1, 2)}, {"w": array(2, 2)})
    assert first_fault(parameter_faults, made, converted()) == expected


@pytest.mark.parametrize(
    ("sizes", "expected"), [("3=1.0 4=2", NOT_WHOLE), ("3=1 4=2", ""), ("1=1.0 2=0.75 6=0", "")]
)
def test_an_interp_whose_height_is_a_fraction(sizes: str, expected: str) -> None:
    assert (
        told(node("Resize", "x"), f"7767517\n2 2\nInput in0 0 1 in0\nInterp i 1 1 in0 out0 0=1 {sizes}\n")
        == expected
    )


@pytest.mark.parametrize(
    ("axes", "written", "expected"),
    [([0, 2], "-23303=1,1", AXES_MISSING), ([1, 2], "-23303=2,1,2", ""), ([1], "-23303=1,1", "")],
)
def test_an_unsqueeze_that_loses_an_axis(axes: list[int], written: str, expected: str) -> None:
    made = case([node("Unsqueeze", "x axes")], {"x": array(2, 2)}, {"axes": np.int64(axes)})
    param = f"7767517\n2 2\nInput in0 0 1 in0\nExpandDims e 1 1 in0 out0 {written}\n"
    assert first_fault(parameter_faults, made, converted(param)) == expected


@pytest.mark.parametrize(
    ("inputs", "layer", "expected"),
    [
        ("x w r b", "RNN r 2 1 in0 b out0", BIAS_AS_STATE),
        ("x w r b", "RNN r 1 1 in0 out0", ""),
        ("x w r", "RNN r 2 1 in0 b out0", ""),
        ("x w r b - h", "RNN r 2 1 in0 h out0", ""),
        ("x w r b - - - p", "LSTM r 3 1 in0 b p out0", BIAS_AS_STATE),
    ],
)
def test_a_bias_that_is_given_as_the_state(inputs: str, layer: str, expected: str) -> None:
    weights = {"w": array(1, 1, 1), "r": array(1, 1, 1), "b": array(1, 2), "h": array(1, 1, 1)}
    made = case([node("RNN", inputs, hidden_size=1)], {"x": array(1, 1, 1)}, weights)
    made.model.graph.node[0].input[:] = ["" if name == "-" else name for name in inputs.split()]
    assert (
        first_fault(parameter_faults, made, converted(f"7767517\n2 2\nInput in0 0 1 in0\n{layer} 0=1\n"))
        == expected
    )
    assert recurrent_operators(made) == ("RNN",)


@pytest.mark.parametrize(
    ("strides", "pads", "expected"),
    [
        ([2, 2], "0=1 1=1 2=1 3=1", SAME_OF_ONE),
        ([2, 2], "0=0 1=1 2=0 3=1", ""),
        ([1, 1], "0=1 1=1 2=1 3=1", ""),
    ],
)
def test_pads_of_stride_one(strides: list[int], pads: str, expected: str) -> None:
    """Of 4 pixels with a kernel of 3: (2 - 1) * 2 + 3 - 4 = 1 along each axis for strides of 2, else 2."""
    pool = node("MaxPool", "x", kernel_shape=[3, 3], strides=strides, auto_pad="SAME_UPPER")
    param = f"7767517\n3 3\nInput in0 0 1 in0\nPadding p 1 1 in0 1 {pads}\nPooling m 1 1 1 out0 0=0\n"
    assert first_fault(parameter_faults, case([pool], {"x": array(1, 1, 4, 4)}), converted(param)) == expected
