from __future__ import annotations

from collections.abc import Sequence

from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.findings.target import Target
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

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
