"""``Resize`` to the nearest element by another rule than ncnn's."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_cases import array, case, judgement, node, verdict

from fuzzconv.converters.conversion import Binding, Feeding
from fuzzconv.findings.evidence import files_tell, passes_tell
from fuzzconv.findings.nearest import NEAREST
from fuzzconv.findings.signature import signature_of
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind

X = array(1, 1, 2)
"""1.5 and 2.5."""
BY_RULE = [1.5, 1.5, 1.5, 2.5, 2.5]
"""floor(0 / 2.5, 1 / 2.5, …) = 0, 0, 0, 1, 1."""
SCALED = {"s": np.float32([1, 1, 2.5])}
NETWORK = "7767517\n2 2\nInput in0 0 1 in0\nInterp r 1 1 in0 out0 0=1 2=2.5\n"


@pytest.mark.parametrize(
    ("attributes", "actual", "kind", "expected"),
    [
        ({}, BY_RULE, Kind.DIVERGENCE, NEAREST),
        ({"nearest_mode": "ceil"}, BY_RULE, Kind.DIVERGENCE, NEAREST),
        ({"coordinate_transformation_mode": "asymmetric"}, BY_RULE, Kind.DIVERGENCE, NEAREST),
        ({}, [2.5, 1.5, 1.5, 2.5, 2.5], Kind.DIVERGENCE, ""),
        ({}, BY_RULE[:4], Kind.SHAPE_MISMATCH, ""),
        ({"mode": "linear"}, BY_RULE, Kind.DIVERGENCE, ""),
    ],
)
@pytest.mark.parametrize("converter", ["pnnx", "onnx2ncnn"])
def test_what_the_plain_rule_would_give_is_one_cause_whatever_the_attributes(
    attributes: dict[str, str], actual: list[float], kind: Kind, expected: str, converter: str
) -> None:
    route = "pnnx:fp16=0/cpu" if converter == "pnnx" else "onnx2ncnn/cpu"
    made = case([node("Resize", "x - s", **attributes)], {"x": X}, SCALED)
    made.model.graph.node[0].input[1] = ""
    bad = verdict(route, kind, output="y")
    fed = (Feeding((Binding("x", "in0"),), (Binding("y", "out0"),)),)
    conversion = SimpleNamespace(converter=converter, param=NETWORK, feedings=fed, files={})
    found = judgement(
        made,
        bad,
        conversions={route.rpartition("/")[0]: conversion},
        actual={route: {"y": np.float32(actual)}},
    )
    signature = signature_of(found, bad, ())
    assert signature.message == expected
    assert (signature.operators == ()) is bool(expected)
    told = passes_tell(found, bad) if converter == "pnnx" else files_tell(found, bad)
    assert ("asymmetric" in told) is bool(expected)


def test_the_same_mistake_of_both_converters_is_a_cause_of_each() -> None:
    made = case([node("Resize", "x - s")], {"x": X}, SCALED)
    made.model.graph.node[0].input[1] = ""
    routes = ("pnnx:fp16=0/cpu", "onnx2ncnn/cpu")
    bad = [verdict(route, Kind.DIVERGENCE, output="y") for route in routes]
    fed = (Feeding((Binding("x", "in0"),), (Binding("y", "out0"),)),)
    found = judgement(
        made,
        *bad,
        conversions={
            route.rpartition("/")[0]: SimpleNamespace(
                converter=route.partition(":")[0].partition("/")[0], param=NETWORK, feedings=fed, files={}
            )
            for route in routes
        },
        actual={route: {"y": np.float32(BY_RULE)} for route in routes},
    )
    found = replace(found, reference=Reference({"y": np.float32([1.5, 1.5, 2.5, 2.5, 2.5])}))
    assert [signature_of(found, one, ()).converter for one in bad] == ["pnnx", "onnx2ncnn"]
