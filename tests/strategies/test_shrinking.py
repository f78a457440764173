"""What shrinking ends with: one node, default attributes, dimensions of one or two."""

from collections import Counter

import pytest
from strategy_helpers import find_any, minimal

from fuzzconv.case import Case
from strategies import PATTERNS, SPECS, cases

WRITTEN_OUT = {
    # Attributes that ONNX demands, or that pnnx wants written out although they have a default.
    "kernel_shape", "axis", "axes", "perm", "to", "blocksize", "size", "mode", "hidden_size", "num_groups",
    "output_height", "output_width", "k", "equation", "direction", "value",
}  # fmt: skip
ATTRIBUTES_OF_QUANTIZED = {"strides", "dilations", "pads", "group"}
LARGEST = {"DepthToSpace": 4, "GroupNormalization": 4, "AffineGrid": 3, "Col2Im": 4}
"""Dimensions that ONNX forces above two: blocks of four channels, two groups, a 3x3 matrix."""


def attributes(case: Case, operator: str) -> set[str]:
    return {a.name for n in case.model.graph.node if n.op_type == operator for a in n.attribute}


def largest_dimension(case: Case) -> int:
    shapes = [list(a.shape) for a in case.inputs.values()]
    return max((d for shape in shapes for d in shape), default=0)


def assert_minimal(operator: str) -> None:
    spec = SPECS[operator]
    case = minimal(cases(operators={operator}))
    counts = Counter(case.operators)
    if spec.emits:
        # A few operators can't stand alone: comparisons yield bools, which nothing but a Cast can feed on.
        assert set(counts) <= spec.operators
        assert len(case.operators) <= 8
    else:
        assert counts[operator] == 1
        assert set(counts) <= {operator, "Squeeze"}  # which takes the directions from a recurrent layer
    assert largest_dimension(case) <= LARGEST.get(operator, 2)
    assert len(case.inputs) == 1
    unusual = attributes(case, operator) - WRITTEN_OUT - ATTRIBUTES_OF_QUANTIZED
    assert not {a for a in unusual if not a.endswith("mode") and a != "sampling_ratio"}, unusual
    assert not any(f.startswith("graph:") for f in case.features)
    assert "rare" not in case.features


@pytest.mark.parametrize("operator", ["Conv", "Greater"])
def test_minimal_of_an_operator(operator: str) -> None:
    assert_minimal(operator)


@pytest.mark.slow
@pytest.mark.parametrize("operator", SPECS)
def test_minimal_of_every_operator(operator: str) -> None:
    assert_minimal(operator)


@pytest.mark.slow
@pytest.mark.parametrize("name", PATTERNS)
def test_minimal_of_every_pattern_is_the_exact_pattern(name: str) -> None:
    case = minimal(cases(patterns={name}))
    assert f"pattern:{name}" in case.features
    assert set(case.operators) <= PATTERNS[name].emits
    assert largest_dimension(case) <= 4


@pytest.mark.slow
def test_two_operators_shrink_to_two_nodes() -> None:
    case = minimal(cases(operators={"Conv", "Relu"}), lambda c: {"Conv", "Relu"} <= set(c.operators))
    assert sorted(case.operators) == ["Conv", "Relu"]


@pytest.mark.slow
def test_a_storage_form_shrinks_to_one_weight() -> None:
    case = minimal(cases(operators={"Add"}), lambda c: "weight:int8:typed" in c.features)
    stored = [t.data_type for t in case.model.graph.initializer]
    assert stored in ([3], [3, 1, 3])  # alone, or with the scale and zero point of DequantizeLinear
    assert set(case.operators) <= {"Add", "Cast", "DequantizeLinear"}


def test_find_any_meets_its_predicate() -> None:
    assert find_any(cases(), lambda c: len(c.inputs) >= 2).inputs.__len__() >= 2
