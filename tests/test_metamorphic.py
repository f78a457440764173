from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case
from fuzzconv.metamorphic import (
    FEATURE,
    MAKERS,
    means_the_same,
    moved,
    renamed,
    reordered,
    restored,
    variant_of,
)
from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.reference import Precision
from fuzzconv.toolchain.optional import SIMPLIFIED, SIMPLIFIER, variants_left_out


def diamond(constants_in_nodes: bool = False) -> Case:
    """Two independent branches from x that meet; one of them adds w, the other has axes of its own."""
    w = numpy_helper.from_array(np.float32([[1, 2, 3]]), "w")
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [-1])
    nodes = [
        helper.make_node("Add", ["x", "w"], ["a"], name="first"),
        helper.make_node("ReduceSum", ["x", "axes"], ["b"], keepdims=1),
        helper.make_node("Mul", ["a", "b"], ["y"]),
    ]
    stored = [w, axes]
    if constants_in_nodes:
        nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in stored] + nodes
        stored = []
    graph = helper.make_graph(
        nodes,
        "diamond",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Case(model, {"x": np.float32([[1, -2, 3], [0.5, 4, -1]])})


CASES = {"stored": diamond(), "nodes": diamond(constants_in_nodes=True)}


@pytest.mark.parametrize("form", CASES)
@pytest.mark.parametrize("name", sorted(MAKERS))
def test_every_variant_is_valid_and_means_the_same(name: str, form: str) -> None:
    if name in variants_left_out():
        pytest.skip(variants_left_out()[name])
    case = CASES[form]
    before = case.model.SerializeToString()
    changed = MAKERS[name](case)
    assert case.model.SerializeToString() == before
    if changed is None:
        assert name == SIMPLIFIED
        return
    onnx.checker.check_model(changed.model, full_check=True)
    assert changed.key != case.key
    assert means_the_same(changed, compute_reference(case, [Precision.FP32]))


def test_renaming_spares_inputs_and_outputs() -> None:
    graph = renamed(diamond()).model.graph
    assert [v.name for v in (*graph.input, *graph.output)] == ["x", "y"]
    assert not {"a", "b", "w", "axes"} & {n for node in graph.node for n in (*node.input, *node.output)}
    assert not any(node.name for node in graph.node)


def test_reordering_swaps_independent_nodes_alone() -> None:
    assert [n.op_type for n in reordered(diamond()).model.graph.node] == ["ReduceSum", "Add", "Mul"]
    chain = reordered(diamond())
    chain.model.graph.node[2].input[0] = "b"
    del chain.model.graph.node[1]
    assert reordered(chain) is None


def test_storage_changes_form_and_keeps_values() -> None:
    w, axes = restored(diamond()).model.graph.initializer
    assert list(w.float_data) == [1, 2, 3]
    assert axes.raw_data == np.int64([-1]).tobytes()


@pytest.mark.parametrize("form", CASES)
def test_constants_move_there_and_back(form: str) -> None:
    changed = moved(CASES[form])
    kinds = [n.op_type for n in changed.model.graph.node]
    assert kinds.count("Constant") == len(CASES[form].model.graph.initializer)
    assert len(changed.model.graph.initializer) == 2 - kinds.count("Constant")


def test_a_change_of_meaning_is_noticed() -> None:
    reference = compute_reference(diamond(), [Precision.FP32])
    wrong = diamond()
    wrong.model.graph.node[0].op_type = "Sub"
    assert not means_the_same(wrong, reference)


def test_a_case_draws_the_same_variant_always_and_says_which() -> None:
    case = diamond()
    drawn = {variant_of(case, compute_reference(case, [Precision.FP32])).name for _ in range(3)}
    assert len(drawn) == 1
    variant = variant_of(case, compute_reference(case, [Precision.FP32]))
    if variant.case is not None:
        assert FEATURE + variant.name in variant.case.features


def test_a_missing_simplifier_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzzconv.toolchain.optional.find_spec", lambda name: None)
    assert variants_left_out() == {
        "simplified": f"{SIMPLIFIER} is not installed; get it with: pip install {SIMPLIFIER}"
    }
