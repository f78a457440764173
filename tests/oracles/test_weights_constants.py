"""What the weights oracle knows of a model's constants: storage, computed ones, orders, folds, misfits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from weight_models import MODELS, case, weights

from fuzzconv.oracles.weights.constants import Constant, Constants
from fuzzconv.oracles.weights.encoding import same
from fuzzconv.oracles.weights.forms import orders
from fuzzconv.oracles.weights.matching import Matcher
from fuzzconv.oracles.weights.misfits import explain, find_misfits
from fuzzconv.runtime.execution import BlobRead


def named(model: onnx.ModelProto) -> dict[str, Constant]:
    constants = Constants(model)
    return {c.name: c for c in (*constants.stored, *constants.computed)}


def test_constants_come_from_initializers_constant_nodes_and_subgraphs():
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["k"], value_ints=[4, 5])],
        "branch",
        [],
        [helper.make_tensor_value_info("k", TensorProto.INT64, [2])],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0]),
        helper.make_node("If", ["x"], ["chosen"], then_branch=inner, else_branch=inner),
        helper.make_node("Add", ["c", "w"], ["y"]),
    ]
    found = named(case(nodes, {"x": []}, {"w": weights(2)}).model)
    assert found["c"].array.tolist() == [1.0, 2.0]
    assert found["k"].array.tolist() == [4, 5]
    assert (found["w"].is_raw, found["w"].stored_bytes, found["c"].is_raw) == (True, 8, False)


def test_what_nodes_compute_from_constants_is_a_constant_too():
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("Neg", ["t"], ["n"]),
        helper.make_node("MatMul", ["x", "n"], ["y"]),
    ]
    w = weights(5, 7)
    found = named(case(nodes, {"x": [1, 7]}, {"w": w}).model)
    assert np.array_equal(found["n"].array, -w.T)
    assert not found["n"].is_stored
    assert "y" not in found


def test_typed_fields_are_not_raw():
    model = case([helper.make_node("Add", ["x", "c"], ["y"])], {"x": [2]}, {}).model
    model.graph.initializer.append(helper.make_tensor("c", TensorProto.FLOAT, [2], [1.0, 2.0]))
    assert not named(model)["c"].is_raw


def test_orders_hold_every_transposition_and_split_no_shuffle():
    model = MODELS["grouped_deconv"]().model
    constant = named(model)["w"]
    array = constant.as_float
    found = {order.tobytes() for order in orders(constant, array)}
    # ncnn wants (group, out, in, h, w) of ONNX's (group * in, out, h, w).
    grouped = array.reshape(2, 2, 3, 3, 2).transpose(0, 2, 1, 3, 4)
    assert grouped.tobytes() in found
    assert array.transpose(3, 2, 1, 0).tobytes() in found
    swapped = array.ravel().copy()
    swapped[[0, 5]] = swapped[[5, 0]]
    assert swapped.tobytes() not in found


def test_orders_of_a_recurrent_layer_permute_gates():
    constant = named(MODELS["lstm"]().model)["w"]
    i, o, f, c = constant.as_float.reshape(4, 4, 3)
    found = {order.tobytes() for order in orders(constant, constant.as_float)}
    assert np.stack([i, f, o, c]).tobytes() in found
    assert np.stack([i, i, o, c]).tobytes() not in found


def test_folded_normalization_is_the_formula_of_the_spec():
    case_ = MODELS["conv_and_norm"]()
    c = {name: constant.array.astype(np.float64) for name, constant in named(case_.model).items()}
    factor = c["s"] / np.sqrt(c["v"] + 1e-5)
    matcher = Matcher(case_.model)
    weight = (c["w"] * factor[:, None, None, None]).astype(np.float32).ravel()
    bias = ((c["cb"] - c["m"]) * factor + c["b"]).astype(np.float32)
    assert matcher.explain(weight, half=False) is not None
    assert matcher.explain(bias, half=False) is not None
    assert matcher.explain(bias * np.float32(1.001), half=False) is None


def test_a_constant_next_to_a_foldable_node_is_not_missed():
    """The convolution's weight may have been merged with the normalisation that follows it."""
    matcher = Matcher(MODELS["conv_and_norm"]().model)
    assert "w" not in {constant.name for constant in matcher.missing([])}
    assert "w" in {constant.name for constant in Matcher(MODELS["conv2d"]().model).missing([])}


@pytest.mark.parametrize(
    ("read", "meant", "half", "expected"),
    [
        (1.0, 1.0, False, True),
        (1.0, 1.00001, False, False),
        (np.nan, np.nan, False, True),
        (0.0, -0.0, False, True),
        (0.10003662, 0.1, True, True),  # 0.1 in half precision is 0.0999756, one ulp above it is 0.1000366
        (0.1001, 0.1, True, False),
        (0.0, 5e-5, True, True),
        (0.0, 7e-5, True, False),
        (np.inf, 65520.0, True, True),
        (np.inf, 65519.0, True, False),
        (-np.inf, 65520.0, True, False),
    ],
)
def test_same_follows_the_encoding(read, meant, half, expected):
    one = same(np.array([read], np.float32), np.array([meant], np.float32), half=half, relative=1e-6)
    assert bool(one[0]) is expected


def test_misfits_follow_onnx2ncnns_rule_for_sizes():
    stored = [
        Constant("raw64", np.array([-1], np.int64), stored_bytes=8, is_raw=True),
        Constant("typed64", np.array([-1, 2], np.int64), stored_bytes=16),
        Constant("raw16", weights(4).astype(np.float16), stored_bytes=8, is_raw=True),
        Constant("floats", weights(4), stored_bytes=16),
    ]
    blobs = [
        BlobRead(c.name, "MemoryData", 0, 1, None, 0, 4 * c.array.size, None, c.array.size) for c in stored
    ]
    misfits = find_misfits(blobs, stored)
    assert [(m.constant.name, m.written, m.wanted) for m in misfits] == [
        ("raw64", 8, 4),
        ("typed64", 0, 8),
        ("raw16", 8, 16),
    ]
    assert explain(misfits, 4 - 8 - 8) == misfits
    assert explain(misfits, 4) == []
