"""Property tests of your own: one call that takes a case down the road, for use with Hypothesis.

::

    from hypothesis import given
    from fuzzconv.testing import assert_converts
    from strategies import cases

    @given(cases(operators={"Conv", "Relu"}))
    def test_conv_and_relu_convert(case):
        assert_converts(case)

Importing the module registers Hypothesis's profile ``fuzzconv`` (no deadline: the first load on a Vulkan
device takes half a second); load it with ``settings.load_profile("fuzzconv")`` or, where a ``conftest.py``
imports this module, with pytest's ``--hypothesis-profile=fuzzconv``. The tools run in child processes that
live as long as the test process.
"""

from __future__ import annotations

import atexit
from collections.abc import Collection
from contextlib import ExitStack
from functools import cache
from unittest import SkipTest

from hypothesis import HealthCheck, currently_in_test_context, event, note, settings

from fuzzconv.assembly import open_pipeline
from fuzzconv.case import Case
from fuzzconv.judgement import Judgement
from fuzzconv.pipeline import Pipeline
from fuzzconv.report.model_text import case_text
from fuzzconv.route import Route, select_routes
from fuzzconv.toolchain.locate import find_toolchain
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.verdict import Kind, Verdict

PROFILE = "fuzzconv"

settings.register_profile(
    PROFILE, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def judge(case: Case, routes: str = "pnnx*/cpu") -> Judgement:
    """What every step of ``routes`` made of ``case``; routes whose tools are missing are left out.

    Args:
        case: a model and its inputs, drawn by ``strategies.cases`` or made by hand.
        routes: comma-separated globs or bare parts, as ``--routes`` takes them.

    Raises:
        UsageError: a pattern names no route.
        unittest.SkipTest: no tool is there for any of the routes; pytest reports the test as skipped.
    """
    runnable, pipeline = _pipeline(routes)
    return pipeline.judge(case, runnable)


def assert_converts(
    case: Case, routes: str = "pnnx*/cpu", *, allow: Collection[str] = ("skipped", "unsupported")
) -> Judgement:
    """Assert that ``case`` means the same after conversion on each of ``routes``.

    On failure Hypothesis prints the model and its inputs as text beside the verdicts; every verdict is an
    event of ``--hypothesis-show-statistics``.

    Args:
        case: a model and its inputs.
        routes: as for ``judge``.
        allow: kinds of verdict (values of ``Kind``) that pass beside ``ok``.

    Raises:
        AssertionError: a verdict of another kind; its text says which route did what.
        ValueError: ``allow`` names no kind.
        UsageError, unittest.SkipTest: as ``judge``.
    """
    passing = {Kind.OK, *(Kind(kind) for kind in allow)}
    judgement = judge(case, routes)
    _tell(case, judgement)
    wrong = [verdict for verdict in judgement.verdicts if verdict.kind not in passing]
    if wrong:
        raise AssertionError("\n".join(map(_line, wrong)))
    return judgement


def _tell(case: Case, judgement: Judgement) -> None:
    """Leave model and verdicts with Hypothesis, which prints them for the case that it ends up with."""
    if not currently_in_test_context():
        return
    note(case_text(case))
    for verdict in judgement.verdicts:
        note(_line(verdict))
        event(f"{verdict.route}: {verdict.kind.value}")


def _line(verdict: Verdict) -> str:
    said = f" (the tool said: {verdict.warned})" if verdict.warned and verdict.kind.is_bad else ""
    return f"{verdict.route}: {verdict.kind.value}: {verdict.detail or 'outputs agree'}{said}"


@cache
def _pipeline(routes: str) -> tuple[tuple[Route, ...], Pipeline]:
    """One pipeline per choice of routes, closed when the process ends."""
    toolchain = find_toolchain()
    runnable, skipped = available_routes(toolchain, select_routes(routes))
    if not runnable:
        raise SkipTest("; ".join(f"{route}: {reason}" for route, reason in skipped.items()))
    stack = ExitStack()
    atexit.register(stack.close)
    return runnable, stack.enter_context(open_pipeline(toolchain, runnable))
