"""From a candidate to a finding: localise, reduce, confirm in a fresh process, write the reproducer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from fuzzconv.campaign.confirmation import confirmed
from fuzzconv.campaign.messages import ReduceTask, ReductionEnded
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.case import Array, Case
from fuzzconv.findings.blame import blame_of
from fuzzconv.findings.finding import Blame, Finding
from fuzzconv.findings.kin import is_generalised, is_part, is_symptom, is_variant
from fuzzconv.findings.known import matching
from fuzzconv.findings.layers import Laboratory
from fuzzconv.findings.localise import Localised, localise
from fuzzconv.findings.reduce import Reduction, reduce
from fuzzconv.findings.rows import (
    ExtendingJudge,
    on_smallest_row,
    row_evidence,
    under_every_row,
    with_row,
)
from fuzzconv.findings.signature import coarse, covers, failures, family_of
from fuzzconv.findings.title import title_of
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.metamorphic import FEATURE
from fuzzconv.reference.confirm import confirm_reference
from fuzzconv.reference.precisions import precision_of
from fuzzconv.reference.reference import UNRUNNABLE
from fuzzconv.report.reproducer import summary
from fuzzconv.route import Route
from fuzzconv.toolchain.toolchain import Toolchain
from fuzzconv.verdict import Verdict

IN_BASE = "base version"
_RESERVE_SECONDS = 6.0


class Road(Laboratory, ExtendingJudge, Protocol):
    """All that the reduction of a candidate asks of the road."""


def reduce_candidate(
    task: ReduceTask,
    judge: Road,
    settings: CampaignSettings,
    base: Judge | None,
    executions: Callable[[], int],
) -> ReductionEnded:
    """Deal with one candidate.

    Args:
        task: which one, and until when.
        judge: the road, which also runs networks by themselves.
        settings: the campaign's.
        base: the road with the base versions (``CampaignSettings.against``), None when there are none.
        executions: tool runs of this reduction so far.
    """
    original = Case.load(Path(task.folder))
    routes = with_row(settings.routes, Route.parse(task.route))
    judgement = judge.judge(original, routes)
    verdict = _same_failure(judgement, task)
    if verdict is None:
        return ReductionEnded("unreproducible", task.signature, executions=executions())
    seconds = max(1.0, task.until - time.monotonic() - _RESERVE_SECONDS)
    located = _localised(judgement, verdict, task, judge, routes, seconds / 4)
    located = on_smallest_row(located, judge, settings.routes)
    routes = with_row(settings.routes, located.verdict.route)
    reduction = reduce(located, judge, routes, seconds=min(seconds * 3 / 4, settings.reduce_seconds))
    status, earlier = _relation(reduction, task)
    summed: Mapping[str, object] = {}
    signature = reduction.signature
    if status == "reduced" and _doubt(reduction):
        status = "doubtful"
    elif status != "duplicate":  # its name may tell a variant from what it looks like
        reduction = _with_variant(_with_all_rows(reduction, judge), original)
        blame = blame_of(reduction.judgement, reduction.verdict, judge)
        reduction = _named_after(reduction, blame)
        status, earlier = _relation_by_name(reduction, blame, task)
        if status == "reduced" and _doubt(reduction):
            status = "doubtful"
    if status == "reduced":
        known = _known(reduction, settings, base)
        finding = finding_of(reduction, original, settings.toolchain, known)
        finding = confirmed(replace(finding, blame=blame), settings)
        signature = reduction.signature
        if finding.reproduced[0]:
            summed = summary(finding)
        else:
            status = "unreproducible"
    return ReductionEnded(
        status,
        signature,
        summed,
        earlier if status == "variant" else "",
        seconds=reduction.seconds,
        nodes_before=len(original.model.graph.node),
        nodes_after=len(reduction.case.model.graph.node),
        judged=reduction.judged,
        executions=executions(),
    )


def _named_after(reduction: Reduction, blame: Blame) -> Reduction:
    """What a converter takes no notice of names the cause, whatever else the case needs to show it.

    It is that converter's, also where the other one makes the same mistake: that is another cause.
    """
    signature = reduction.signature
    if not blame.operator or not signature.operators:
        return reduction
    converter = signature.converter if signature.condition else reduction.verdict.route.converter
    return replace(reduction, signature=replace(signature, operators=(blame.operator,), converter=converter))


def _under_plainer_condition(reduction: Reduction, blame: Blame) -> Reduction:
    """As it would be called under the plainer condition that shows it too, for those found under that one."""
    condition = blame.condition or reduction.signature.condition
    return replace(reduction, signature=replace(reduction.signature, condition=condition))


def _relation(reduction: Reduction, task: ReduceTask) -> tuple[str, str]:
    """What the reduced failure is to those found before: the status, and the slug of the one it belongs to.

    A more general signature than one found before is a variant of it too: the special one came first.
    """
    kind, new = reduction.verdict.kind.value, reduction.signature
    earlier = sorted(task.found, key=lambda found: (found.slug, found.signature))
    for found in earlier:
        if covers(found.signature, new):
            return "duplicate", found.slug
    for found in earlier:
        known = found.signature
        kin = is_variant(known, new) or is_generalised(known, new)
        kin = kin or is_part(known, new) or is_part(new, known)
        if (found.kind == kind and kin) or is_symptom(known, new):
            return "variant", found.slug
    return "reduced", ""


def _relation_by_name(reduction: Reduction, blame: Blame, task: ReduceTask) -> tuple[str, str]:
    """The relation of what has got its name, also under the plainer condition that would show it."""
    for named in (reduction, _under_plainer_condition(reduction, blame)):
        status, earlier = _relation(named, task)
        if status != "reduced":
            return "variant", earlier
    return "reduced", ""


def _known(reduction: Reduction, settings: CampaignSettings, base: Judge | None) -> str:
    """The slug of the known bug that it is, or ``base version`` when that shows the same; else empty."""
    bug = matching(reduction.signature, settings.known_bugs)
    if bug:
        return bug.slug
    if base is None:
        return ""
    before = base.judge(reduction.case, [reduction.verdict.route]).verdicts[0]
    same = before.kind.is_bad and family_of(before) == reduction.signature.family
    return IN_BASE if same else ""


def _doubt(reduction: Reduction) -> str:
    """Why a failure is nobody's bug for sure; empty when nothing speaks against it.

    What onnxruntime refuses too, the tools may refuse, or die of; a wrong result needs a second reference.
    """
    skip = reduction.judgement.reference.skip
    if skip.startswith(UNRUNNABLE):
        return skip
    if reduction.signature.family != "result":
        return ""
    return confirm_reference(reduction.case, reduction.judgement.reference)


def _with_all_rows(reduction: Reduction, judge: Road) -> Reduction:
    """A failure under an option row with every other row of its device told; others as they are."""
    if not reduction.verdict.route.options:
        return reduction
    judgement = under_every_row(reduction.judgement, reduction.verdict, judge)
    evidence = {**reduction.verdict.evidence, **row_evidence(judgement, reduction.verdict)}
    return replace(reduction, judgement=judgement, verdict=replace(reduction.verdict, evidence=evidence))


def _with_variant(reduction: Reduction, original: Case) -> Reduction:
    """A failure that was met on a metamorphic variant says so in its evidence."""
    names = [f.removeprefix(FEATURE) for f in original.features if f.startswith(FEATURE)]
    if not names:
        return reduction
    evidence = {**reduction.verdict.evidence, "variant": names[0]}
    return replace(reduction, verdict=replace(reduction.verdict, evidence=evidence))


def _same_failure(judgement: Judgement, task: ReduceTask) -> Verdict | None:
    """The failure that the candidate is about, on its route if it shows there."""
    alike = [f for f in failures(judgement) if family_of(f) == task.signature.family]
    return min(alike, key=lambda f: str(f.route) != task.route, default=None)


def _localised(
    judgement: Judgement,
    verdict: Verdict,
    task: ReduceTask,
    judge: Judge,
    routes: Sequence[Route],
    seconds: float,
) -> Localised:
    """The part that has the candidate's own signature, else its message, or the first one."""
    parts = localise(judgement, verdict, judge, routes, seconds=seconds)
    wanted = coarse(task.signature)
    return min(
        parts,
        key=lambda part: (
            part.signature != task.signature,
            coarse(part.signature) != wanted,
            part.signature.message != wanted.message,
            not covers(task.signature, part.signature),
        ),
    )


def finding_of(reduction: Reduction, original: Case, toolchain: Toolchain, known: str = "") -> Finding:
    """The finding that a reduction makes of a failing case, its blame still to be found."""
    judgement, verdict = reduction.judgement, reduction.verdict
    bounds: Mapping[str, Array] = judgement.reference.bounds.get(precision_of(verdict.route), {})
    return Finding(
        signature=reduction.signature,
        title=title_of(reduction.signature, verdict),
        case=judgement.case,
        verdict=verdict,
        verdicts=judgement.verdicts,
        expected=judgement.reference.outputs,
        bounds=bounds,
        actual=judgement.actual,
        conversions=judgement.conversions,
        traces=judgement.traces,
        original=original,
        reduce_seconds=reduction.seconds,
        known=known,
        tools=toolchain.versions(),
    )
