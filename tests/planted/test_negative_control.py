"""Negative control: an honest stand-in for converter and runtime yields no finding over generated cases."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from standin import standin_pipeline

from fuzzconv.case import Case
from fuzzconv.route import select_routes
from fuzzconv.verdict import Kind
from strategies import cases

CASES = 600
MOST_SKIPPED = 0.4


@pytest.mark.slow
def test_an_honest_road_yields_no_finding(tmp_path: Path) -> None:
    pipeline = standin_pipeline(tmp_path)
    routes = select_routes("pnnx*/cpu")
    kinds: Counter[Kind] = Counter()

    @seed(20261122)
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def judge(case: Case) -> None:
        for verdict in pipeline.judge(case, routes).verdicts:
            kinds[verdict.kind] += 1
            assert not verdict.kind.is_bad, verdict

    judge()
    assert kinds.total() >= 500 * len(routes)
    assert kinds[Kind.SKIPPED] < MOST_SKIPPED * kinds.total()
