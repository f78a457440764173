"""The road stage by stage: milliseconds per case, each stage's share, and the naive loop beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from benchmarks.figure import Figure
from benchmarks.models import distinct_cases
from benchmarks.naive import judge_everywhere, naive_pipeline
from benchmarks.plan import Plan
from benchmarks.stopwatch import Stopwatch
from fuzzconv.assembly import open_pipeline
from fuzzconv.campaign.examiner import case_event
from fuzzconv.campaign.tally import Tally
from fuzzconv.findings.store import RunStore
from fuzzconv.pipeline import Pipeline

_GENERATE, _STORE = "generate", "store"


def measure(plan: Plan) -> list[Figure]:
    """One process, no two stages at the same time, every passing case on Vulkan too."""
    with open_pipeline(plan.toolchain, plan.routes) as pipeline:
        ours = _milliseconds(plan, pipeline)
    with naive_pipeline(plan.toolchain, plan.routes) as pipeline:
        naive = _milliseconds(plan, pipeline)
    total = sum(ours.values())
    figures = [
        Figure(
            f"stage: {stage}",
            spent,
            "ms/case",
            ratio=naive[stage] / spent,
            note=f"{100 * spent / total:.0f} % of the time, {1000 / spent:.0f}/s",
        )
        for stage, spent in ours.items()
    ]
    together = Figure("all stages in turn", total, "ms/case", ratio=sum(naive.values()) / total)
    return [*figures, together]


def _milliseconds(plan: Plan, pipeline: Pipeline) -> Mapping[str, float]:
    watch = Stopwatch()
    judge_everywhere(pipeline, next(distinct_cases(97)), plan.routes, 0)
    with tempfile.TemporaryDirectory(prefix="bench-store-") as folder, watch.on_pipelines():
        store, tally = RunStore(Path(folder), create=True), Tally()
        drawn = islice(distinct_cases(2), plan.cases)
        for turn in range(plan.cases):
            with watch.stage(_GENERATE):
                case = next(drawn)
            judgement = judge_everywhere(pipeline, case, plan.routes, turn)
            with watch.stage(_STORE):
                tally.add_case(case_event(judgement, judgement.verdicts, case.key, {}, ()))
                tally.flush(store)
        store.close()
    order = (_GENERATE, "reference", *(s for s in sorted(watch.seconds) if s not in (_GENERATE, "reference")))
    return {stage: 1000 * watch.seconds[stage] / plan.cases for stage in order}
