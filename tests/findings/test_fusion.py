from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import pytest
from small_cases import array, case, judgement, node, verdict

from fuzzconv.findings.fusion import FUSED, GELU
from fuzzconv.findings.signature import signature_of
from fuzzconv.findings.title import title_of
from fuzzconv.verdict import Kind

ONE = "7767517\n2 2\nInput in0 0 1 in0\nMultiHeadAttention a 1 1 in0 out0 0=4\n"
TWO = "7767517\n3 3\nInput in0 0 1 in0\nReLU r 1 1 in0 1\nMultiHeadAttention a 1 1 1 out0 0=4\n"
FED = (SimpleNamespace(inputs=(), outputs=(SimpleNamespace(blob="out0", tensor="y", batch_axis=None),)),)


def signature(count: int, param: str, kind: Kind = Kind.DIVERGENCE):
    """Of a wrong chain of so many operators, converted to this network."""
    names = ["x", *(f"t{i}" for i in range(1, count)), "y"]
    nodes = [node("Relu", one, other) for one, other in pairwise(names)]
    bad = verdict("pnnx:fp16=0/cpu", kind, output="y")
    conversion = SimpleNamespace(converter="pnnx", param=param, feedings=FED, files={})
    made = judgement(case(nodes, {"x": array(1, 2)}), bad, conversions={"pnnx:fp16=0": conversion})
    return signature_of(made, bad), bad


def test_the_layer_that_many_operators_became_names_the_cause() -> None:
    found, bad = signature(5, ONE)
    assert (found.operators, found.message) == ((), f"{FUSED}MultiHeadAttention")
    assert signature(9, ONE)[0] == found
    told = "pnnx: a graph taken for one MultiHeadAttention layer gives wrong values"
    assert title_of(found, bad) == told


def test_attention_of_a_dozen_operators_is_named_beside_another_layer() -> None:
    assert signature(12, TWO)[0] == signature(12, ONE)[0]
    assert signature(12, TWO.replace("MultiHeadAttention", "LayerNorm"))[0].message == ""


@pytest.mark.parametrize("layer", ["ReLU", "ReLU6"])
def test_a_layer_of_an_operators_own_name_is_made_of_no_others(layer: str) -> None:
    assert signature(5, ONE.replace("MultiHeadAttention", layer))[0].message == ""


@pytest.mark.parametrize(("count", "param"), [(3, ONE), (5, TWO)])
def test_few_operators_or_several_layers_are_named_by_the_operators(count: int, param: str) -> None:
    found, _ = signature(count, param)
    assert len(found.operators) == count
    assert found.message == ""


def test_a_long_chain_is_named_by_its_ends() -> None:
    found, bad = signature(9, TWO)
    assert title_of(found, bad).startswith("pnnx: Relu")
    assert " then 7 operators then Relu" in title_of(found, bad)


EXACT = "7767517\n1 1\nF.gelu g 1 1 0 1 #1=(1,2)f32\n"


@pytest.mark.parametrize(
    ("operators", "error", "pnnx", "expected"),
    [
        ("Tanh", 4.7e-4, EXACT, GELU),
        ("Tanh", 4.7e-3, EXACT, ""),
        ("Tanh", 4.7e-4, EXACT.replace("0 1 #", "0 1 approximate=tanh #"), ""),
        ("Tanh", 4.7e-4, "", ""),
        ("Erf", 4.7e-4, EXACT, ""),
        ("Tanh Erf", 4.7e-4, EXACT, ""),
        ("Tanh Erf", 4.7e-4, f"{EXACT}pnnx.Expression e 1 1 0 2 expr=erf(@0)\n", GELU),
        ("Tanh Erf", 4.7e-4, f"{EXACT}{EXACT}", GELU),
        ("Tanh Erf", 4.7e-4, "torch.erf erf 1 1 0 1 expr=mul(erf(@0),erf(@0))\n", ""),
    ],
)
def test_the_tanh_form_taken_for_the_exact_one_is_a_cause_for_small_errors_only(
    operators: str, error: float, pnnx: str, expected: str
) -> None:
    nodes = [node(operator, "x", operator) for operator in operators.split()]
    made = case([*nodes, node("Mul", f"x {nodes[0].output[0]}")], {"x": array(1, 2)})
    for sizes in ({"max_rel": error, "max_abs": 10 * error}, {"max_rel": 100 * error, "max_abs": error}):
        bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, output="y", **sizes)
        conversion = SimpleNamespace(
            converter="pnnx", param=ONE, feedings=FED, files={"pnnx.param": pnnx.encode()}
        )
        found = judgement(made, bad, conversions={"pnnx:fp16=0": conversion})
        assert signature_of(found, bad).message == expected
