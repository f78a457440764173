"""The bound of a single number: no luck of a few samples makes it smaller than plain rounding."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case
from fuzzconv.reference.bounds import Sampler
from fuzzconv.reference.probe import Probe
from fuzzconv.reference.reference import Precision


def _sum_of_product(seed: int) -> tuple[Case, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(16, 12)).astype(np.float32)
    x = rng.normal(size=(1, 16)).astype(np.float32)
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
    return Case(model, {"x": x}), weights, x


# In the first, four samples of the spread are all small beside what rounding really does.
@pytest.mark.parametrize("seed", [1798, *range(40)])
def test_weights_rounded_to_half_stay_within_the_bound_of_one_number(seed: int) -> None:
    case, weights, x = _sum_of_product(seed)
    probe = Probe(case)
    bounds = Sampler(probe, {"y": probe.values["y"]}).bounds(Precision.FP16_WEIGHTS)
    if isinstance(bounds, str):
        assert "ill-conditioned" in bounds
        return
    rounded = x.astype(np.float64) @ weights.astype(np.float16).astype(np.float64)
    assert abs(rounded.sum() - float(probe.values["y"])) < float(bounds["y"])
