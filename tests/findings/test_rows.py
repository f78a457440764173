from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.findings.localise import localise
from fuzzconv.findings.rows import on_smallest_row, row_evidence, under_every_row, with_row
from fuzzconv.findings.signature import failures
from fuzzconv.findings.title import title_of
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.runtime.options import switches_of
from fuzzconv.verdict import Kind

ROUTES = tuple(
    map(Route.parse, ("pnnx:fp16=0/cpu", "pnnx:fp16=1/cpu", "onnx2ncnn/cpu", "pnnx:fp16=0/vulkan"))
)
PARAM = "7767517\n2 2\nInput in0 0 1 in0\nConvolution c 1 1 in0 out0\n"
CASE = case([node("Relu", "x")], {"x": array(2, 3)})


class Rows:
    """Wrong under every row that has all switches of one of the culprits, on pnnx alone."""

    def __init__(self, *culprits: set[str]) -> None:
        self._culprits = culprits
        self.judged: list[str] = []

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        run = ToolRun(Outcome.DONE, 0, "", "", 0.0)
        converted = {
            ":".join(filter(None, r.conversion)): Conversion(*r.conversion, run, PARAM) for r in routes
        }
        return self.extend(Judgement(judged, Reference(), (), conversions=converted), routes)

    def extend(self, judgement: Judgement, routes: Sequence[Route]) -> Judgement:
        self.judged += map(str, routes)
        verdicts = tuple(verdict(str(r), Kind.DIVERGENCE if self._wrong(r) else Kind.OK) for r in routes)
        return replace(judgement, verdicts=judgement.verdicts + verdicts)

    def _wrong(self, route: Route) -> bool:
        switches = set(switches_of(route.options))
        return route.converter == "pnnx" and any(culprit <= switches for culprit in self._culprits)


@pytest.mark.parametrize(
    ("culprits", "met_on", "smallest", "named"),
    [
        ([{"nosgemm"}], "nowinograd-nosgemm", "nosgemm", "with use_sgemm_convolution=0 only"),
        ([{"nosgemm"}, {"nopacking"}], "nosgemm", "nopacking", "with use_packing_layout=0 only"),
        ([{"bf16s"}], "bf16s-nopacking", "bf16s", "with use_bf16_storage=1 only"),
        (
            [{"bf16s", "nopacking"}],
            "bf16s-nopacking",
            "bf16s-nopacking",
            "with use_bf16_storage=1, use_packing_layout=0 only",
        ),
        ([{"fp16s", "fp16a"}], "fp16", "fp16s-fp16a", "with use_fp16_storage=1, use_fp16_arithmetic=1 only"),
    ],
)
def test_the_smallest_row_stands_for_the_failure(
    culprits: list[set[str]], met_on: str, smallest: str, named: str
) -> None:
    judge = Rows(*culprits)
    route = Route("pnnx", "fp16=0", "cpu", met_on)
    routes = ROUTES[:3]
    judgement = judge.judge(CASE, with_row(routes, route))
    (failure,) = failures(judgement)
    (part,) = localise(judgement, failure, judge, with_row(routes, route))
    found = on_smallest_row(part, judge, routes)
    assert found.verdict.route.options == smallest
    assert found.signature.condition == smallest
    assert found.signature.converter == "ncnn"
    assert named in title_of(found.signature, found.verdict)


def test_a_failure_on_the_baseline_stays_as_it_is() -> None:
    judge = Rows(set())
    judgement = judge.judge(CASE, ROUTES[:1])
    (failure,) = failures(judgement)
    (part,) = localise(judgement, failure, judge, ROUTES[:1])
    judge.judged.clear()
    assert on_smallest_row(part, judge, ROUTES[:1]) is part
    assert judge.judged == []


def test_every_row_is_told() -> None:
    judge = Rows({"nosgemm"})
    routes = with_row(ROUTES, Route("pnnx", "fp16=0", "cpu", "nosgemm"))
    judgement = judge.judge(CASE, routes)
    (failure,) = failures(judgement)
    evidence = row_evidence(under_every_row(judgement, failure, judge), failure)
    assert set(evidence["rows_wrong"]) == {"nosgemm", "nowinograd-nosgemm", "nopacking-nowinograd-nosgemm"}
    assert {"", "nopacking", "bf16s", "threads2"} <= set(evidence["rows_right"])


def test_a_row_is_asked_of_both_converters_on_its_device() -> None:
    added = set(with_row(ROUTES, Route.parse("pnnx:fp16=0/cpu:nosgemm"))) - set(ROUTES)
    assert set(map(str, added)) == {"pnnx:fp16=0/cpu:nosgemm", "onnx2ncnn/cpu:nosgemm"}
    assert with_row(ROUTES, ROUTES[0]) == ROUTES
