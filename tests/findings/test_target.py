from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.legacy import POOLED_AXES
from fuzzconv.findings.parameters import WITHOUT_AXES
from fuzzconv.findings.target import Target
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

IN_AND_OUT = "7767517\n2 2\nInput in0 0 1 in0\nReLU r 1 1 in0 a\n"
ROUTES = (Route.parse("pnnx:fp16=0/cpu"), Route.parse("pnnx:fp16=0/vulkan"))


class WrongFrom:
    """The CPU is always wrong, Vulkan from as many elements on as said."""

    def __init__(self, elements: int) -> None:
        self._elements = elements

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        large = judged.inputs["x"].size >= self._elements
        kinds = {"cpu": Kind.DIVERGENCE, "vulkan": Kind.DIVERGENCE if large else Kind.OK}
        told = {"max_abs": 1.0, "max_rel": 1.0}
        verdicts = (verdict(str(r), kinds[r.device], **told) for r in routes)
        return Judgement(judged, Reference(), tuple(verdicts))


def relu(size: int) -> Case:
    return case([node("Relu", "x")], {"x": array(size)})


def test_what_is_wrong_on_another_device_too_stays_so() -> None:
    judge = WrongFrom(elements=2)
    found = judge.judge(relu(3), ROUTES)
    target = Target(found, found.verdicts[0], judge, ROUTES)
    assert target.shown_by(relu(2)) is not None
    assert target.shown_by(relu(1)) is None


def test_what_was_right_there_need_not_become_wrong() -> None:
    judge = WrongFrom(elements=9)
    found = judge.judge(relu(3), ROUTES)
    target = Target(found, found.verdicts[0], judge, ROUTES)
    assert target.shown_by(relu(1)) is not None


class NothingLeftFor:
    """Every case is wrong; one of a single ``Identity`` for want of a layer."""

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        blob = "in0" if judged.operators == ("Identity",) else "a"
        conversion = SimpleNamespace(
            converter="pnnx", param=IN_AND_OUT, feedings=(Feeding((), (Binding("y", blob),)),), files={}
        )
        told = {"max_abs": 1.0, "max_rel": 1.0, "output": "y"}
        verdicts = tuple(verdict(str(r), Kind.DIVERGENCE, **told) for r in routes)
        return Judgement(judged, Reference(), verdicts, conversions={"pnnx:fp16=0": conversion})


def test_a_part_that_lacks_a_layer_for_being_cut_out_explains_nothing() -> None:
    pair = case([node("Exp", "x", "t"), node("Identity", "t")], {"x": array(2)})
    judge = NothingLeftFor()
    found = judge.judge(pair, ROUTES[:1])
    target = Target(found, found.verdicts[0], judge, ROUTES[:1])
    alone = case([node("Identity", "x")], {"x": array(2)})
    assert target.verdict_on(alone).kind is Kind.DIVERGENCE
    assert not target._fails(alone)
    assert target._fails(case([node("Exp", "x")], {"x": array(2)}))


class OneLayer:
    """A wrong chain is one layer; what stands beside it is another one."""

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        beside = "AbsVal b 1 1 in1 out1\n" * judged.operators.count("Abs")
        conversion = SimpleNamespace(
            converter="pnnx",
            param=f"7767517\n2 2\nInput in0 0 1 in0\nGELU g 1 1 in0 out0\n{beside}",
            feedings=(SimpleNamespace(inputs=(), outputs=()),),
            files={},
        )
        told = {"max_abs": 1.0, "max_rel": 1.0, "output": "y"}
        # no part of the chain is wrong by itself
        kind = Kind.DIVERGENCE if judged.operators.count("Exp") == 4 else Kind.OK
        verdicts = tuple(verdict(str(r), kind, **told) for r in routes)
        return Judgement(judged, Reference(), verdicts, conversions={"pnnx:fp16=0": conversion})


def test_what_stands_beside_one_fused_layer_may_go() -> None:
    chain = [node("Exp", a, b) for a, b in (("x", "a"), ("a", "b"), ("b", "c"), ("c", "y"))]
    whole = case([*chain, node("Abs", "z", "w")], {"x": array(2), "z": array(2)}, outputs=("y", "w"))
    judge = OneLayer()
    found = judge.judge(whole, ROUTES[:1])
    target = Target(found, found.verdicts[0], judge, ROUTES[:1])
    assert target.signature.message == ""
    assert target.shown_by(case(chain, {"x": array(2)})) is not None


class Pooled:
    """A pooling that leaves too few axes for the layer behind it."""

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        conversion = SimpleNamespace(
            converter="onnx2ncnn",
            param="7767517\n3 3\nInput x 0 1 x\nPooling t 1 1 x t 0=0 4=1\nSoftmax y 1 1 t y 0=0\n",
            feedings=(Feeding((), (Binding("y", "y"),)),),
            files={},
        )
        told = {"max_abs": 1.0, "max_rel": 1.0, "output": "y"}
        # nothing that is cut out is wrong by itself
        kind = Kind.DIVERGENCE if len(judged.operators) > 1 else Kind.OK
        verdicts = tuple(verdict(str(r), kind, **told) for r in routes)
        return Judgement(judged, Reference(), verdicts, conversions={"onnx2ncnn": conversion})


def test_no_further_fault_comes_in() -> None:
    def pooled(**axis: int) -> Case:
        nodes = [node("GlobalMaxPool", "x", "t"), node("Softmax", "t", **axis)]
        return case(nodes, {"x": array(1, 2, 1, 1)})

    routes = (Route.parse("onnx2ncnn/cpu"),)
    found = Pooled().judge(pooled(axis=3), routes)
    target = Target(found, found.verdicts[0], Pooled(), routes)
    assert target.signature.message == POOLED_AXES
    assert target.shown_by(pooled(axis=2)) is not None
    assert target.shown_by(pooled()) is None


class Reduced:
    """A reduction that has lost its axes, in front of a ``Tile`` that has more of them than it can."""

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        repeats = judged.model.graph.initializer[-1].dims[0]
        layers = "Reduction r 1 1 in0 1 0=3 1=0 -23303=0 4=1 5=1\nTile t 1 1 1 out0 -23302={},{}\n"
        conversion = SimpleNamespace(
            converter="pnnx",
            param="7767517\n3 3\nInput in0 0 1 in0\n" + layers.format(repeats, ",".join("2" * repeats)),
            feedings=(Feeding((), (Binding("y", "out0"),)),),
            files={},
        )
        told = {"max_abs": 1.0, "max_rel": 1.0, "output": "y"}
        # nothing that is cut out is wrong by itself
        kind = Kind.DIVERGENCE if len(judged.operators) > 1 else Kind.OK
        verdicts = tuple(verdict(str(r), kind, **told) for r in routes)
        return Judgement(judged, Reference(), verdicts, conversions={"pnnx:fp16=0": conversion})


def test_no_further_fault_of_pnnx_comes_in() -> None:
    def tiled(*repeats: int) -> Case:
        nodes = [node("ReduceMean", "x a", "t"), node("Tile", "t r")]
        weights = {"a": np.array([1]), "r": np.array(repeats)}
        return case(nodes, {"x": np.ones((1,) + (2,) * (len(repeats) - 1), np.float32)}, weights, opset=18)

    routes = (Route.parse("pnnx:fp16=0/cpu"),)
    found = Reduced().judge(tiled(1, 2, 2), routes)
    target = Target(found, found.verdicts[0], Reduced(), routes)
    assert target.signature.message == WITHOUT_AXES
    assert target.shown_by(tiled(1, 1, 2)) is not None
    assert target.shown_by(tiled(1, 1, 1, 2)) is None
