from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper

from fuzzconv.campaign.rotation import REDUCED_SHARE, drawn_row, plain_passing, row_without_reference
from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import UNRUNNABLE, Reference
from fuzzconv.route import DEFAULT_ROUTES, Route
from fuzzconv.runtime.options import is_reduced, rows_for
from fuzzconv.verdict import Kind, Verdict

CPU = [route for route in DEFAULT_ROUTES if route.device == "cpu"]
PARAM = "7767517\n2 2\nInput in0 0 1 in0\nConvolution c 1 1 in0 b\nInnerProduct c 1 1 b out0\n"


def judged(number: int, kinds: dict[str, Kind] | None = None, param: str = PARAM) -> Judgement:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", values[:1], values[1:])
    case = Case(helper.make_model(graph), {"x": np.float32([number])})
    run = ToolRun(Outcome.DONE, 0, "", "", 0.0)
    return Judgement(
        case,
        Reference(),
        tuple(Verdict(route, (kinds or {}).get(str(route), Kind.OK)) for route in CPU),
        {":".join(filter(None, r.conversion)): Conversion(*r.conversion, run, param) for r in CPU},
    )


def rows_of(count: int, param: str = PARAM) -> Counter[str]:
    cases = [judged(number, param=param) for number in range(count)]
    return Counter(route.options for case in cases for route in drawn_row(case, plain_passing(case)))


def test_every_row_gets_its_turn() -> None:
    drawn = rows_of(1000)
    assert drawn.keys() == set(rows_for("cpu"))
    reduced = sum(count for row, count in drawn.items() if is_reduced(row))
    assert abs(reduced / 1000 - REDUCED_SHARE["cpu"]) < 0.03


def test_rows_that_no_layer_reads_are_not_drawn() -> None:
    drawn = rows_of(300, PARAM.replace("Convolution", "ReLU"))
    assert drawn
    assert not [row for row in drawn if "winograd" in row or "sgemm" in row]


def test_the_same_case_draws_the_same_row() -> None:
    assert {drawn_row(judged(7), plain_passing(judged(7))) for _ in range(5)} == {
        drawn_row(judged(7), plain_passing(judged(7)))
    }


def test_rows_go_to_the_plainest_passing_route_of_each_converter() -> None:
    assert set(map(str, plain_passing(judged(1)))) == {"pnnx:fp16=0/cpu", "onnx2ncnn/cpu"}
    failing = judged(1, {"pnnx:fp16=0/cpu": Kind.CRASH, "onnx2ncnn/cpu": Kind.SKIPPED})
    assert set(map(str, plain_passing(failing))) == {"pnnx:fp16=1/cpu"}
    nothing = judged(1, dict.fromkeys(map(str, CPU), Kind.REFUSED))
    assert drawn_row(nothing, plain_passing(nothing)) == ()


def test_a_case_without_reference_is_run_twice() -> None:
    skipped = judged(1, dict.fromkeys(map(str, CPU), Kind.SKIPPED))
    assert row_without_reference(skipped) == ()
    ran = replace(skipped, actual={str(CPU[1]): {}})
    assert list(map(str, row_without_reference(ran))) == [f"{CPU[1]}:threads2-twice"]


def test_a_case_that_leaves_rows_comparable_takes_any_exact_row() -> None:
    drawn = set()
    for number in range(60):
        case = judged(number, dict.fromkeys(map(str, CPU), Kind.SKIPPED))
        open_case = replace(
            case, actual={str(CPU[0]): {}}, reference=Reference(skip=f"{UNRUNNABLE}: no such kernel")
        )
        drawn |= {route.options for route in row_without_reference(open_case)}
    assert "threads2-twice" in drawn
    assert len(drawn) > 5
    assert not any(map(is_reduced, drawn))


def test_a_vulkan_row_is_drawn_among_the_routes_that_run() -> None:
    among = [Route.parse("pnnx:fp16=1/vulkan")]
    (route,) = drawn_row(judged(3), among)
    assert (route.conversion, route.device) == (("pnnx", "fp16=1"), "vulkan")
    assert route.options in rows_for("vulkan")
