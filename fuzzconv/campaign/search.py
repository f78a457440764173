"""One search round: Hypothesis draws cases, the examiner looks at them, the first large news is shrunk.

A failure that was localised to an operator or two is small already and goes straight to the graph reducer;
larger ones are shrunk by Hypothesis first. A round raises only for its first such signature (one exception
class per signature, so that Hypothesis can't slip to another bug while it shrinks); further news of the round
is stored by the examiner without raising. The deadline is a ``BaseException``: it ends a round cleanly
wherever it is, and nothing is lost, because every failing case is on disk before Hypothesis hears of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.database import DirectoryBasedExampleDatabase
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from fuzzconv.campaign.examiner import Examiner
from fuzzconv.campaign.messages import SearchTask
from fuzzconv.case import Case
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.localise import Localised
from fuzzconv.findings.subgraph import operator_nodes
from strategies import SPECS, Swarm, cases

EXAMPLES_PER_ROUND = 100
"""A round begins with a tenth as many small cases, which other rounds draw too, and one that its time cuts
short has little else: of the first 50 cases of 52 rounds 8 % were copies with 200 examples, 3 % with 100."""
SHRINK_SECONDS = 4.0
"""A head start for the graph reducer, which is faster by far: each test here localises the failure anew."""
SMALL = 2


class NewSignatureError(Exception):
    """Base of the exceptions, one class per signature, that tell Hypothesis what to shrink."""


class RoundOver(BaseException):
    """The round's time is up."""


class SearchRound:
    """One round.

    Args:
        examiner: looks at cases.
        task: what to search and until when.
        database: folder of the Hypothesis example database, used when the task has no seed.
    """

    def __init__(self, examiner: Examiner, task: SearchTask, database: Path) -> None:
        self._examiner = examiner
        self._task = task
        self._no_news = task.no_news
        # An unseeded round raises for everything: that is how failures get into the example database.
        self._small = 0 if task.seed is None else SMALL
        self._database = database
        self._target: Localised | None = None
        self._smallest: Case | None = None
        self._error: NewSignatureError | None = None
        self._answers: dict[str, bool] = {}
        self._shrink_started = 0.0
        self.shrink_seconds = 0.0

    def run(self) -> None:
        """Search until the examples or the time are used up; then keep the shrunk case, if any."""
        self._examiner.begin_round()
        test: Callable[[], None] = self._settings()(given(cases_of(self._task))(self._examine))
        if self._task.seed is not None:
            test = seed(self._task.seed)(test)
        with suppress(NewSignatureError, RoundOver, Flaky):
            test()
        if self._target and self._smallest:
            self.shrink_seconds = time.monotonic() - self._shrink_started
            self._examiner.keep(self._target, self._smallest)

    def _settings(self) -> settings:
        """Every setting explicit: Hypothesis's defaults differ under CI."""
        replaying = self._task.seed is None
        phases = (Phase.reuse, Phase.generate, Phase.shrink) if replaying else (Phase.generate, Phase.shrink)
        return settings(
            max_examples=EXAMPLES_PER_ROUND,
            database=DirectoryBasedExampleDatabase(self._database) if replaying else None,
            deadline=None,
            derandomize=False,
            phases=phases,
            print_blob=False,
            report_multiple_bugs=False,
            stateful_step_count=1,
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )

    def _examine(self, case: Case) -> None:
        if self._target is None:
            self._search(case)
        else:
            self._shrink(case, self._target)

    def _search(self, case: Case) -> None:
        if time.monotonic() >= self._task.until:
            raise RoundOver
        self._examiner.examine_vulkan_failures(self._no_news)
        failure = self._examiner.examine(case, self._no_news)
        if failure is None or len(operator_nodes(failure.case.model)) <= self._small:
            return
        self._target = failure
        self._error = exception_for(failure.signature)()
        self._shrink_started = time.monotonic()
        self._answers[case.key] = True
        self._smallest = failure.case
        raise self._error

    def _shrink(self, case: Case, target: Localised) -> None:
        if case.key not in self._answers:
            if time.monotonic() >= min(self._task.until, self._shrink_started + SHRINK_SECONDS):
                raise RoundOver
            self._answers[case.key] = self._examiner.still_fails(case, target)
            if self._answers[case.key] and self._smallest and size_of(case) < size_of(self._smallest):
                self._smallest = case
        if self._answers[case.key] and self._error:
            raise self._error


def cases_of(task: SearchTask) -> SearchStrategy[Case]:
    """What a round draws from; with the round's seed, the same cases for an equal task."""
    swarm = Swarm.of_seed(task.seed or 0, operators=SPECS)
    return cases(swarm=swarm, odds=task.odds, favoured=task.favoured)


def exception_for(signature: Signature) -> type[NewSignatureError]:
    """A new exception class: Hypothesis tells bugs apart by class and line."""
    return type(f"NewSignature_{signature.slug.rpartition('-')[2]}", (NewSignatureError,), {})


def size_of(case: Case) -> tuple[int, int]:
    """What smaller means before reduction: nodes, then bytes."""
    return len(case.model.graph.node), case.model.ByteSize()
