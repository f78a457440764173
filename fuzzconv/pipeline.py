"""The road itself: a case in, a judgement out.

``Pipeline.judge`` converts, proves the weights, runs and compares on each route; ``extend`` adds routes to a
judgement that exists (Vulkan after CPU) without converting again. Both follow the same steps, and each
step's judge may end the road with a verdict.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Conversion, Converter, Feeding, Outcome
from fuzzconv.judgement import Judgement
from fuzzconv.oracles.determinism import compare_runs, reference_of_run
from fuzzconv.oracles.process import judge_batch, judge_conversion, judge_run, judge_trace, warning_of
from fuzzconv.oracles.readings import readings_of
from fuzzconv.oracles.rows import (
    COMPARED_WITH,
    asked_of_baseline,
    floor_of,
    leaves_rows_comparable,
    reference_of_baseline,
)
from fuzzconv.oracles.values import WRONG_OUTPUTS, judge_outputs
from fuzzconv.oracles.weights import WeightFault, judge_weights
from fuzzconv.recent import Recent
from fuzzconv.reference.compute import compute_reference, is_remembered
from fuzzconv.reference.precisions import precision_of
from fuzzconv.reference.reference import EMPTY, Precision, Reference
from fuzzconv.route import Route
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunResult, Runtime, WeightTrace
from fuzzconv.runtime.options import is_reduced, options_for, runs_of
from fuzzconv.verdict import FEEDING, Kind, Verdict


def conversion_id(route: Route) -> str:
    """``CONVERTER[:SETTING]``: what routes that share one conversion have in common."""
    return f"{route.converter}:{route.setting}" if route.setting else route.converter


_REMEMBERED = 32
"""Conversions kept for those who ask again: a failing part is judged on one route first, then on all."""


class Pipeline:
    """The real judge: converters and runtimes, each isolated in child processes.

    Args:
        converters: ``CONVERTER[:SETTING]`` → converter.
        runtimes: device → runtime; ``cpu`` also traces weights.
        scratch: a directory (tmpfs where there is one) for the converters' files.
    """

    def __init__(
        self, converters: Mapping[str, Converter], runtimes: Mapping[str, Runtime], scratch: Path
    ) -> None:
        self._converters = converters
        self._runtimes = runtimes
        self._scratch = scratch
        self._conversions: Recent[tuple[str, str], Conversion] = Recent(_REMEMBERED)
        self.executions = 0

    def judge(self, case: Case, routes: Sequence[Route]) -> Judgement:
        """Take ``case`` down the whole road on ``routes``."""
        reference = compute_reference(case, {precision_of(route) for route in routes})
        return self.extend(Judgement(case, reference, ()), routes)

    def extend(self, judgement: Judgement, routes: Sequence[Route]) -> Judgement:
        """Judge the same case on further routes, using the conversions it already has."""
        case = judgement.case
        missing = {precision_of(r) for r in routes} - set(judgement.reference.bounds)
        reference = judgement.reference
        if missing - set(reference.precision_skips) and not reference.skip:
            reference = compute_reference(case, {precision_of(r) for r in routes} | set(reference.bounds))
        road = _Road(self, case, reference, judgement)
        verdicts = tuple(road.judge_route(route) for route in routes)
        return replace(
            judgement,
            reference=reference,
            verdicts=judgement.verdicts + verdicts,
            conversions=road.conversions,
            traces=road.traces,
            results=road.results,
            actual=road.actual,
        )

    def convert(self, case: Case, identity: str) -> Conversion:
        """Convert ``case`` with one converter in a fresh scratch directory."""
        self.executions += 1
        directory = Path(tempfile.mkdtemp(prefix="convert-", dir=self._scratch))
        try:
            return self._converters[identity].convert(case, directory)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def recent_conversion(self, case: Case, identity: str) -> Conversion:
        """As ``convert``, or the conversion of a moment ago unless that did not end well."""

        def keep(conversion: Conversion) -> bool:
            return conversion.run.outcome is Outcome.DONE and is_remembered(case)

        return self._conversions.ask((case.key, identity), lambda: self.convert(case, identity), keep)

    def trace(self, conversion: Conversion) -> WeightTrace:
        """Ask ncnn on the CPU which bytes of the ``.bin`` it reads."""
        self.executions += 1
        return self._runtimes["cpu"].trace(conversion.param or "", conversion.weights or b"")

    def run(self, request: RunRequest, device: str) -> RunResult:
        """Run one network once."""
        self.executions += 1
        return self._runtimes[device].run(request)

    def close(self) -> None:
        """Stop all child processes."""
        for converter in self._converters.values():
            converter.close()
        for runtime in self._runtimes.values():
            runtime.close()


_FEEDING_ORDER = (
    *(Kind.OK, Kind.SKIPPED, Kind.UNSUPPORTED, Kind.NONDETERMINISM, Kind.DIVERGENCE, Kind.NAN),
    *(Kind.SHAPE_MISMATCH, Kind.LOAD_FAILURE, Kind.CRASH, Kind.HANG),
)
"""Where a converter leaves open how its result is fed, the way that comes closest to sense is meant: of those
with wrong results, the one with the fewest wrong outputs."""


_NARROW = frozenset({Precision.FP16, Precision.BF16, Precision.VULKAN_BF16})
INTEGERS_IN_NARROW_STORAGE = "ncnn has no integer storage beside half and bfloat16: integers don't pass"


@dataclass(frozen=True)
class _Trial:
    """One way to feed a network, and what came of it (``actual`` is None when nothing came out)."""

    verdict: Verdict
    result: RunResult | None = None
    actual: Mapping[str, Array | None] | None = None


def _distance_from_sense(trial: _Trial) -> tuple[bool, int, int]:
    kind, evidence = trial.verdict.kind, trial.verdict.evidence
    wrong = evidence.get(WRONG_OUTPUTS, 0)
    place = _FEEDING_ORDER.index(kind)
    return place > _FEEDING_ORDER.index(Kind.SHAPE_MISMATCH), wrong if isinstance(wrong, int) else 0, place


class _Road:
    """One case on its way: what its routes share (conversions, traces) and what they yield."""

    def __init__(self, pipeline: Pipeline, case: Case, reference: Reference, before: Judgement) -> None:
        self._pipeline = pipeline
        self._case = case
        self._reference = reference
        self.conversions = dict(before.conversions)
        self.traces = dict(before.traces)
        self.results = dict(before.results)
        self.actual = dict(before.actual)
        self._faults: dict[str, WeightFault | None] = {}

    def judge_route(self, route: Route) -> Verdict:
        """Every step of one route, ended by the first judge that has something to say."""
        conversion = self._conversion(route)
        verdict = judge_conversion(route, conversion)
        if verdict:
            return verdict
        trace = self._trace(route, conversion)
        fault = self._weight_fault(route, conversion, trace)
        if fault and not conversion.unsupported:
            warned = warning_of(conversion)
            return Verdict(route, fault.kind, fault.detail, warned, "weights", fault.evidence)
        verdict = judge_trace(route, conversion, trace)
        if verdict:
            return verdict
        if EMPTY in self._reference.skip:
            return Verdict(route, Kind.SKIPPED, self._reference.skip)
        verdict = judge_batch(route, conversion, self._reference.outputs)
        if verdict:
            return verdict
        tried: list[_Trial] = []
        for feeding in self._useful(conversion):
            tried.append(self._judge_feeding(route, conversion, feeding))
            if tried[-1].verdict.kind is Kind.OK:
                break
        chosen = min(range(len(tried)), key=lambda position: _distance_from_sense(tried[position]))
        best = tried[chosen]
        if best.result is not None:
            self.results[str(route)] = best.result
        if best.actual is not None:
            self.actual[str(route)] = best.actual
        if not chosen:
            return best.verdict
        return replace(best.verdict, evidence={**best.verdict.evidence, FEEDING: chosen})

    def _useful(self, conversion: Conversion) -> Sequence[Feeding]:
        """All feedings when the answer can be judged; the first one, for crashes, when it can't."""
        return conversion.feedings[:1] if self._reference.skip else conversion.feedings

    def _judge_feeding(self, route: Route, conversion: Conversion, feeding: Feeding) -> _Trial:
        if precision_of(route) in _NARROW and any(b.dtype != "float32" for b in _bindings(feeding)):
            return _Trial(Verdict(route, Kind.SKIPPED, INTEGERS_IN_NARROW_STORAGE))
        request = RunRequest(
            conversion.param or "",
            conversion.weights or b"",
            tuple(Feed(b.blob, b.prepare(self._case.inputs[b.tensor]), b.batch_axis) for b in feeding.inputs),
            tuple(Fetch(b.blob, b.batch_axis) for b in feeding.outputs),
            options_for(route.options, route.device),
        )
        result = self._pipeline.run(request, route.device)
        verdict = judge_run(route, conversion, result)
        if verdict:
            return _Trial(verdict, result)
        readings = readings_of(feeding.outputs, result)
        judged = [self._compare(route, conversion, actual) for actual in readings]
        chosen = min(range(len(readings)), key=lambda i: judged[i].kind.rank)
        verdict = judged[chosen]
        if verdict.kind is Kind.SKIPPED:
            verdict = self._judge_row(route, conversion, feeding, request, readings[chosen]) or verdict
        for _ in range(1, runs_of(route.options)):
            again = self._pipeline.run(request, route.device)
            verdict = self._judge_again(route, conversion, feeding, (result, again), chosen) or verdict
        return _Trial(verdict, result, readings[chosen])

    def _judge_row(
        self,
        route: Route,
        conversion: Conversion,
        feeding: Feeding,
        request: RunRequest,
        actual: Mapping[str, Array | None],
    ) -> Verdict | None:
        """A row beside the baseline row, for a case without reference; None where they may differ."""
        if not route.options or is_reduced(route.options) or not leaves_rows_comparable(self._reference):
            return None
        plain = replace(request, options=options_for("", route.device))
        whole, *results = (self._pipeline.run(asked, route.device) for asked in asked_of_baseline(plain))
        baseline, *moved = (readings_of(feeding.outputs, result)[0] for result in results)
        precision, floor = precision_of(route), floor_of(plain, whole)
        reference = reference_of_baseline(baseline, moved, floor, precision)
        comparison = judge_outputs(reference, precision, actual) if reference else None
        if comparison is None or conversion.unsupported:
            return None
        if comparison:
            return Verdict(route, Kind.OK, evidence=comparison.evidence)
        detail = f"{comparison.description}; expected is what the baseline row gives: {self._reference.skip}"
        evidence = {**comparison.evidence, COMPARED_WITH: "the baseline row", "floor": floor}
        return Verdict(route, comparison.kind, detail, warning_of(conversion), "compare", evidence)

    def _judge_again(
        self,
        route: Route,
        conversion: Conversion,
        feeding: Feeding,
        runs: tuple[RunResult, RunResult],
        reading: int,
    ) -> Verdict | None:
        """A second run of the same request beside the first; None when they agree or can't be judged.

        Needs no reference: without one, the first run is that of the second.
        """
        if conversion.unsupported:
            return None
        failed = judge_run(route, conversion, runs[1])
        if failed:
            return failed
        first, second = (readings_of(feeding.outputs, result)[reading] for result in runs)
        precision = precision_of(route)
        judged = precision in self._reference.bounds
        reference = self._reference if judged else reference_of_run(first, precision)
        comparison = compare_runs(reference, precision, first, second) if reference else None
        if comparison is None or comparison:
            return None
        warned = warning_of(conversion)
        return Verdict(route, comparison.kind, comparison.description, warned, "compare", comparison.evidence)

    def _compare(self, route: Route, conversion: Conversion, actual: Mapping[str, Array | None]) -> Verdict:
        precision = precision_of(route)
        skip = self._reference.skip or self._reference.precision_skips.get(precision, "")
        if skip:
            return Verdict(route, Kind.SKIPPED, skip)
        comparison = judge_outputs(self._reference, precision, actual)
        if comparison:
            return Verdict(route, Kind.OK, evidence=comparison.evidence)
        if conversion.unsupported:
            detail = f"{conversion.converter} says it does not support {', '.join(conversion.unsupported)}"
            return Verdict(route, Kind.UNSUPPORTED, detail, detail)
        warned = warning_of(conversion)
        return Verdict(route, comparison.kind, comparison.description, warned, "compare", comparison.evidence)

    def _conversion(self, route: Route) -> Conversion:
        identity = conversion_id(route)
        if identity not in self.conversions:
            self.conversions[identity] = self._pipeline.recent_conversion(self._case, identity)
        return self.conversions[identity]

    def _weight_fault(self, route: Route, conversion: Conversion, trace: WeightTrace) -> WeightFault | None:
        """The weights oracle, asked once per conversion; it names the cause of many load failures."""
        identity = conversion_id(route)
        if identity not in self._faults:
            self._faults[identity] = judge_weights(self._case, conversion, trace)
        return self._faults[identity]

    def _trace(self, route: Route, conversion: Conversion) -> WeightTrace:
        identity = conversion_id(route)
        if identity not in self.traces:
            self.traces[identity] = self._pipeline.trace(conversion)
        return self.traces[identity]


def _bindings(feeding: Feeding) -> tuple[Binding, ...]:
    return (*feeding.inputs, *feeding.outputs)
