"""The bound of a single number: no luck of a few samples makes it smaller than plain rounding."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case
from fuzzconv.reference.bounds import Sampler
from fuzzconv.reference.probe import Probe
from fuzzconv.reference.reference import Precision


def _sum_of_product(weights: np.ndarray, x: np.ndarray) -> Case:
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["t"]),
            helper.make_node("ReduceSum", ["t"], ["y"], keepdims=0),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Case(model, {"x": x})


# In the first, four samples of the spread are all small beside what rounding really does.
@pytest.mark.parametrize("seed", [1798, *range(40)])
def test_weights_rounded_to_half_stay_within_the_bound_of_one_number(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(16, 12)).astype(np.float32)
    x = rng.normal(size=(1, 16)).astype(np.float32)
    probe = Probe(_sum_of_product(weights, x))
    bounds = Sampler(probe, {"y": probe.values["y"]}).bounds(Precision.FP16_WEIGHTS)
    if isinstance(bounds, str):
        assert "ill-conditioned" in bounds
        return
    rounded = x.astype(np.float64) @ weights.astype(np.float16).astype(np.float64)
    assert abs(rounded.sum() - float(probe.values["y"])) < float(bounds["y"])


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        (Precision.FP16_WEIGHTS, np.dtype("float16")),
        (Precision.FP16, np.dtype("float16")),
        (Precision.BF16, helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)),
    ],
)
def test_equal_weights_err_all_alike(precision: Precision, dtype: np.dtype) -> None:
    weights = np.full((256, 3), 0.52083331, np.float32)
    x = np.abs(np.random.default_rng(1).normal(size=(1, 256))).astype(np.float32)
    probe = Probe(_sum_of_product(weights, x))
    bounds = Sampler(probe, {"y": probe.values["y"]}).bounds(precision)
    assert not isinstance(bounds, str)
    rounded = x.astype(np.float64) @ weights.astype(dtype).astype(np.float64)
    assert abs(rounded.sum() - float(probe.values["y"])) < float(bounds["y"])


@pytest.mark.parametrize(("lowest", "judged"), [(-9.0, True), (-18.0, False)])
def test_the_logarithm_of_a_softmax_that_half_makes_zero_is_not_judged(lowest: float, judged: bool) -> None:
    graph = helper.make_graph(
        [helper.make_node("LogSoftmax", ["x"], ["y"], axis=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    probe = Probe(Case(model, {"x": np.float32([[0.0, lowest]])}))
    sampler = Sampler(probe, {"y": probe.values["y"]})
    assert isinstance(sampler.bounds(Precision.FP16), str) is not judged
    assert not isinstance(sampler.bounds(Precision.BF16), str)


def _behind(operator: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """The fp32 bound, and the values, of an ``Erf`` of the operator's results."""
    opset = helper.make_opsetid("", 20)
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["t"]), helper.make_node("Erf", ["t"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
    )
    probe = Probe(Case(helper.make_model(graph, opset_imports=[opset], ir_version=9), {"x": x}))
    bounds = Sampler(probe, {"y": probe.values["y"]}).bounds(Precision.FP32)
    assert not isinstance(bounds, str)
    return {"bound": bounds["y"], "value": probe.values["y"]}


@pytest.mark.parametrize("operator", ["Mish", "Gelu"])
def test_a_unit_of_rounding_is_multiplied_by_the_operand_that_it_gates(operator: str) -> None:
    """Of size 1 inside, 2^-24 off; behind it the error is no longer small beside the largest value."""
    found = _behind(operator, np.float32([729.6175, -907.9054]))
    assert found["bound"][1] > 2.0 / np.sqrt(np.pi) * 907.9054 * 2.0**-24
    usual = _behind(operator, np.float32([0.5, -2.0, 1.5]))
    assert usual["bound"].max() < 1e-4 * usual["value"].max()
