"""Findings made by hand of true upstream bugs, for the tests of everything that writes about findings."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.finding import Blame, Finding, Signature
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

Shape = tuple[int, ...]


def model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: dict[str, Shape],
    weights: dict[str, Array] | None = None,
    *,
    opset: int = 13,
    ir_version: int = 8,
) -> onnx.ModelProto:
    infos = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in side.items()]
        for side in (inputs, outputs)
    ]
    initializers = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(nodes, "main", *infos, initializer=initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)


def shifted_weights() -> Case:
    """onnx2ncnn writes the eight bytes of ``axes`` where its reader takes four: w moves by four."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[2, 2]),
        helper.make_node("Unsqueeze", ["y", "axes"], ["z"]),
    ]
    weights = {"axes": np.array([-1]), "w": np.arange(1, 5, dtype=np.float32).reshape(1, 1, 2, 2)}
    inputs = {"x": np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)}
    return Case(model(nodes, {"x": (1, 1, 3, 3)}, {"z": (1, 1, 2, 2, 1)}, weights), inputs)


def lost_axes() -> Case:
    """pnnx drops the ``axes`` input of ReduceSum: nothing is reduced."""
    nodes = [helper.make_node("ReduceSum", ["x", "axes"], ["y"])]
    weights = {"axes": np.array([2])}
    inputs = {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3)}
    return Case(model(nodes, {"x": (1, 2, 3)}, {"y": (1, 2, 1)}, weights), inputs)


def too_new_ir() -> Case:
    """pnnx's embedded onnxruntime refuses the IR version; pnnx goes on and crashes."""
    nodes = [helper.make_node("Add", ["x", "b"], ["y"])]
    weights = {"b": np.array([1, 2, 3], np.float32)}
    made = model(nodes, {"x": (1, 3)}, {"y": (1, 3)}, weights, ir_version=14)
    return Case(made, {"x": np.array([[1, 2, 3]], np.float32)})


def healthy() -> Case:
    """What every tool converts rightly."""
    nodes = [helper.make_node("Add", ["x", "b"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    weights = {"b": np.array([1.5, -2, 3], np.float32)}
    made = model(nodes, {"x": (1, 2, 3)}, {"z": (1, 2, 3)}, weights)
    return Case(made, {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3) - 3})


def finding(case: Case, kind: Kind, route: str, stage: str = "compare", **more: object) -> Finding:
    where = Route.parse(route)
    verdict = Verdict(where, kind, "one sentence", stage=stage, evidence=more.pop("evidence", {}))
    family = "weights" if kind.is_weight_fault else "result" if stage == "compare" else kind.value
    signature = Signature(family, where.converter, stage, case.operators)
    fields = {"title": f"{where.converter} breaks {' and '.join(case.operators)}", "blame": Blame(), **more}
    return Finding(signature=signature, case=case, verdict=verdict, **fields)
