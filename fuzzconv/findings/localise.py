"""Find the part of a failing case that fails by itself: single operators first, then connected subgraphs.

A failure's signature is taken from the part, never from the whole graph around it. Every part is fed the
values it saw in the whole, so no operator is blamed for inputs it never gets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from fuzzconv.case import Case
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.signature import failures, family_of, signature_of
from fuzzconv.findings.subgraph import connected_parts, cuttings, moving_nodes, operator_nodes
from fuzzconv.findings.written import NOTHING_LEFT
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.route import Route
from fuzzconv.verdict import Verdict

DEFAULT_SECONDS = 20.0
_MOST_JUDGED = 200


@dataclass(frozen=True)
class Localised:
    """A part of a case that fails by itself.

    Attributes:
        judgement: the part on every route.
        verdict: the failure, on the simplest route that shows it.
        signature: its wide signature.
        positions: which nodes of the whole it is; all of them when no smaller part fails.
    """

    judgement: Judgement
    verdict: Verdict
    signature: Signature
    positions: tuple[int, ...]

    @property
    def case(self) -> Case:
        """The part as a case."""
        return self.judgement.case


def localise(
    judgement: Judgement,
    verdict: Verdict,
    judge: Judge,
    routes: Sequence[Route],
    *,
    seconds: float = DEFAULT_SECONDS,
) -> tuple[Localised, ...]:
    """The smallest parts of ``judgement.case`` that show the failure ``verdict`` stands for.

    Every single operator that fails is a part of its own (they are separate causes); when none does, the
    first of the smallest connected subgraphs that fail. The last resort is the whole case.

    Args:
        judgement: the failing case.
        verdict: one of ``failures(judgement)``.
        judge: who judges the parts.
        routes: all routes that may tell conditions apart; each found part is judged on all of them, the
            search itself on the verdict's own.
        seconds: when the search gives up; the whole case is then the answer.
    """
    deadline = time.monotonic() + seconds
    case = judgement.case
    operators = operator_nodes(case.model)
    values = (tensor_values(case) if len(operators) > 1 else None) or {}
    moving = moving_nodes(case)
    nothing_left = signature_of(judgement, verdict, ()).message == NOTHING_LEFT
    judged: set[str] = set()
    for size in range(1, len(operators)) if values else ():
        found: list[Localised] = []
        for positions in connected_parts(case.model, size):
            if time.monotonic() > deadline or len(judged) >= _MOST_JUDGED:
                break
            if moving.isdisjoint(positions):
                continue
            parts = [part for part in cuttings(case, positions, values) if part.key not in judged]
            judged |= {part.key for part in parts}
            looks = (_look(part, positions, verdict, judge, routes, nothing_left) for part in parts)
            found += islice(filter(None, looks), 1)
            if found and size > 1:
                break
        if found:
            return _distinct(found)
    return (_whole(judgement, verdict, judge, routes, tuple(operators)),)


def _look(
    part: Case,
    positions: tuple[int, ...],
    verdict: Verdict,
    judge: Judge,
    routes: Sequence[Route],
    nothing_left: bool,
) -> Localised | None:
    """The part's failure of the verdict's family, seen on its route first and then on all; None if none.

    A part that does nothing fails for want of a layer, by being cut out: that is the whole's failure only
    where it is the whole's own (``nothing_left``).
    """
    family = family_of(verdict)
    (first,) = judge.judge(part, [verdict.route]).verdicts
    if not first.kind.is_bad or family_of(first) != family:
        return None
    located = _located(judge.judge(part, routes), verdict, positions)
    return located if located and (located.signature.message == NOTHING_LEFT) == nothing_left else None


def _located(judgement: Judgement, verdict: Verdict, positions: tuple[int, ...]) -> Localised | None:
    """The part's own failure of the same family and converter; None when the second look shows none."""
    for failure in _candidates(judgement, verdict):
        return Localised(judgement, failure, signature_of(judgement, failure), positions)
    return None


def _candidates(judgement: Judgement, verdict: Verdict) -> Iterator[Verdict]:
    """Failures like ``verdict``; where pnnx and onnx2ncnn fail alike, the one that stands for both."""
    alike = [v for v in failures(judgement) if family_of(v) == family_of(verdict)]
    yield from sorted(alike, key=lambda v: v.route.converter != verdict.route.converter)


def _whole(
    judgement: Judgement,
    verdict: Verdict,
    judge: Judge,
    routes: Sequence[Route],
    positions: tuple[int, ...],
) -> Localised:
    missing = [r for r in routes if r not in {v.route for v in judgement.verdicts}]
    full = judge.judge(judgement.case, routes) if missing else judgement
    located = _located(full, verdict, positions)
    return located or Localised(judgement, verdict, signature_of(judgement, verdict), positions)


def _distinct(found: Sequence[Localised]) -> tuple[Localised, ...]:
    """One part for each signature: the first."""
    first: dict[Signature, Localised] = {}
    for part in found:
        first.setdefault(part.signature, part)
    return tuple(first.values())
