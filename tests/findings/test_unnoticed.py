"""Differences that a converter loses are found by converting the variant too."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.unnoticed import _differ, _operator, _variants, _written, unnoticed
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

ROUTE = "pnnx:fp16=0/cpu"
LEAKY = case([node("LeakyRelu", "x", alpha=0.5)], {"x": -array(3)})
PNNX = "7767517\n3 2\npnnx.Input in0 0 1 0\nF.leaky_relu f 1 1 0 1 {} $input=0 #1=(3)f32\n"
NCNN = "7767517\n2 2\nInput in0 0 1 in0\nReLU r 1 1 in0 out0 {}\n"


class Converts:
    """Writes the alpha that ``pnnx`` and ``ncnn`` make of the node's; right where ncnn's is the node's."""

    def __init__(
        self,
        pnnx: float | None = None,
        ncnn: float | None = None,
        weights: bool = False,
        right: Kind = Kind.OK,
    ) -> None:
        self._pnnx, self._ncnn, self._weights, self._right = pnnx, ncnn, weights, right

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        alpha = {a.name: a.f for n in judged.model.graph.node for a in n.attribute}.get("alpha", 0.01)
        passed = alpha if self._pnnx is None else self._pnnx
        lowered = passed if self._ncnn is None else self._ncnn
        conversion = SimpleNamespace(
            param=NCNN.format(f"0={lowered}"),
            weights=str(alpha).encode() if self._weights else b"",
            files={"pnnx.param": PNNX.format(f"negative_slope={passed}").encode()},
            feedings=(),
        )
        values = tensor_values(judged)
        assert values is not None
        kind = self._right if abs(lowered - alpha) < 1e-6 else Kind.DIVERGENCE
        return Judgement(
            judged,
            Reference(outputs={"y": values["y"]}),
            tuple(verdict(str(route), kind) for route in routes),
            conversions={"pnnx:fp16=0": conversion},
        )


def lost(judge: Converts) -> object:
    found = judge.judge(LEAKY, [Route.parse(ROUTE)])
    return unnoticed(found, found.verdicts[0], judge)


@pytest.mark.parametrize(("pnnx", "ncnn", "by_passes"), [(0.01, None, True), (None, 0.01, False)])
def test_the_file_that_lacks_the_difference_tells_who_lost_it(
    pnnx: float | None, ncnn: float | None, by_passes: bool
) -> None:
    found = lost(Converts(pnnx, ncnn))
    assert found is not None
    assert found.by_passes is by_passes
    name = "pnnx.param" if by_passes else "ncnn.param"
    assert found.told == f"without alpha the {name} is the same, and right: the difference is lost"
    assert found.operator == "LeakyRelu(alpha)"


@pytest.mark.parametrize(("by", "differs"), [(2e-6, False), (6e-3, True)])
def test_a_small_difference_is_one_where_rounding_makes_none(by: float, differs: bool) -> None:
    one, other = Reference(outputs={"y": array(2)}), Reference(outputs={"y": array(2) + by})
    assert _differ(one, other) is differs


def test_of_a_variant_without_reference_it_is_not_said_that_it_is_right() -> None:
    found = lost(Converts(pnnx=0.01, right=Kind.SKIPPED))
    assert found is not None
    assert found.told == "without alpha the pnnx.param is the same: the difference is lost"


def test_a_network_that_is_wrong_for_the_variant_too_tells_nothing() -> None:
    assert lost(Converts(pnnx=0.3)) is None


def test_what_no_output_needs_is_no_difference() -> None:
    dead = PNNX.format("negative_slope=0.1") + "F.relu {} 1 1 0 7\npnnx.Output out0 1 0 1\n"
    texts = [dead.format(f"r{i}").replace("F.relu r1", "F.silu r1") for i in range(2)]
    one, other = (SimpleNamespace(files={"pnnx.param": t.encode()}) for t in texts)
    assert _written(one, "pnnx.param") == _written(other, "pnnx.param")


def test_a_difference_may_be_in_the_weights() -> None:
    assert lost(Converts(ncnn=0.01, weights=True)) is None


def variant(made: Case, told: str) -> object:
    return next(v for v in _variants(made) if v.told == told)


def test_what_is_lost_is_told_by_one_operator_whatever_stands_beside_it() -> None:
    x = {"x": array(2, 2)}
    three = case([node("Abs", "x", "t"), node("Max", "t x w")], x, {"w": array(2, 2)})
    assert _operator(three, variant(three, "without input 2"), 13) == "Max(inputs=3)"
    state = {"w": array(1, 1, 1), "r": array(1, 1, 1), "b": array(1, 2)}
    fed = case([node("RNN", "x w r b", hidden_size=1)], {"x": array(1, 1, 1), "b": state.pop("b")}, state)
    assert _operator(fed, variant(fed, "without input 3"), 13) == "RNN(B,B computed)"
    old = case(
        [node("AveragePool", "x", "t", kernel_shape=[1]), node("Softmax", "t")],
        {"x": array(1, 1, 2)},
        opset=9,
    )
    # both were defined anew by 13, AveragePool in 10 and 11: in opset 11 Softmax still means the same
    assert _operator(old, variant(old, "in opset 13"), 11) == "Softmax(old opset)"
    assert _operator(old, variant(old, "in opset 13"), 9) == ""


def test_a_switch_that_is_not_given_is_named_by_the_value_that_it_has() -> None:
    made = case([node("ReduceMax", "x")], {"x": array(1, 2)})
    assert _operator(made, variant(made, "with keepdims=0"), 13) == "ReduceMax(keepdims=1)"
