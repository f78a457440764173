from __future__ import annotations

from collections.abc import Sequence

from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.localise import localise
from fuzzconv.findings.signature import failures
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

ROUTES = (Route.parse("pnnx:fp16=0/cpu"), Route.parse("pnnx:fp16=0/vulkan"))


class Culprits:
    """Fails wherever all operators of some culprit are together in the graph."""

    def __init__(self, *culprits: set[str]) -> None:
        self._culprits = culprits
        self.judged: list[tuple[tuple[str, ...], int]] = []

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        self.judged.append((judged.operators, len(routes)))
        bad = any(culprit <= set(judged.operators) for culprit in self._culprits)
        kind = Kind.DIVERGENCE if bad else Kind.OK
        return Judgement(judged, Reference(), tuple(verdict(str(r), kind) for r in routes))


WHOLE = case(
    [
        node("Relu", "x", "a"),
        node("Exp", "a", "b"),
        node("Abs", "b", "c"),
        node("Add", "c a"),
    ],
    {"x": array(2, 3)},
)


def parts(judge: Culprits, **limits: float) -> list[tuple[str, ...]]:
    judgement = judge.judge(WHOLE, ROUTES)
    (failure,) = failures(judgement)
    return [p.case.operators for p in localise(judgement, failure, judge, ROUTES, **limits)]


def test_every_single_operator_that_fails_is_a_cause_of_its_own() -> None:
    assert parts(Culprits({"Exp"}, {"Abs"})) == [("Exp",), ("Abs",)]


def test_otherwise_the_smallest_connected_part() -> None:
    assert parts(Culprits({"Exp", "Abs"})) == [("Exp", "Abs")]
    assert parts(Culprits({"Relu", "Abs"})) == [("Relu", "Exp", "Abs")]


def test_the_last_resort_is_the_whole() -> None:
    assert parts(Culprits({"Relu", "Exp", "Abs", "Add"})) == [WHOLE.operators]
    assert parts(Culprits({"Exp"}), seconds=0) == [WHOLE.operators]


def test_the_search_asks_one_route_and_a_found_part_all() -> None:
    judge = Culprits({"Abs"})
    parts(judge)
    assert judge.judged[1:] == [(("Relu",), 1), (("Exp",), 1), (("Abs",), 1), (("Abs",), 2), (("Add",), 1)]


def test_a_case_of_one_operator_is_its_own_part() -> None:
    judge = Culprits({"Relu"})
    single = case([node("Relu", "x")], {"x": array(2)})
    judgement = judge.judge(single, ROUTES)
    (part,) = localise(judgement, failures(judgement)[0], judge, ROUTES)
    assert part.case is single
    assert len(judge.judged) == 1


def test_what_converters_fold_is_no_suspect() -> None:
    # in the whole, Shape only tells Reshape a constant; cut out it would be an output of its own
    whole = case(
        [node("Shape", "x", "s"), node("Relu", "z", "r"), node("Reshape", "r s", "t"), node("Exp", "t")],
        {"x": array(2, 3), "z": array(6)},
    )
    judge = Culprits({"Relu", "Exp"})
    judgement = judge.judge(whole, ROUTES)
    (part,) = localise(judgement, failures(judgement)[0], judge, ROUTES)
    assert part.case.operators == ("Relu", "Reshape", "Exp")
    assert ("Shape",) not in [operators for operators, _ in judge.judged]
