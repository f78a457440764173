"""The coordinator: gives tasks to worker processes, counts what they tell, keeps the store and the clock.

No native code under test runs here. Workers are equal: each does a search round or a reduction, whichever
the state of the campaign calls for. A worker that dies or overstays is replaced; its task is given up, and
what it had found is on disk.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.crew import Crew, Worker
from fuzzconv.campaign.display import Display
from fuzzconv.campaign.favoured import favoured
from fuzzconv.campaign.log import CampaignLog
from fuzzconv.campaign.messages import (
    CandidateFound,
    CaseJudged,
    CorpusReplayed,
    Event,
    FoundBug,
    NoNews,
    ReduceTask,
    ReductionEnded,
    ReplayTask,
    RoundEnded,
    SearchTask,
    Task,
    TaskFailed,
    VulkanLeftOut,
    WorkerReady,
)
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.tally import Tally
from fuzzconv.campaign.urgency import most_urgent, urgency
from fuzzconv.campaign.witnesses import Witnesses
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.known import Status
from fuzzconv.findings.signature import coarse
from fuzzconv.findings.store import CurvePoint, RoundRecord, RunStore

ROUND_SECONDS = 30.0
LAST_ROUND_MARGIN = 2.0
GRACE_SECONDS = 4.0
ERRORS_FILE = "errors.log"
MASK = 0.3
_TICK_SECONDS = 0.25
_FLUSH_SECONDS = 1.0


@dataclass
class Coordinator:
    """One campaign.

    Attributes:
        settings, budget, store, display: what to do, until when, where to keep and show it.
        found: known bugs (the corpus); grows with each finding.
        first_round: number of the first search round (higher when a run is resumed).
        pending: candidates that wait for reduction (given when a run is resumed).
        settled: wide signatures of candidates that were dealt with (those of a resumed run at first).
        log: where rounds and findings are told to machines.
    """

    settings: CampaignSettings
    budget: Budget
    store: RunStore
    display: Display
    found: set[FoundBug]
    tally: Tally = field(default_factory=Tally)
    first_round: int = 0
    pending: list[CandidateFound] = field(default_factory=list)
    settled: set[Signature] = field(default_factory=set)
    log: CampaignLog = field(default_factory=CampaignLog)
    _reducing: list[Signature] = field(default_factory=list)
    _witnesses: Witnesses = field(default_factory=Witnesses)
    _reductions: int = 0
    _findings: list[dict[str, object]] = field(default_factory=list)
    _flushed: float = 0.0

    def run(self) -> None:
        """Run until the budget ends. ``KeyboardInterrupt`` passes through; everything is stored then too.

        Raises:
            WorkersLostError: every worker died, and so would the next.
        """
        self._crew = Crew(self.settings)
        self._findings = self.store.findings()
        self._round = self.first_round
        self._to_replay = bool(self.settings.known_bugs) and "replayed" not in self.store.facts()
        try:
            self._crew.start()
            while self._step():
                pass
        finally:
            self._crew.stop()
            self._flush(force=True)

    def _step(self) -> bool:
        """Hear the workers, give tasks; returns whether there is anything left to wait for."""
        for worker in self._crew.heard(_TICK_SECONDS):
            self._hear(worker)
        for worker in tuple(self._crew.workers):
            if worker.overstays:
                self._replace(worker, "overstayed")
            elif worker.idle:
                self._give(worker)
        self._flush()
        self.display.update(self.tally, self._findings, self.pending)
        busy = self._crew.busy
        if self.budget.over:
            return busy and self.budget.elapsed < self.budget.seconds + GRACE_SECONDS
        return busy or self._next_task() is not None

    def _hear(self, worker: Worker) -> None:
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv())
        except (EOFError, OSError):
            self._replace(worker, "died")

    def _take(self, worker: Worker, event: Event) -> None:
        match event:
            case CaseJudged():
                self.tally.add_case(event)
                for signature in event.known:
                    self.store.count_hit(str(signature))
            case VulkanLeftOut():
                self.tally.left_out[event.reason] += 1
            case CandidateFound():
                self._add_candidate(event)
            case RoundEnded():
                self._end_round(worker, event)
            case ReductionEnded():
                self._end_reduction(worker, event)
            case CorpusReplayed():
                self._end_replay(worker, event)
            case TaskFailed():
                self._give_up_task(worker, event)
            case WorkerReady():
                worker.ready = True

    def _add_candidate(self, event: CandidateFound) -> None:
        shrunk_again = any(event.signature == candidate.signature for candidate in self.pending)
        if shrunk_again or self._no_news().hit(event.signature):
            self.store.count_hit(str(event.signature))
            return
        if not self.store.add_candidate(str(event.signature), event.folder):
            self.store.move_candidate(str(event.signature), event.folder, "waiting")
        self.pending.append(event)
        self.pending.sort(key=urgency)
        self.display.say(f"candidate: {event.title}")

    def _end_round(self, worker: Worker, event: RoundEnded) -> None:
        self.tally.add_round(event)
        task = worker.task
        worker.task = None
        if isinstance(task, SearchTask):
            finished = RoundRecord(
                event.number,
                task.seed,
                worker.number,
                round(worker.task_started - self.budget.started, 3),
                round(event.seconds, 3),
                event.cases,
                event.executions,
                round(event.shrink_seconds, 3),
                ",".join(task.odds),
                ",".join(task.favoured),
            )
            self.store.add_round(finished)
            self.log.write("round", finished._asdict())

    def _end_reduction(self, worker: Worker, event: ReductionEnded) -> None:
        task, worker.task = worker.task, None
        self.tally.add_reduction(event)
        if isinstance(task, ReduceTask):
            self._settle(task, event.status)
        if event.variant_of:
            self.store.add_variant(event.variant_of, event.signature)
            self.found |= {
                replace(b, signature=event.signature) for b in self.found if b.slug == event.variant_of
            }
        if not event.summary:
            return
        slug = str(event.summary["slug"])
        self.found.add(FoundBug(event.signature, str(event.summary["kind"]), slug))
        self.store.add_finding(slug, str(event.signature), event.summary)
        self.store.add_reduction(
            slug,
            seconds=event.seconds,
            nodes_before=event.nodes_before,
            nodes_after=event.nodes_after,
            judged=event.judged,
        )
        self._findings = self.store.findings()
        self.log.write("finding", event.summary)
        self.display.say(f"finding: {event.summary['title']}")

    def _end_replay(self, worker: Worker, event: CorpusReplayed) -> None:
        """Known bugs that are gone are news again from now on."""
        worker.task = None
        self.tally.executions += event.executions
        self.store.set_facts({"replayed": [dict(entry) for entry in event.entries]})
        gone = {entry["slug"] for entry in event.entries if entry["status"] == Status.FIXED.value}
        self.found = {bug for bug in self.found if bug.slug not in gone}
        for entry in event.entries:
            if entry["status"] != entry["recorded"]:
                self.display.say(f"known bug {entry['slug']}: {entry['status']}: {entry['detail']}")

    def _give_up_task(self, worker: Worker, event: TaskFailed) -> None:
        """Keep an error of ours for a bug report; the candidate of a failed reduction stays on disk."""
        with (self.settings.folder / ERRORS_FILE).open("a") as stream:
            stream.write(f"{worker.task}\n{event.traceback}\n")
        self.display.say(f"worker {worker.number}: {event.error} (see {ERRORS_FILE} in the run folder)")
        if isinstance(worker.task, ReduceTask):
            self._settle(worker.task, "not reduced: an error of fuzzconv")
        worker.task = None

    def _give(self, worker: Worker) -> None:
        task = self._next_task()
        if task is None:
            return
        match task:
            case ReduceTask():
                self.pending = [c for c in self.pending if c.signature != task.signature]
                self._reducing.append(task.signature)
                self._reductions += 1
            case ReplayTask():
                self._to_replay = False
            case SearchTask():
                self._round += 1
        worker.task, worker.task_started = task, time.monotonic()
        try:
            worker.connection.send(task)
        except OSError:
            self._replace(worker, "died")

    def _next_task(self) -> Task | None:
        """What an idle worker should do now; None when it is too late for anything."""
        now = time.monotonic()
        end = self.budget.end - LAST_ROUND_MARGIN
        if now >= end:
            return None
        if self._to_replay:
            return ReplayTask(end)
        reducing = sum(isinstance(worker.task, ReduceTask) for worker in self._crew.workers)
        closing = now >= self.budget.closing
        if self.pending and (closing or reducing < max(1, self.settings.jobs // 2)):
            candidate = most_urgent(self.pending, self._reductions)
            until = min(now + self.settings.reduce_seconds, end)
            return ReduceTask(
                candidate.signature, candidate.folder, candidate.route, until, frozenset(self.found)
            )
        if not closing:
            end = min(end, max(self.budget.closing, now + 1.0))
        until = min(now + ROUND_SECONDS, end)
        steer = favoured(self.tally, self.settings.routes)
        return SearchTask(self._round, self._round_seed(), until, self._no_news(), self._odds(), steer)

    def _odds(self) -> dict[str, float]:
        """Operators that fail whatever their attributes come less often, so that others get the time."""
        alone = (bug.signature.operators[0] for bug in self.found if len(bug.signature.operators) == 1)
        always = {operator for operator in alone if "(" not in operator}
        return dict.fromkeys(sorted(always), MASK)

    def _settle(self, task: ReduceTask, status: str) -> None:
        """Note what became of a candidate; where its cause has not been seen, the next case may show it."""
        candidate = task.signature
        self.store.set_candidate_status(str(candidate), status)
        self._reducing.remove(candidate)
        if self._witnesses.another_may_come(candidate, status):
            try:
                aside = self._witnesses.put_aside(candidate, Path(task.folder))
            except OSError:
                pass  # the case is where it was, and stays the only one
            else:
                self.store.move_candidate(str(candidate), str(aside), status)
                return
        self.settled.add(candidate)

    def _no_news(self) -> NoNews:
        """What need not be reported now.

        Searching judges CPU cases on CPU routes alone, where nothing shows that a failure is the CPU's only.
        """
        found = {bug.signature for bug in self.found}
        seen_on_cpu = {replace(s, condition=_without_cpu(s.condition)) for s in found}
        waiting = (*(candidate.signature for candidate in self.pending), *self._reducing)
        return NoNews(
            frozenset(found | seen_on_cpu), frozenset(self.settled), frozenset(map(coarse, waiting))
        )

    def _round_seed(self) -> int | None:
        if self._round == 0 and self.settings.replay_database:
            return None
        digest = hashlib.sha256(f"{self.settings.seed}:{self._round}".encode()).digest()
        return int.from_bytes(digest[:6], "big")

    def _replace(self, worker: Worker, why: str) -> None:
        if isinstance(worker.task, ReduceTask):
            self._settle(worker.task, "worker died")
        self.display.say(f"worker {worker.number} {why}")
        self._crew.replace(worker)

    def _flush(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._flushed < _FLUSH_SECONDS:
            return
        self._flushed = now
        self.tally.flush(self.store)
        signatures = len(self._findings) + len(self.pending)
        point = CurvePoint(
            round(self.budget.elapsed, 1), self.tally.cases, signatures, len(self.tally.operators)
        )
        self.store.add_curve_point(point)
        self.store.set_facts({"elapsed_s": round(self.budget.elapsed, 3)})


def _without_cpu(condition: str) -> str:
    return "+".join(word for word in condition.split("+") if word != "cpu")
