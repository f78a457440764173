"""What a reduction must preserve: the failure itself, so that it can't slip to another bug.

A variant is accepted only with the same kind on the same route, the same signature but for the operators'
traits, and, where several operators are needed, only while no proper part of it fails by itself. What
is wrong on other devices too stays wrong there, and no further fault that is known comes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from fuzzconv.case import Case
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.fusion import FUSED
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.signature import family_of, signature_of
from fuzzconv.findings.subgraph import connected_parts, cuttings, operator_nodes
from fuzzconv.findings.written import NOTHING_LEFT, faults_of
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.route import Route
from fuzzconv.runtime.options import condition_of
from fuzzconv.verdict import Verdict

CONVINCING = 0.05
"""A wrong value this far off (absolutely, and relative to max|reference|) is nobody's rounding. A reduction
never makes the error smaller than that, or than it was: a reader must see at once that it is a bug."""

_MOST_NODES_FOR_ALL_PARTS = 3


class Target:
    """The failure to keep, and who is asked whether a variant still has it.

    Args:
        judgement, verdict: the failure, on its simplest route.
        judge: who judges variants.
        routes: every route there is; asked are those that the failure's condition and converter need.
    """

    def __init__(self, judgement: Judgement, verdict: Verdict, judge: Judge, routes: Sequence[Route]) -> None:
        self.verdict = verdict
        self.judged = 0
        self._judge = judge
        self.signature = signature_of(judgement, verdict, ())
        self._faults = faults_of(judgement, verdict)
        self._witnesses = list(_witnesses(verdict.route, self.signature, routes))
        self._bad_too = [] if self.signature.family != "result" else list(_bad_too(judgement, verdict))
        self._least_relative = min(_error(verdict, "max_rel"), CONVINCING)
        self._least_absolute = min(_error(verdict, "max_abs"), CONVINCING)
        self._answers: dict[str, Judgement | None] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._nothing_left: set[str] = set()

    def verdict_on(self, case: Case) -> Verdict:
        """The case's verdict on the failure's own route."""
        if case.key not in self._verdicts:
            judgement = self._ask(case, [self.verdict.route])
            verdict = self._verdicts[case.key] = judgement.verdicts[0]
            if verdict.kind.is_bad and signature_of(judgement, verdict, ()).message == NOTHING_LEFT:
                self._nothing_left.add(case.key)
        return self._verdicts[case.key]

    def shown_by(self, case: Case) -> Judgement | None:
        """The judgement of ``case`` on the routes that matter when it shows the failure, else None."""
        if case.key not in self._answers:
            self._answers[case.key] = self._look(case)
        return self._answers[case.key]

    def _convincing(self, verdict: Verdict) -> bool:
        relative, absolute = _error(verdict, "max_rel"), _error(verdict, "max_abs")
        return relative >= self._least_relative and absolute >= self._least_absolute

    def _look(self, case: Case) -> Judgement | None:
        verdict = self.verdict_on(case)
        if verdict.kind is not self.verdict.kind or not self._convincing(verdict):
            return None
        judgement = self._ask(case, [verdict.route, *dict.fromkeys([*self._witnesses, *self._bad_too])])
        verdict = judgement.verdicts[0]
        if verdict.kind is not self.verdict.kind:
            return None
        if not self._same_frame(signature_of(judgement, verdict, ())):
            return None
        if not faults_of(judgement, verdict) <= self._faults:
            return None
        still_bad = {v.route for v in judgement.verdicts if v.kind.is_bad}
        if not still_bad.issuperset(self._bad_too):
            return None
        return None if self._part_fails(case) else judgement

    def _same_frame(self, signature: Signature) -> bool:
        """Whether all but the operators is the same; a fused layer is told once nothing is beside it."""
        told_now = not self.signature.message and signature.message.startswith(FUSED)
        return _frame(replace(signature, message="") if told_now else signature) == _frame(self.signature)

    def _part_fails(self, case: Case) -> bool:
        count = len(operator_nodes(case.model))
        values = tensor_values(case) if count > 1 else None
        if values is None:
            return False
        sizes = range(1, count) if count <= _MOST_NODES_FOR_ALL_PARTS else range(1, 2)
        places = (place for size in sizes for place in connected_parts(case.model, size))
        return any(self._fails(part) for place in places for part in cuttings(case, place, values))

    def _fails(self, part: Case) -> bool:
        """Whether a part fails by itself; one that does nothing lacks a layer for being cut out alone."""
        verdict = self.verdict_on(part)
        alike = verdict.kind.is_bad and family_of(verdict) == family_of(self.verdict)
        return alike and (part.key not in self._nothing_left or self.signature.message == NOTHING_LEFT)

    def _ask(self, case: Case, routes: Sequence[Route]) -> Judgement:
        self.judged += 1
        return self._judge.judge(case, routes)


def _frame(signature: Signature) -> Signature:
    return replace(signature, operators=())


def _error(verdict: Verdict, name: str) -> float:
    error = verdict.evidence.get(name)
    return float(error) if isinstance(error, int | float) else 0.0


def _bad_too(judgement: Judgement, verdict: Verdict) -> Iterator[Route]:
    """The same network on other devices, where it is wrong as well: no accident of one device's code."""
    for other in judgement.verdicts:
        same_network = replace(other.route, device=verdict.route.device) == verdict.route
        bad_too = same_network and other.route != verdict.route and other.kind.is_bad
        if bad_too and family_of(other) == family_of(verdict):
            yield other.route


def _witnesses(route: Route, signature: Signature, routes: Sequence[Route]) -> Iterator[Route]:
    """Routes that tell the failure's condition and converter: those that differ from its own in one thing."""
    conditions = set(signature.condition.split("+"))
    for other in routes:
        same_converter = other.converter == route.converter
        same_run = (other.device, other.options) == (route.device, route.options)
        if same_converter and other.setting == route.setting:
            by_device = route.device in conditions and other.device != route.device
            by_options = condition_of(route.options) in conditions - {""} and not other.options
            if (by_device and other.options in ("", route.options)) or (
                by_options and other.device == route.device
            ):
                yield other
        elif same_converter:
            if same_run and route.setting in conditions - {""}:
                yield other
        elif same_run and signature.converter not in ("pnnx", "onnx2ncnn"):
            yield other
