"""Cases written down in a few words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.rebuild import value_info
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict


def array(*shape: int) -> Array:
    """1.5, 2.5, … : no pattern that reduction likes."""
    return (np.arange(np.prod(shape)) + 1.5).astype(np.float32).reshape(shape)


def case(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Array],
    weights: Mapping[str, Array] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
) -> Case:
    graph = helper.make_graph(
        list(nodes),
        "small",
        [value_info(name, a) for name, a in inputs.items()],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(a, name) for name, a in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return Case(model, dict(inputs))


def node(operator: str, inputs: str, outputs: str = "y", **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def verdict(route: str, kind: Kind, stage: str = "compare", warned: str = "", **evidence: object) -> Verdict:
    return Verdict(Route.parse(route), kind, kind.value, warned, stage, evidence)


def judgement(judged: Case, *verdicts: Verdict, **more: object) -> Judgement:
    return Judgement(judged, Reference(), verdicts, **more)  # type: ignore[arg-type]


REDUCED = "7767517\n2 2\nInput in0 0 1 in0\nReduction mean_0 1 1 in0 out0 0=3 1=0 {axes} 4=1 5=1\n"
FED = (Feeding((), (Binding("y", "out0"),)),)


def by_onnx2ncnn(param: str) -> SimpleNamespace:
    """A conversion as the naming of causes sees it: its ``.param`` alone."""
    return SimpleNamespace(converter="onnx2ncnn", param=param, feedings=(), files={})


def by_pnnx(
    param: str, inputs: dict[str, int | None], output: int | None, converter: str = "pnnx"
) -> SimpleNamespace:
    """A conversion with the batch axis of each input and of the output ``y``."""
    fed = tuple(Binding(name, f"in{i}", axis) for i, (name, axis) in enumerate(inputs.items()))
    return SimpleNamespace(
        converter=converter, param=param, feedings=(Feeding(fed, (Binding("y", "out0", output),)),), files={}
    )


def mean(weights: Mapping[str, Array], *before: onnx.NodeProto, **attributes: object) -> Case:
    inputs = " ".join(["x" if not before else "t", *weights])
    return case([*before, node("ReduceMean", inputs, **attributes)], {"x": array(1, 2, 3)}, weights, opset=18)


def first_fault(faults: Callable[..., Iterator[str]], *judged: object) -> str:
    """The fault that names a network, among all that it has; empty when it has none."""
    return next(faults(*judged), "")
