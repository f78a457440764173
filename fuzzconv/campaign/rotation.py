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
from fuzzconv.pipeline import conversion_id
from fuzzconv.route import Route
from fuzzconv.runtime.options import is_reduced, rows_for
from fuzzconv.verdict import Kind

REDUCED_SHARE = {"cpu": 1 / 10, "vulkan": 1 / 2}
"""How many draws are of reduced precision. On the CPU computing its error bound costs ten times the run."""


def drawn_rows(judgement: Judgement, device: str, count: int = 1) -> tuple[Route, ...]:
    """Routes with rows for a case that passes on a baseline route of the device; none where none passes.

    Args:
        judgement: of the case, on baseline routes of any device (what passes on one is worth another).
        device: where the rows are to run.
        count: how many rows.
    """
    plain = _plain_routes(judgement)
    if not plain:
        return ()
    draw = random.Random(f"{judgement.case.key} {device}")
    route = replace(draw.choice(plain), device=device)
    rows = rows_for(device, layer_types(judgement.conversions[conversion_id(route)].param or ""))
    reduced = draw.random() < REDUCED_SHARE[device]
    fitting = [row for row in rows if is_reduced(row) == reduced]
    return tuple(replace(route, options=row) for row in draw.sample(fitting, min(count, len(fitting))))


def _plain_routes(judgement: Judgement) -> Sequence[Route]:
    """Passing baseline routes, one for each converter: the plainest setting."""
    passing = sorted(v.route for v in judgement.verdicts if v.kind is Kind.OK and not v.route.options)
    return list({route.converter: route for route in reversed(passing)}.values())
