from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from small_cases import array, case, node

from fuzzconv.case import Array, Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.order import complexity, measure


def bias(weight: onnx.TensorProto) -> Case:
    made = case([node("Add", "x w")], {"x": array(1, 3)}, opset=14)
    made.model.graph.initializer.append(weight)
    return made


TYPED = helper.make_tensor("w", onnx.TensorProto.FLOAT, [3], [1.5, 2.5, 3.5])


def test_an_unchanged_draft_is_the_case() -> None:
    made = bias(TYPED)
    again = Draft(made).case()
    assert again.model.graph.initializer[0] == TYPED
    assert list(again.inputs) == ["x"]


def test_a_changed_tensor_keeps_its_kind_of_storage() -> None:
    draft = Draft(bias(TYPED))
    draft.tensors["w"] = np.ones(3, np.float32)
    (changed,) = draft.case().model.graph.initializer
    assert list(changed.float_data) == [1, 1, 1]
    assert not changed.HasField("raw_data")


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("value", numpy_helper.from_array(array(3))),
        ("value_floats", [1.5, 2.5, 3.5]),
    ],
)
def test_constant_nodes_are_tensors_too(attribute: str, value: object) -> None:
    made = case([node("Constant", "", "k", **{attribute: value}), node("Add", "x k")], {"x": array(3)})
    draft = Draft(made)
    np.testing.assert_array_equal(draft.tensors["k"], [1.5, 2.5, 3.5])
    draft.tensors["k"] = np.zeros(3, np.float32)
    again = Draft(draft.case())
    np.testing.assert_array_equal(again.tensors["k"], [0, 0, 0])
    assert again.nodes[0].attribute[0].name == attribute


def test_numbers_of_a_constant_node_can_change_their_dtype() -> None:
    made = case([node("Constant", "", "k", value_ints=[1, 2]), node("Add", "x k")], {"x": np.arange(2)})
    draft = Draft(made)
    draft.tensors["k"] = np.array([0.5, 1.5], np.float32)
    np.testing.assert_array_equal(Draft(draft.case()).tensors["k"], [0.5, 1.5])


def test_a_scalar_stays_a_scalar() -> None:
    draft = Draft(bias(numpy_helper.from_array(np.array(2, np.float32), "w")))
    draft.tensors["w"] = np.array(1, np.float32)
    assert list(draft.case().model.graph.initializer[0].dims) == []


def test_declared_shapes_of_inputs_that_keep_theirs_are_kept() -> None:
    made = case([node("Relu", "x")], {"x": array(2, 3)})
    made.model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    draft = Draft(made)
    assert draft.case().model.graph.input[0] == made.model.graph.input[0]
    draft.inputs["x"] = array(1, 3)
    dims = draft.case().model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [1, 3]


@pytest.mark.parametrize(
    ("values", "rank"),
    [
        ([1, 2, 3], 0),
        ([1], 0),
        ([1, 1], 1),
        ([2, 1], 2),
        ([0, 1], 2),
        ([-3, 9], 2),
        ([10, 1], 3),
        ([0.25, 1], 3),
        ([0.1, 1], 4),
        ([0, 0], 5),
        ([np.inf, 1], 6),
    ],
)
def test_how_hard_values_are_to_read(values: list[float], rank: int) -> None:
    assert complexity(np.array(values, np.float32)) == rank


def ordered(*cases: Case) -> bool:
    sizes = [measure(c) for c in cases]
    return sizes == sorted(sizes) and len(set(sizes)) == len(sizes)


def test_fewer_nodes_come_before_smaller_dims_before_attributes_before_values() -> None:
    def pool(x: Array, *more: onnx.NodeProto, **attributes: object) -> Case:
        first = node("AveragePool", "x", "t" if more else "y", kernel_shape=[1, 1], **attributes)
        return case([first, *more], {"x": x})

    zeros, ones = np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2, 2), np.float32)
    assert ordered(
        pool(np.array([1, 2, 3, 4], np.float32).reshape(1, 1, 2, 2)),
        pool(ones),
        pool(zeros),
        pool(zeros, strides=[1, 1]),
        pool(zeros, ceil_mode=1),
        pool(np.zeros((1, 1, 2, 3), np.float32)),
        pool(np.zeros((1, 1, 1, 1), np.float32), node("Relu", "t")),
    )


def test_plain_storage_comes_before_odd_storage_before_long_names() -> None:
    plain = numpy_helper.from_array(np.array([1.5, 2.5, 3.5], np.float32), "w")
    assert ordered(bias(plain), bias(TYPED))
    long = case([node("Relu", "x", "a_long_name")], {"x": array(2)}, outputs=("a_long_name",))
    assert ordered(case([node("Relu", "x")], {"x": array(2)}), long)


def test_a_double_in_a_tensor_is_no_number_of_a_constant_node() -> None:
    """numpy takes "no type" for float64."""
    tensor = numpy_helper.from_array(np.array(1.5), "c")
    made = case(
        [helper.make_node("Constant", [], ["c"], value=tensor), node("Add", "x c")], {"x": np.ones(2)}
    )
    draft = Draft(made)
    draft.tensors["c"] = np.array(2.5)
    (constant, _) = draft.case().model.graph.node
    assert constant.attribute[0].name == "value"
    assert numpy_helper.to_array(constant.attribute[0].t) == 2.5
