"""Which option rows a case takes beside the baseline: few, other ones for each case, so that all get tried.

The choice is drawn from the case's own key: the same case takes the same rows wherever and whenever it is
judged. Rows that no layer of the converted network reads are not drawn.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from fuzzconv.findings.rows import layer_types
from fuzzconv.judgement import Judgement
from fuzzconv.oracles.rows import leaves_rows_comparable
from fuzzconv.pipeline import conversion_id
from fuzzconv.route import Route
from fuzzconv.runtime.options import is_reduced, rows_for
from fuzzconv.verdict import Kind

REDUCED_SHARE = {"cpu": 1 / 10, "vulkan": 1 / 2}
"""How many draws are of reduced precision. On the CPU computing its error bound costs ten times the run."""

AGAIN = "threads2-twice"


def drawn_row(
    judgement: Judgement, among: Sequence[Route], *, reduced: bool | None = None
) -> tuple[Route, ...]:
    """A route with a row for a case; none where there is nothing to draw from.

    Args:
        judgement: of the case; holds its conversions.
        among: baseline routes of one device that the row may be added to.
        reduced: whether the row is to compute in less than fp32; drawn where it is None.
    """
    if not among:
        return ()
    draw = random.Random(judgement.case.key)
    route = draw.choice(among)
    rows = rows_for(route.device, layer_types(judgement.conversions[conversion_id(route)].param or ""))
    if reduced is None:
        reduced = draw.random() < REDUCED_SHARE[route.device]
    fitting = [row for row in rows if is_reduced(row) == reduced]
    return (replace(route, options=draw.choice(fitting)),) if fitting else ()


def row_without_reference(judgement: Judgement) -> tuple[Route, ...]:
    """The one row that can be judged where a case ran but its reference can't be trusted.

    Two runs always can; a row beside the baseline where the reason lets rows differ by rounding alone.
    """
    ran = [v.route for v in judgement.verdicts if v.kind is Kind.SKIPPED and str(v.route) in judgement.actual]
    among = [route for route in ran if not route.options][:1]
    if not leaves_rows_comparable(judgement.reference):
        return tuple(replace(route, options=AGAIN) for route in among)
    return drawn_row(judgement, among, reduced=False)


def plain_passing(judgement: Judgement) -> Sequence[Route]:
    """Passing baseline routes, one for each converter: the plainest setting."""
    passing = sorted(v.route for v in judgement.verdicts if v.kind is Kind.OK and not v.route.options)
    return list({route.converter: route for route in reversed(passing)}.values())
