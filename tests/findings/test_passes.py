"""Each pass proposes the edits it is there for; which are valid is left to ``rebuilt``."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper, numpy_helper
from small_cases import array, case, node

from fuzzconv.case import Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.attributes import (
    drop_inputs,
    plain_dtypes,
    reset_attributes,
    simplify_attributes,
)
from fuzzconv.findings.passes.dims import shrink_dims
from fuzzconv.findings.passes.edit import Pass
from fuzzconv.findings.passes.indices import shrink_gathered
from fuzzconv.findings.passes.nodes import bypass_nodes, cut_nodes, drop_outputs
from fuzzconv.findings.passes.opset import older_opset
from fuzzconv.findings.passes.storage import plain_storage
from fuzzconv.findings.passes.values import simplify_values
from fuzzconv.findings.rebuild import rebuilt


def variants(one_pass: Pass, made: Case) -> list[Case]:
    """The valid ones."""
    edits = [edit.make() for edit in one_pass(made)]
    return [valid for edit in edits if edit is not None and (valid := rebuilt(edit)) is not None]


def shapes(made: Case) -> dict[str, tuple[int, ...]]:
    draft = Draft(made)
    return {name: a.shape for name, a in (*draft.inputs.items(), *draft.tensors.items())}


def attributes_of(made: Case) -> dict[str, object]:
    return {a.name: helper.get_attribute_value(a) for n in made.model.graph.node for a in n.attribute}


CONV = case(
    [node("Conv", "x w b", kernel_shape=[3, 2], group=2)],
    {"x": array(1, 4, 6, 5)},
    {"w": array(6, 2, 3, 2), "b": array(6)},
)


def test_a_spatial_axis_shrinks_alone_and_channels_with_their_weights() -> None:
    seen = [shapes(v) for v in variants(shrink_dims, CONV)]
    assert {"x": (1, 4, 6, 2), "w": (6, 2, 3, 2), "b": (6,)} in seen
    # output channels go with the bias, still divisible by the group
    assert {"x": (1, 4, 6, 5), "w": (2, 2, 3, 2), "b": (2,)} in seen


@pytest.mark.parametrize(("size", "expected"), [(1, [0, -1, 0]), (2, [0, -1, 1]), (3, [2, -2, 1])])
def test_a_gathered_axis_shrinks_with_the_indices_into_it(size: int, expected: list[int]) -> None:
    indices = {"i": np.array([8, -5, 7])}
    gather = case([node("Gather", "x i", axis=1)], {"x": array(2, 9)}, indices)
    (smaller,) = (v for v in variants(shrink_gathered, gather) if v.inputs["x"].shape == (2, size))
    assert Draft(smaller).tensors["i"].tolist() == expected


def test_a_single_index_that_is_fed_stays_an_array() -> None:
    fed = {"x": array(2, 9), "i": np.array(8)}
    gather = case([node("Gather", "x i", axis=1)], fed)
    (smaller,) = (v for v in variants(shrink_gathered, gather) if v.inputs["x"].shape == (2, 3))
    assert isinstance(smaller.inputs["i"], np.ndarray)
    assert smaller.inputs["i"] == 2


def test_a_kernel_axis_shrinks_with_its_attribute() -> None:
    smaller = [v for v in variants(shrink_dims, CONV) if shapes(v)["w"] == (6, 2, 1, 2)]
    assert smaller
    assert attributes_of(smaller[0])["kernel_shape"] == [1, 2]


@pytest.mark.parametrize(
    ("nodes", "x", "weights", "wanted"),
    [
        # a size inside a constant shape, and a product of two sizes
        ([node("Reshape", "x s")], (1, 3, 4), {"s": np.array([3, 4])}, {"x": (1, 1, 4), "s": (2,)}),
        ([node("Reshape", "x s")], (1, 3, 4), {"s": np.array([12])}, {"x": (1, 1, 4), "s": (1,)}),
        # a sum of sizes
        ([node("Split", "x s", "y z")], (5, 1), {"s": np.array([2, 3])}, {"x": (3, 1), "s": (2,)}),
        # weights of a recurrent layer: four gates on one axis
        (
            [node("LSTM", "x w r", hidden_size=3)],
            (2, 1, 1),
            {"w": array(1, 12, 1), "r": array(1, 12, 3)},
            {"x": (2, 1, 1), "w": (1, 4, 1), "r": (1, 4, 1)},
        ),
        # both operands of an addition
        ([node("Add", "x w")], (2, 5), {"w": array(2, 5)}, {"x": (2, 1), "w": (2, 1)}),
    ],
)
def test_sizes_that_belong_together_shrink_together(
    nodes: list, x: tuple[int, ...], weights: dict, wanted: dict
) -> None:
    outputs = tuple(nodes[0].output)
    seen = [shapes(v) for v in variants(shrink_dims, case(nodes, {"x": array(*x)}, weights, outputs=outputs))]
    assert wanted in seen


def test_a_size_that_only_a_constant_asks_for_shrinks_too() -> None:
    expand = case([node("Expand", "x s")], {"x": array(1, 1)}, {"s": np.array([9, 11])})
    asked = [Draft(v).tensors["s"].tolist() for v in variants(shrink_dims, expand)]
    assert [9, 2] in asked
    assert [3, 11] in asked


def test_an_end_that_means_the_last_element_is_no_size_to_count_up_to() -> None:
    """To list all sizes below it would take all memory there is."""
    whole = {name: np.int64([value]) for name, value in (("a", 0), ("b", 2**63 - 1))}
    edits = [edit.label for edit in shrink_dims(case([node("Slice", "x a b")], {"x": array(1)}, whole))]
    assert [label for label in edits if "asked for" in label] == [
        f"b.0: {size} asked for, not {2**63 - 1}" for size in (1, 2, 3, 2**62 - 1, 2**63 - 2)
    ]


def test_a_size_shrinks_with_what_padding_makes_of_it() -> None:
    nodes = [node("Pad", "x p", "t"), node("Conv", "t w", group=9)]
    pads = {"p": np.array([0, 1, 0, 0, 0, 0]), "w": array(9, 1, 1)}
    seen = [shapes(v) for v in variants(shrink_dims, case(nodes, {"x": array(1, 8, 1)}, pads))]
    assert {"x": (1, 1, 1), "p": (6,), "w": (2, 1, 1)} in seen


def test_either_end_of_an_array_can_be_kept() -> None:
    kept = [v.inputs["x"].tolist() for v in variants(shrink_dims, case([node("Relu", "x")], {"x": array(3)}))]
    assert [1.5] in kept
    assert [3.5] in kept


def test_nodes_are_cut_and_bypassed() -> None:
    chain = case([node("Relu", "x", "a"), node("Exp", "a", "b"), node("Abs", "b")], {"x": array(2)})
    assert {v.operators for v in variants(cut_nodes, chain)} >= {("Relu", "Exp"), ("Exp", "Abs")}
    assert ("Relu", "Abs") in {v.operators for v in variants(bypass_nodes, chain)}


def test_outputs_are_dropped() -> None:
    forked = case([node("Relu", "x", "a"), node("Exp", "x", "b")], {"x": array(2)}, outputs=("a", "b"))
    assert {v.operators for v in variants(drop_outputs, forked)} == {("Relu",), ("Exp",)}


def test_attributes_are_left_out_alone_and_together() -> None:
    pool = case(
        [node("AveragePool", "x", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)], {"x": array(1, 1, 4, 4)}
    )
    seen = [attributes_of(v) for v in variants(reset_attributes, pool)]
    assert {"kernel_shape": [2, 2]} in seen
    assert {"kernel_shape": [2, 2], "ceil_mode": 1} in seen
    assert {"kernel_shape": [1, 1], "ceil_mode": 1} in seen


def test_values_of_attributes_get_plainer() -> None:
    flatten = case([node("Flatten", "x", axis=-1)], {"x": array(2, 3)})
    axes = {attributes_of(v)["axis"] for v in variants(simplify_attributes, flatten)}
    assert axes >= {1, 2}
    assert 0 not in axes
    leaky = case([node("LeakyRelu", "x", alpha=0.3)], {"x": array(2)})
    alphas = {attributes_of(v)["alpha"] for v in variants(simplify_attributes, leaky)}
    assert 1.0 in alphas
    assert 0.0 not in alphas


def test_an_axis_never_becomes_the_first_by_leaving_it_out() -> None:
    gather = case([node("Gather", "x i", axis=2)], {"x": array(2, 3, 4)}, {"i": np.array([0, 1])})
    assert variants(reset_attributes, gather) == []
    assert {attributes_of(v)["axis"] for v in variants(simplify_attributes, gather)} == {1}


def test_optional_and_surplus_inputs_are_left_out() -> None:
    assert any(len(v.model.graph.node[0].input) == 2 for v in variants(drop_inputs, CONV))
    arrays = {name: array(2) for name in "xyz"}
    joined = case([node("Concat", "x y z", "out", axis=0)], arrays, outputs=("out",))
    assert {"".join(v.inputs) for v in variants(drop_inputs, joined)} == {"xy", "xz", "yz"}
    pair = case([node("Concat", "x z", axis=0)], {"x": array(2), "z": array(2)})
    assert variants(drop_inputs, pair) == []
    clipped = case([node("Clip", "x lo hi")], {"x": array(2)}, {"lo": array(), "hi": array()})
    assert ["x", "", "hi"] in [list(v.model.graph.node[0].input) for v in variants(drop_inputs, clipped)]


def test_dtypes_become_float32() -> None:
    (floats,) = variants(plain_dtypes, case([node("Abs", "x")], {"x": np.arange(2)}))
    assert floats.inputs["x"].dtype == np.float32


def test_values_become_simple_all_at_once_and_one_by_one() -> None:
    made = case([node("Add", "x w")], {"x": array(3)}, {"w": array(3)})
    seen = [(v.inputs["x"].tolist(), Draft(v).tensors["w"].tolist()) for v in variants(simplify_values, made)]
    assert ([1, 2, 3], [1, 2, 3]) in seen
    assert all(any(x) and any(w) for x, w in seen)
    assert ([1, 2, 3], [1.5, 2.5, 3.5]) in seen
    assert ([1.5, 2.5, 3.5], [1, 1, 1]) in seen


def opsets(made: Case) -> list[int]:
    return [v.opset for v in variants(older_opset, made)]


def test_an_older_opset_is_offered_where_it_means_the_same() -> None:
    assert opsets(case([node("Relu", "x")], {"x": array(2)}, opset=21)) == [11, 13, 17, 18, 20]
    assert opsets(case([node("Relu", "x")], {"x": array(2)}, opset=13)) == [11]
    # along its default axis before 13, along the last one since
    assert opsets(case([node("Softmax", "x")], {"x": array(2, 3)}, opset=17)) == [13]
    # axes were an attribute before 18
    mean = case([node("ReduceMean", "x a")], {"x": array(2, 3)}, {"a": np.array([1])}, opset=18)
    assert opsets(mean) == []


def test_integer_constants_are_structure_and_stay() -> None:
    made = case([node("Reshape", "x s")], {"x": array(2, 3)}, {"s": np.array([3, 2])})
    assert all(Draft(v).tensors["s"].tolist() == [3, 2] for v in variants(simplify_values, made))


def test_storage_becomes_plain_in_one_step() -> None:
    typed = helper.make_tensor("long_weight", 1, [2], [1.5, 2.5])
    odd = case(
        [
            node("Constant", "", "kept_constant", value=numpy_helper.from_array(array(2))),
            helper.make_node("Add", ["x", "long_weight"], ["between"], name="named", doc_string="why"),
            node("Mul", "between kept_constant"),
        ],
        {"x": array(2)},
    )
    odd.model.graph.initializer.append(typed)
    odd.model.producer_name = "someone"
    odd.model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "n"
    odd = Case(odd.model, odd.inputs, external_data=True, declare_inputshape=True)
    plain = variants(plain_storage, odd)[0]
    assert plain.operators == ("Add", "Mul")
    assert not plain.external_data
    assert not plain.declare_inputshape
    assert plain.model.producer_name == ""
    assert all(t.HasField("raw_data") for t in plain.model.graph.initializer)
    assert {t.name for t in plain.model.graph.initializer} == {"w1", "w2"}
    assert [list(n.output) for n in plain.model.graph.node] == [["t"], ["y"]]
    assert plain.model.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 2


def test_no_axis_is_proposed_twice() -> None:
    reduced = case([node("ReduceMin", "x", axes=[1, 2])], {"x": array(1, 2, 3)}, opset=9)
    proposed = [attributes_of(v)["axes"] for v in variants(simplify_attributes, reduced)]
    assert [1] in proposed
    assert [1, 1] not in proposed
