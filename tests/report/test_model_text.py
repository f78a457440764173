import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Case
from fuzzconv.report.model_text import array_text, case_text


def test_a_case_reads_like_a_program() -> None:
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0),
        helper.make_node("Clip", ["y", "", "top"], ["z"], domain="custom"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "n"])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        initializer=[
            numpy_helper.from_array(np.array([-1]), "axes"),
            helper.make_tensor("top", TensorProto.FLOAT, [], [0.1]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert case_text(Case(model, {"x": np.array([[1.0, 2.5]], np.float32)})) == (
        "model 'g': ir 8, opset ai.onnx 13\n"
        "input  x: float[1,n]\n"
        "weight axes = int64[1] [-1]  (raw_data)\n"
        "weight top = float32[] 0.1  (typed field)\n"
        "y = ReduceSum(x, axes, keepdims=0)\n"
        "z = custom.Clip(y, -, top)\n"
        "output z: float[unknown]\n"
        "fed    x = float32[1,2] [[1, 2.5]]\n"
    )


def test_many_values_become_a_range() -> None:
    assert array_text(np.arange(100, dtype=np.float32)) == "float32[100] 100 values in 0.0 … 99.0"
