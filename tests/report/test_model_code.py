import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.report.model_code import model_source


def build(source: str) -> onnx.ModelProto:
    scope = {"np": np, "helper": helper, "numpy_helper": numpy_helper, "TensorProto": TensorProto}
    exec(source, scope)
    return scope["build_model"]()


def odd_model() -> onnx.ModelProto:
    """Every storage form and attribute kind that the generator may use, and hostile names."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name='n"1', strides=[1, 2], auto_pad="SAME_LOWER"),
        helper.make_node("LeakyRelu", ["a"], ["b"], alpha=2.0),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array([0.1], np.float32))),
        helper.make_node("Constant", [], ["d"], value_floats=[1.0, 0.5]),
        helper.make_node("Add", ["b", "c"], ["y\n'''"]),
    ]
    initializers = [
        numpy_helper.from_array(np.ones((2, 1, 3, 3), np.float32), "w"),
        helper.make_tensor("typed", TensorProto.INT64, [2], [-1, 2]),
        helper.make_tensor("half", TensorProto.FLOAT16, [2], [0.5, 2.0]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, None, 9])],
        [helper.make_tensor_value_info("y\n'''", TensorProto.FLOAT, None)],
        initializer=initializers,
        value_info=[helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 2, 7, 4])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("custom", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="p")


def test_the_source_builds_the_very_same_model() -> None:
    model = odd_model()
    source = model_source(model)
    assert "stored_model" not in source
    assert build(source) == model


def test_large_weights_are_loaded_instead() -> None:
    model = odd_model()
    weight = np.sin(np.arange(3000, dtype=np.float32))
    model.graph.initializer.append(numpy_helper.from_array(weight, "big"))
    assert "return stored_model()" in model_source(model)


def test_subgraphs_are_loaded_instead() -> None:
    model = odd_model()
    branch = helper.make_graph([], "then", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch))
    assert "stored_model" in model_source(model)
