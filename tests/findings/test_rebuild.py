from __future__ import annotations

import numpy as np
import onnx
import pytest
from small_cases import array, case, node

from fuzzconv.case import Case
from fuzzconv.findings.rebuild import rebuilt, run_model, tensor_values, used_names


def test_dead_nodes_unused_weights_and_inputs_go() -> None:
    whole = case(
        [node("Relu", "x", "t"), node("Exp", "z", "dead"), node("Add", "t w")],
        {"x": array(2, 3), "z": array(4)},
        {"w": array(2, 3), "unused": array(5)},
    )
    slim = rebuilt(whole)
    assert slim is not None
    assert slim.operators == ("Relu", "Add")
    assert [t.name for t in slim.model.graph.initializer] == ["w"]
    assert list(slim.inputs) == ["x"] == [i.name for i in slim.model.graph.input]


def test_outputs_get_the_shape_that_is_really_computed() -> None:
    slim = rebuilt(case([node("Transpose", "x", perm=[1, 0])], {"x": array(2, 5)}))
    assert slim is not None
    dims = slim.model.graph.output[0].type.tensor_type.shape.dim
    assert [d.dim_value for d in dims] == [5, 2]


def test_an_invalid_model_is_none() -> None:
    assert rebuilt(case([node("Add", "x w")], {"x": array(2, 3)}, {"w": array(4)})) is None
    assert rebuilt(case([node("Relu", "nowhere")], {"x": array(2)})) is None


@pytest.mark.parametrize(("slope", "legal"), [((1, 2), True), ((2,), True), ((3, 2), False)])
def test_a_slope_that_is_larger_than_its_input_is_not_legal(slope: tuple[int, ...], legal: bool) -> None:
    """onnxruntime broadcasts either operand, the standard the slope alone."""
    made = rebuilt(case([node("PRelu", "x s")], {"x": array(1, 2)}, {"s": array(*slope)}))
    assert (made is not None) is legal


def test_a_model_without_inputs_is_none() -> None:
    assert rebuilt(case([node("Relu", "w")], {}, {"w": array(2)})) is None


def test_every_value_is_seen_scalars_too() -> None:
    values = tensor_values(
        case([node("ReduceSum", "x", "t", keepdims=0), node("Neg", "t")], {"x": np.ones((2, 3), np.float32)})
    )
    assert values is not None
    assert values["t"].shape == ()
    assert values["t"] == 6
    assert values["y"] == -6


def test_a_bfloat16_value_that_cant_be_read_hides_no_other() -> None:
    bfloat16 = onnx.TensorProto.BFLOAT16
    nodes = [
        node("Cast", "x", "half", to=bfloat16),
        node("Cast", "half", "single", to=1),
        node("Relu", "single"),
    ]
    whole = case(nodes, {"x": array(2)})
    values = tensor_values(whole)
    assert values is not None
    assert set(values) == {"x", "single", "y"}
    assert rebuilt(case(nodes[:1], {"x": array(2)}, outputs=("half",))) is None


def test_run_model_is_none_for_what_cannot_run() -> None:
    broken = case([node("Add", "x w")], {"x": array(2, 3)}, {"w": array(4)})
    assert run_model(broken.model, broken.inputs) is None


def test_a_subgraph_uses_what_it_captures() -> None:
    from onnx import TensorProto, helper

    inner = helper.make_graph(
        [node("Add", "outer local", "inner_y"), node("Relu", "outer", "local")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner_y", TensorProto.FLOAT, None)],
    )
    branching = helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner)
    assert used_names(branching) == {"condition", "outer"}


@pytest.mark.parametrize(
    ("made", "legal"),
    [
        (case([node("ReduceMin", "x", axes=[0, 0])], {"x": array(1, 2)}, opset=9), False),
        (case([node("ReduceMin", "x", axes=[0, 1])], {"x": array(1, 2)}, opset=9), True),
        (case([node("ReduceSum", "x a")], {"x": array(1, 2)}, {"a": np.array([1, 1])}), False),
        (case([node("ReduceSum", "x a")], {"x": array(1, 2)}, {"a": np.array([1])}), True),
    ],
)
def test_an_axis_is_named_once(made: Case, legal: bool) -> None:
    assert (rebuilt(made) is not None) is legal
