"""Looks at one case the way a campaign does: CPU routes, every failure localised, Vulkan on the side.

The examiner tells the coordinator of every case (``CaseJudged``) and puts every failing case with news on
disk before it says so (``CandidateFound``). It knows nothing of Hypothesis.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from fuzzconv.campaign.messages import CANDIDATE_FILE, CandidateFound, CaseJudged, Event, NoNews
from fuzzconv.campaign.rotation import drawn_row, plain_passing, row_without_reference
from fuzzconv.campaign.vulkan_lane import VulkanLane
from fuzzconv.case import Case
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.localise import Localised, localise
from fuzzconv.findings.rows import ExtendingJudge, on_smallest_row, with_row
from fuzzconv.findings.signature import coarse, failures, family_of
from fuzzconv.findings.title import title_of
from fuzzconv.judgement import Judgement
from fuzzconv.metamorphic import FEATURE, variant_of
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

LOCALISE_SECONDS = 5.0
VARIANT_EVERY = 60
"""One case in so many is judged in a metamorphic variant as well."""


class Examiner:
    """Judges cases for one worker.

    Args:
        judge: the road.
        routes: the CPU routes; Vulkan routes belong to ``lane``. Passing cases get an option row in addition.
        lane: where passing cases go on to Vulkan, None when no Vulkan route runs.
        candidates: folder for failing cases.
        emit: takes events to the coordinator; safe to call from any thread.
    """

    def __init__(
        self,
        judge: ExtendingJudge,
        routes: Sequence[Route],
        lane: VulkanLane | None,
        candidates: Path,
        emit: Callable[[Event], None],
    ) -> None:
        self._judge = judge
        self._routes = tuple(routes)
        self._lane = lane
        self._candidates = candidates
        self._emit = emit
        self._kept: list[Signature] = []
        self._seen: set[str] = set()
        self.cases = 0
        self.diagnosis_seconds = 0.0
        """Time spent on anything but judging cases: diagnosis and variants."""

    def begin_round(self) -> None:
        """Forget what was kept before: the next task's ``NoNews`` knows it."""
        self._kept.clear()

    def examine(self, case: Case, no_news: NoNews) -> Localised | None:
        """Judge a case on all CPU routes and report it; returns its first failure that is news.

        A case that was examined before is reported as such: whatever it shows is no news any more.
        """
        if case.key in self._seen:
            self._emit(CaseJudged(case.key, {}))
            return None
        self._seen.add(case.key)
        judgement = self._judge.judge(case, self._routes)
        self.cases += 1
        row = drawn_row(judgement, plain_passing(judgement)) or row_without_reference(judgement)
        judgement = self._judge.extend(judgement, row)
        news, blamed, hits = self._diagnose(judgement, self._routes, no_news)
        self._emit(case_event(judgement, judgement.verdicts, case.key, blamed, hits))
        for failure in news:
            self.keep(failure, failure.case)
        if self._lane:
            self._lane.offer(judgement)
        if int(case.key, 16) % VARIANT_EVERY == 0:
            self._examine_variant(judgement, no_news)
        return news[0] if news else None

    def examine_vulkan_failures(self, no_news: NoNews) -> None:
        """Diagnose what the Vulkan lane found since the last call; keep what is news."""
        for judgement in self._lane.take_failures() if self._lane else ():
            routes = [verdict.route for verdict in judgement.verdicts]
            news, blamed, hits = self._diagnose(judgement, routes, no_news)
            bad = [v for v in judgement.verdicts if v.kind.is_bad and v.route.device != "cpu"]
            counted = case_event(judgement, bad, "", blamed, hits)
            self._emit(replace(counted, verdicts={}))  # the lane has told the verdicts already
            for failure in news:
                self.keep(failure, failure.case)

    def _examine_variant(self, judgement: Judgement, no_news: NoNews) -> None:
        """Judge a metamorphic variant of a case on the routes it passes; all this is outside the search."""
        started, diagnosed = time.monotonic(), self.diagnosis_seconds
        passed = [v.route for v in judgement.verdicts if v.kind is Kind.OK and not v.route.options]
        variant = variant_of(judgement.case, judgement.reference) if passed else None
        route = f"{FEATURE}{variant.name}/cpu" if variant else ""
        if variant and variant.case is None:
            self._emit(CaseJudged("", {route: Kind.SKIPPED.value}))
        elif variant and variant.case:
            judged = self._judge.extend(Judgement(variant.case, judgement.reference, ()), passed)
            worst = max((verdict.kind for verdict in judged.verdicts), key=lambda kind: kind.rank)
            self._emit(CaseJudged("", {route: worst.value}))
            news, _, _ = self._diagnose(judged, passed, no_news)
            for failure in news:
                self.keep(failure, replace(failure.case, features=variant.case.features))
        self.diagnosis_seconds = diagnosed + time.monotonic() - started

    def still_fails(self, case: Case, target: Localised) -> bool:
        """Whether ``case`` shows the same failure (while shrinking: only the failing route is judged)."""
        judgement = self._judge.judge(case, (target.verdict.route,))
        return any(
            coarse(part.signature) == coarse(target.signature)
            for failure in failures(judgement)
            if family_of(failure) == target.signature.family
            for part in self._localised(judgement, failure, self._routes)
        )

    def keep(self, failure: Localised, case: Case) -> None:
        """Put a failing case on disk and tell of it."""
        folder = self._candidates / failure.signature.slug
        case.save(folder)
        route, title = str(failure.verdict.route), title_of(failure.signature, failure.verdict)
        facts = {
            "signature": vars(failure.signature),
            "route": route,
            "title": title,
            "detail": failure.verdict.detail,
        }
        (folder / CANDIDATE_FILE).write_text(json.dumps(facts, indent=1))
        self._emit(CandidateFound(failure.signature, str(folder), route, title))

    def _localised(self, judgement: Judgement, failure: Verdict, routes: Sequence[Route]) -> list[Localised]:
        """The parts of a case that fail by themselves, each on the smallest option row that shows it."""
        asked = with_row(routes, failure.route)
        parts = localise(judgement, failure, self._judge, asked, seconds=LOCALISE_SECONDS)
        return [on_smallest_row(part, self._judge, routes) for part in parts]

    def _waiting_too(self, no_news: NoNews) -> NoNews:
        """``no_news`` and what this worker itself has kept since the task was given."""
        for signature in self._kept:
            no_news = no_news.and_waiting(signature)
        return no_news

    def _diagnose(
        self, judgement: Judgement, routes: Sequence[Route], no_news: NoNews
    ) -> tuple[list[Localised], dict[str, tuple[str, ...]], list[Signature]]:
        """News, route id → operators to blame, and hits of known signatures, over all failures."""
        started = time.monotonic()
        news: list[Localised] = []
        blamed: dict[str, tuple[str, ...]] = {}
        hits: list[Signature] = []
        for failure in failures(judgement):
            parts = self._localised(judgement, failure, routes)
            culprits = tuple(operator for part in parts for operator in part.case.operators)
            for verdict in judgement.verdicts:
                if verdict.kind.is_bad and family_of(verdict) == family_of(failure):
                    blamed[str(verdict.route)] = culprits
            for part in parts:
                hit = self._waiting_too(no_news).hit(part.signature)
                if hit:
                    hits.append(hit)
                else:
                    news.append(part)
                    self._kept.append(part.signature)
        self.diagnosis_seconds += time.monotonic() - started
        return news, blamed, hits


