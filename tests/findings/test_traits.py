from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_cases import array, case, node

from fuzzconv.case import Case
from fuzzconv.findings.traits import operators_of, split_operator, traits_of

IMAGE = {"x": array(1, 2, 3, 3)}
POOL = {"kernel_shape": [2, 2]}


def words(made: Case) -> set[str]:
    return {trait.word for trait in traits_of(made)}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, set()),
        ({"ceil_mode": 0}, set()),
        ({"ceil_mode": 1}, {"ceil_mode=1"}),
        ({"strides": [1, 1]}, set()),
        ({"strides": [2, 1]}, {"strides"}),
        ({"pads": [0, 0, 0, 0]}, set()),
        ({"pads": [0, 1, 0, 0]}, {"pads"}),
        ({"auto_pad": "SAME_LOWER"}, {"auto_pad=SAME"}),
        ({"auto_pad": "SAME_UPPER"}, {"auto_pad=SAME"}),
        ({"auto_pad": "VALID"}, {"auto_pad=VALID"}),
    ],
)
def test_only_unusual_attributes_get_a_word(attributes: dict[str, object], expected: set[str]) -> None:
    plain = {"rank=4"}
    assert words(case([node("AveragePool", "x", **POOL, **attributes)], IMAGE)) == plain | expected


@pytest.mark.parametrize(("axis", "word"), [(0, "axis=0"), (2, "axis"), (-2, "axis=negative"), (1, None)])
def test_a_required_axis_is_plain_at_one(axis: int, word: str | None) -> None:
    made = case([node("Concat", "x z", axis=axis)], {"x": array(2, 3, 4), "z": array(2, 3, 4)})
    # bare names of required attributes say nothing
    expected = {word} if word and "=" in word else set()
    assert words(made) - {"rank=3", "large"} == expected


@pytest.mark.parametrize(("axis", "expected"), [(1, {"axis"}), (2, {"axis"}), (-1, {"axis"}), (0, set())])
def test_any_axis_but_the_usual_one_is_one_word_for_a_gather(axis: int, expected: set[str]) -> None:
    made = case([node("Gather", "x i", axis=axis)], {"x": array(2, 3, 2)}, {"i": np.array([0, 1])})
    assert words(made) - {"rank=3"} == expected


@pytest.mark.parametrize(
    ("names", "expected"), [("a", {"inputs=1"}), ("a b", set()), ("a b c", {"inputs=3"})]
)
def test_how_many_inputs_a_variadic_operator_has(names: str, expected: set[str]) -> None:
    made = case([node("Max", names)], {name: array(2) for name in names.split()})
    assert words(made) - {"rank=1"} == expected


def test_operands_and_their_forms() -> None:
    made = case([node("Sub", "w x")], {"x": array(2, 3)}, {"w": array(3)}, opset=14)
    assert words(made) == {"first constant", "broadcast", "rank=2"}


def test_computed_weights_and_optional_inputs() -> None:
    made = case([node("Conv", "x w b")], {**IMAGE, "w": array(2, 2, 1, 1)}, {"b": array(2)})
    assert {"W computed", "B"} <= words(made)


def test_a_double_that_is_not_the_first_operand_is_told() -> None:
    made = case([node("Pow", "x w")], {"x": array(2)}, {"w": np.float64([1, 2])})
    assert "float64" in words(made)


def test_dtype_large_sizes_and_scalars() -> None:
    assert "int64" in words(case([node("Abs", "x")], {"x": np.arange(2)}))
    assert "large" in words(case([node("Abs", "x")], {"x": array(1, 4)}))
    assert "large" not in words(case([node("Abs", "x")], {"x": array(3, 3)}))
    assert "rank=0" in words(case([node("Abs", "x")], {"x": np.float32(3).reshape(())}))


def test_storage() -> None:
    typed = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    made = case([node("Add", "x w")], {"x": array(3)}, opset=14)
    made.model.graph.initializer.append(typed)
    assert "typed field" in words(made)
    constant = node("Constant", "", "w", value=typed)
    assert "Constant node" in words(case([constant, node("Add", "x w")], {"x": array(3)}, opset=14))


def test_gates_are_not_large() -> None:
    made = case(
        [node("LSTM", "x w r", "y", hidden_size=1)],
        {"x": array(1, 1, 1)},
        {"w": array(1, 4, 1), "r": array(1, 4, 1)},
        opset=14,
    )
    assert words(made) == {"rank=3"}


def test_branches_have_one_order() -> None:
    left, right = node("Exp", "x", "a"), node("Abs", "x", "b")
    one = case([left, right, node("Mul", "a b")], {"x": array(2)})
    other = case([right, left, node("Mul", "a b")], {"x": array(2)})
    assert operators_of(one, ()) == operators_of(other, ()) == ("Abs", "Exp", "Mul")


def test_words_are_sorted_and_come_apart_again() -> None:
    made = case([node("AveragePool", "x", ceil_mode=1, strides=[2, 2], **POOL)], IMAGE)
    (text,) = operators_of(made, [t for t in traits_of(made) if not t.circumstance])
    assert text == "AveragePool(ceil_mode=1,strides)"
    assert split_operator(text) == ("AveragePool", {"ceil_mode=1", "strides"})
    assert split_operator("Relu") == ("Relu", frozenset())
