"""All that is known of one case after it went down the road, and the protocol of whoever can say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunResult, WeightTrace
from fuzzconv.verdict import Verdict


@dataclass(frozen=True)
class Judgement:
    """One case, judged on some routes.

    Attributes:
        case, reference: what was asked and what should come out.
        verdicts: one per route, in the routes' order.
        conversions: ``CONVERTER[:SETTING]`` → conversion.
        traces: ``CONVERTER[:SETTING]`` → what ncnn reads from its ``.bin``.
        results: route id → what ncnn did; only routes that came that far.
        actual: route id → graph output name → array as ncnn gave it (None: empty); only routes that ran.
    """

    case: Case
    reference: Reference
    verdicts: tuple[Verdict, ...]
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    traces: Mapping[str, WeightTrace] = field(default_factory=dict)
    results: Mapping[str, RunResult] = field(default_factory=dict)
    actual: Mapping[str, Mapping[str, Array | None]] = field(default_factory=dict)

    @property
    def worst(self) -> Verdict | None:
        """The most interesting bad verdict: silent before warned, then by kind; None when all is well."""
        bad = [v for v in self.verdicts if v.kind.is_bad]
        return max(bad, key=lambda v: (v.silent, v.kind.rank), default=None)

    def conversion_on(self, route: Route) -> Conversion | None:
        """What the converter of ``route`` made of the case; None where it was not asked."""
        return self.conversions.get(":".join(filter(None, route.conversion)))


class Judge(Protocol):
    """Anything that can take a case down the road: the pipeline, or a planted-bug stand-in in tests."""

    def judge(self, case: Case, routes: Sequence[Route]) -> Judgement:
        """Judge ``case`` on ``routes``; whatever the tools do is a value."""
