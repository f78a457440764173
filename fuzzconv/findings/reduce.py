"""Shrink a localised failure to the simplest case that still shows it.

Greedy and deterministic: passes propose variants, boldest first; a variant that is simpler (``order.py``),
valid, and shows the same failure (``target.py``) becomes the current case. The end is a sweep over all passes
that changes nothing, so reducing the result again changes nothing either. ``probes.py`` then tells which
traits matter, which gives the exact signature.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fuzzconv.case import Case
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.localise import Localised
from fuzzconv.findings.order import measure
from fuzzconv.findings.passes.attributes import (
    drop_inputs,
    plain_dtypes,
    reset_attributes,
    simplify_attributes,
)
from fuzzconv.findings.passes.dims import shrink_dims
from fuzzconv.findings.passes.edit import Pass
from fuzzconv.findings.passes.indices import shrink_gathered
from fuzzconv.findings.passes.nodes import bypass_nodes, cut_nodes, drop_outputs
from fuzzconv.findings.passes.opset import older_opset
from fuzzconv.findings.passes.storage import plain_storage, short_names
from fuzzconv.findings.passes.values import simplify_values
from fuzzconv.findings.probes import traits_that_matter
from fuzzconv.findings.rebuild import rebuilt
from fuzzconv.findings.signature import failures, family_of, signature_of
from fuzzconv.findings.storage import is_storage
from fuzzconv.findings.target import Target
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.route import Route
from fuzzconv.verdict import Verdict

DEFAULT_SECONDS = 60.0
PASSES: tuple[Pass, ...] = (
    plain_storage,
    cut_nodes,
    bypass_nodes,
    drop_outputs,
    drop_inputs,
    reset_attributes,
    shrink_dims,
    shrink_gathered,
    simplify_attributes,
    plain_dtypes,
    simplify_values,
    older_opset,
    short_names,
)
_SHARE_FOR_SHRINKING = 0.9


@dataclass(frozen=True)
class Reduction:
    """A reduced failure.

    Attributes:
        judgement: the reduced case on every route.
        verdict: the failure, on its simplest route.
        signature: its exact signature.
        seconds: time spent.
        judged: how many judgements it took.
        complete: whether the end was reached; False when time ran out first.
    """

    judgement: Judgement
    verdict: Verdict
    signature: Signature
    seconds: float
    judged: int
    complete: bool

    @property
    def case(self) -> Case:
        """The reduced case."""
        return self.judgement.case


def reduce(
    located: Localised, judge: Judge, routes: Sequence[Route], *, seconds: float = DEFAULT_SECONDS
) -> Reduction:
    """Reduce a localised failure.

    Args:
        located: what ``localise`` found.
        judge: who judges variants.
        routes: all routes, as for ``localise``; the search asks only those that matter.
        seconds: when to stop with what there is.
    """
    start = time.monotonic()
    target = Target(located.judgement, located.verdict, judge, routes)
    shrinker = _Shrinker(located.case, target, start + seconds * _SHARE_FOR_SHRINKING)
    complete = shrinker.run()
    judgement = judge.judge(shrinker.current, routes)
    verdict = _same_failure(judgement, located.verdict)
    if verdict is None:
        judgement, verdict = located.judgement, located.verdict
        complete = False
    traits = traits_that_matter(judgement.case, target, deadline=start + seconds)
    exact = signature_of(judgement, verdict, traits)
    # Each step kept the condition; one look more, at a failure that comes and goes, says less. What a
    # converter has not written at all has none: that it is right here and there is chance.
    by_chance = exact.converter == "onnx2ncnn" and any(map(is_storage, exact.operators))
    signature = exact if by_chance else replace(exact, condition=target.signature.condition)
    spent = time.monotonic() - start
    return Reduction(judgement, verdict, signature, spent, target.judged + 1, complete)


class _Shrinker:
    """The current case and the sweeps over it."""

    def __init__(self, case: Case, target: Target, deadline: float) -> None:
        self.current = case
        self._target = target
        self._deadline = deadline
        self._size = measure(case)
        self._tried: set[str] = set()

    def run(self) -> bool:
        """Sweep until nothing changes; False when the deadline came first."""
        changed = True
        while changed:
            changed = False
            for one_pass in PASSES:
                self._tried.clear()
                while self._step(one_pass):
                    changed = True
                if time.monotonic() > self._deadline:
                    return False
        return True

    def _step(self, one_pass: Pass) -> bool:
        """Make the first edit that works and has not been tried since this pass began."""
        for edit in one_pass(self.current):
            if edit.label in self._tried:
                continue
            if time.monotonic() > self._deadline:
                return False
            self._tried.add(edit.label)
            variant = edit.make()
            variant = rebuilt(variant) if variant is not None else None
            if variant is not None and self._accept(variant):
                return True
        return False

    def _accept(self, variant: Case) -> bool:
        size = measure(variant)
        if size >= self._size or self._target.shown_by(variant) is None:
            return False
        self.current, self._size = variant, size
        return True


def _same_failure(judgement: Judgement, verdict: Verdict) -> Verdict | None:
    alike = [v for v in failures(judgement) if family_of(v) == family_of(verdict)]
    return min(alike, key=lambda v: v.route.converter != verdict.route.converter, default=None)