def case_event(
    judgement: Judgement,
    verdicts: Sequence[Verdict],
    key: str,
    blamed: dict[str, tuple[str, ...]],
    known: Sequence[Signature],
) -> CaseJudged:
    """Sum a judgement up for the coordinator.

    An ``ok`` verdict counts for every operator of the graph, a bad one for the operators it was localised to
    and ``unsupported`` for those the tool named; what else is in such a graph was not shown right or wrong. A
    bad verdict that was not localised (yet) counts for none.
    """
    case = judgement.case
    dtype, rank = _value_type(case.model.graph)
    cells = []
    for verdict in verdicts:
        operators = blamed.get(str(verdict.route), ())
        if not verdict.kind.is_bad:
            operators = _named_operators(verdict, case.operators)
        for operator in sorted(set(operators) - {"Constant"}):
            cells.append((operator, case.opset, dtype, rank, str(verdict.route), _cell_kind(verdict)))
    reached = {Kind.OK, Kind.SHAPE_MISMATCH, Kind.NAN, Kind.DIVERGENCE}
    return CaseJudged(
        key,
        {str(v.route): v.kind.value for v in verdicts},
        tuple(cells),
        tuple(sorted(case.features)),
        tuple(sorted(set(case.operators))),
        any(v.route.converter == "pnnx" and v.kind in reached for v in verdicts),
        tuple(known),
    )


def _named_operators(verdict: Verdict, operators: tuple[str, ...]) -> tuple[str, ...]:
    said = verdict.evidence.get("operators") if verdict.kind is Kind.UNSUPPORTED else None
    named = tuple(operator for operator in operators if isinstance(said, list) and operator in said)
    return named or operators


def _cell_kind(verdict: Verdict) -> str:
    """The kind as the matrix counts it: faults the tool gave word about stand apart from silent ones."""
    return f"warned {verdict.kind.value}" if verdict.kind.is_bad and verdict.warned else verdict.kind.value


def _value_type(graph: onnx.GraphProto) -> tuple[str, int]:
    """Element type and rank of a graph's first input, or of its first output when it has none."""
    value = next(iter((*graph.input, *graph.output)))
    tensor = value.type.tensor_type
    return onnx.TensorProto.DataType.Name(tensor.elem_type).lower(), len(tensor.shape.dim)
