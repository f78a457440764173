from __future__ import annotations

import numpy as np
from onnx import numpy_helper
from small_cases import array, case, node

from fuzzconv.case import Case
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.subgraph import connected_parts, extract, operator_nodes


def chain() -> Case:
    return case(
        [
            node("Conv", "x w", "a"),
            node("Relu", "a", "b"),
            node("Shape", "b", "s"),
            node("Reshape", "z s", "c"),
            node("Add", "b c"),
        ],
        {"x": -array(1, 2, 3, 3), "z": array(12)},
        {"w": -array(3, 2, 2, 2)},
    )


def cut(part: tuple[int, ...]) -> Case:
    whole = chain()
    values = tensor_values(whole)
    assert values is not None
    made = extract(whole, part, values)
    assert made is not None
    return made


def test_a_single_operator_keeps_its_weights_and_gets_its_real_input() -> None:
    conv, relu = cut((0,)), cut((1,))
    assert [t.name for t in conv.model.graph.initializer] == ["w"]
    values = tensor_values(chain())
    assert values is not None
    np.testing.assert_array_equal(relu.inputs["a"], values["a"])
    assert [o.name for o in relu.model.graph.output] == ["b"]


def test_what_depends_on_shapes_alone_becomes_a_weight() -> None:
    reshape = cut((3,))
    assert list(reshape.inputs) == ["z"]
    (shape,) = reshape.model.graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(shape), [1, 3, 2, 2])


def test_values_between_chosen_nodes_stay_inside() -> None:
    both = cut((0, 1))
    assert list(both.inputs) == ["x"]
    assert [o.name for o in both.model.graph.output] == ["b"]


def test_what_others_read_is_an_output() -> None:
    assert [o.name for o in cut((1, 4)).model.graph.output] == ["b", "y"]


def test_constant_nodes_come_along_and_are_no_operators() -> None:
    whole = case(
        [node("Constant", "", "k", value=numpy_helper.from_array(array(3))), node("Add", "x k")],
        {"x": array(3)},
    )
    values = tensor_values(whole)
    assert values is not None
    part = extract(whole, (1,), values)
    assert part is not None
    assert part.operators == ("Constant", "Add")
    assert operator_nodes(whole.model) == [1]


def test_connected_parts_by_size() -> None:
    model = chain().model
    assert list(connected_parts(model, 1)) == [(0,), (1,), (2,), (3,), (4,)]
    # by hand: Conv-Relu, Relu-Shape, Relu-Add, Shape-Reshape, Reshape-Add, and Shape-Add, both reading b
    pairs = [(0, 1), (1, 2), (1, 4), (2, 3), (2, 4), (3, 4)]
    assert list(connected_parts(model, 2)) == pairs
    assert list(connected_parts(model, 5)) == [(0, 1, 2, 3, 4)]


def test_a_shared_weight_does_not_connect() -> None:
    whole = case(
        [node("Add", "x w", "a"), node("Mul", "z w", "b")],
        {"x": array(3), "z": array(3)},
        {"w": array(3)},
        outputs=("a", "b"),
    )
    assert list(connected_parts(whole.model, 2)) == []
