"""Failures that show under an ncnn option row alone: find the smallest row that shows them.

Many rows can show one cause (every reduced precision, say). ``on_smallest_row`` always names the same one:
the first, in ``row_order``, of the rows of the same arithmetic. So a cause has one signature, whichever row
it was met on, and its reproducer sets the fewest options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.localise import Localised
from fuzzconv.findings.signature import family_of, signature_of
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.route import Route
from fuzzconv.runtime.options import is_reduced, row_order, rows_for, smaller_rows
from fuzzconv.verdict import Kind, Verdict


class ExtendingJudge(Judge, Protocol):
    """A judge that can add routes to a judgement without converting again."""

    def extend(self, judgement: Judgement, routes: Sequence[Route]) -> Judgement:
        """Judge the same case on further routes."""


def with_row(routes: Sequence[Route], route: Route) -> tuple[Route, ...]:
    """``routes`` and, where ``route`` names a row, that row on every converter's route of the device.

    A second setting of a converter is no further witness and stays as it is, unless ``route`` has it.
    """
    if not route.options:
        return tuple(routes)
    plain = (r for r in routes if r.device == route.device and not r.options)
    twins = (replace(r, options=route.options) for r in plain if r.setting in ("", "fp16=0", route.setting))
    return tuple(dict.fromkeys((*routes, route, *twins)))


def on_smallest_row(located: Localised, judge: ExtendingJudge, routes: Sequence[Route]) -> Localised:
    """The same failure of the same part, on the smallest row that shows it; itself when it has no row.

    Args:
        located: what ``localise`` found.
        judge: judges the rows.
        routes: the routes that have no row.
    """
    verdict = located.verdict
    if not verdict.route.options:
        return located
    plain = tuple(route for route in routes if not route.options)
    for row in _candidates(verdict.route, _layers(located.judgement, verdict.route)):
        route = replace(verdict.route, options=row)
        shown = _same(judge.extend(_bare(located.judgement), [route]), verdict)
        if shown is None:
            continue
        judgement = judge.judge(located.case, with_row(plain, route))
        again = next((v for v in judgement.verdicts if v.route == route), shown)
        if _alike(again, verdict):
            return Localised(judgement, again, signature_of(judgement, again), located.positions)
    return located


def under_every_row(judgement: Judgement, verdict: Verdict, judge: ExtendingJudge) -> Judgement:
    """``judgement`` with all rows of the failing device added, each row once, on the failing conversion."""
    known = {v.route for v in judgement.verdicts}
    rows = rows_for(verdict.route.device, _layers(judgement, verdict.route))
    routes = dict.fromkeys(replace(verdict.route, options=row) for row in rows)
    return judge.extend(judgement, [route for route in routes if route not in known])


def row_evidence(judgement: Judgement, verdict: Verdict) -> dict[str, object]:
    """Which rows of the failing device are wrong and which right, as evidence (``""`` is the baseline)."""
    mine = replace(verdict.route, options="")
    alike = [v for v in judgement.verdicts if replace(v.route, options="") == mine]
    return {
        "rows_wrong": [v.route.options for v in alike if v.kind.is_bad],
        "rows_right": [v.route.options for v in alike if v.kind is Kind.OK],
    }


def layer_types(param: str) -> frozenset[str]:
    """Types of the layers of a ``.param`` text."""
    return frozenset(layer.type for layer in read_layers(param))


def _layers(judgement: Judgement, route: Route) -> frozenset[str]:
    conversion = judgement.conversion_on(route)
    return layer_types(conversion.param or "" if conversion else "")


def _candidates(route: Route, layers: frozenset[str]) -> Iterator[str]:
    """Rows smaller than the route's own or of its arithmetic, in order, up to its own."""
    reduced = is_reduced(route.options)
    alike = [row for row in rows_for(route.device, layers) if is_reduced(row) == reduced]
    own = row_order(route.options)
    for row in sorted({*alike, *smaller_rows(route.options)}, key=row_order):
        if row_order(row) >= own:
            return
        yield row


def _bare(judgement: Judgement) -> Judgement:
    """What a further row needs: conversions and traces, no verdicts."""
    return replace(judgement, verdicts=(), results={}, actual={})


def _same(judgement: Judgement, verdict: Verdict) -> Verdict | None:
    return next((v for v in judgement.verdicts if _alike(v, verdict)), None)


def _alike(one: Verdict, other: Verdict) -> bool:
    return one.kind.is_bad and family_of(one) == family_of(other)
