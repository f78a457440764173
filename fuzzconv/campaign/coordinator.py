"""The coordinator: gives tasks to worker processes, counts what they tell, keeps the store and the clock.

No native code under test runs here. Workers are equal: each does a search round or a reduction, whichever
the state of the campaign calls for. A worker that dies or overstays is replaced; its task is given up, and
what it had found is on disk.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.display import Display
from fuzzconv.campaign.entry import enter_worker
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
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.known import Status
from fuzzconv.findings.signature import coarse
from fuzzconv.findings.store import CurvePoint, RoundRecord, RunStore

ROUND_SECONDS = 30.0
LAST_ROUND_MARGIN = 2.0
GRACE_SECONDS = 4.0
OVERSTAY_SECONDS = 30.0
MOST_DEATHS = 20
ERRORS_FILE = "errors.log"
MASK = 0.3
_TICK_SECONDS = 0.25
_FLUSH_SECONDS = 1.0


@dataclass
class _Worker:
    """One worker process as the coordinator sees it."""

    number: int
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: Task | None = None
    task_started: float = 0.0


@dataclass
class Coordinator:
    """One campaign.

    Attributes:
        settings, budget, store, display: what to do, until when, where to keep and show it.
        found: known bugs (the corpus); grows with each finding.
        first_round: number of the first search round (higher when a run is resumed).
        pending: candidates that wait for reduction (given when a run is resumed).
        log: where rounds and findings are told to machines.
        deaths: how many workers died or had to be killed.
    """

    settings: CampaignSettings
    budget: Budget
    store: RunStore
    display: Display
    found: set[FoundBug]
    tally: Tally = field(default_factory=Tally)
    first_round: int = 0
    pending: list[CandidateFound] = field(default_factory=list)
    log: CampaignLog = field(default_factory=CampaignLog)
    deaths: int = 0
    _settled: set[Signature] = field(default_factory=set)
    _reducing: list[Signature] = field(default_factory=list)
    _workers: list[_Worker] = field(default_factory=list)
    _flushed: float = 0.0

    def run(self) -> None:
        """Run until the budget ends. ``KeyboardInterrupt`` passes through; everything is stored then too."""
        self._round = self.first_round
        self._to_replay = bool(self.settings.known_bugs) and "replayed" not in self.store.facts()
        try:
            for number in range(self.settings.jobs):
                self._workers.append(self._start(number))
            while self._step():
                pass
        finally:
            self._stop_workers()
            self._flush(force=True)

    def _step(self) -> bool:
        """Hear the workers, give tasks; returns whether there is anything left to wait for."""
        for connection in wait([w.connection for w in self._workers], _TICK_SECONDS):
            worker = next(w for w in self._workers if w.connection is connection)
            self._hear(worker)
        self._replace_stuck()
        for worker in self._workers:
            if worker.ready and worker.task is None:
                self._give(worker)
        self._flush()
        self.display.update(self.tally, self.store.findings(), self.pending)
        busy = any(worker.task or not worker.ready for worker in self._workers)
        if self.budget.over:
            return busy and self.budget.elapsed < self.budget.seconds + GRACE_SECONDS
        return busy or self._next_task() is not None

    def _hear(self, worker: _Worker) -> None:
        try:
            while worker.connection.poll():
                self._take(worker, worker.connection.recv())
        except (EOFError, OSError):
            self._replace(worker, "died")

    def _take(self, worker: _Worker, event: Event) -> None:
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
        self.store.add_candidate(str(event.signature), event.folder)
        self.pending.append(event)
        self.pending.sort(key=_urgency)
        self.display.say(f"candidate: {event.title}")

    def _end_round(self, worker: _Worker, event: RoundEnded) -> None:
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
            )
            self.store.add_round(finished)
            self.log.write("round", finished._asdict())

    def _end_reduction(self, worker: _Worker, event: ReductionEnded) -> None:
        worker.task = None
        self.tally.add_reduction(event)
        self._settle(event.candidate, event.status)
        if event.variant_of:
            self.store.add_variant(event.variant_of, str(event.signature))
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
        self.log.write("finding", event.summary)
        self.display.say(f"finding: {event.summary['title']}")

    def _end_replay(self, worker: _Worker, event: CorpusReplayed) -> None:
        """Known bugs that are gone are news again from now on."""
        worker.task = None
        self.tally.executions += event.executions
        self.store.set_facts({"replayed": [dict(entry) for entry in event.entries]})
        gone = {entry["slug"] for entry in event.entries if entry["status"] == Status.FIXED.value}
        self.found = {bug for bug in self.found if bug.slug not in gone}
        for entry in event.entries:
            if entry["status"] != entry["recorded"]:
                self.display.say(f"known bug {entry['slug']}: {entry['status']}: {entry['detail']}")

    def _give_up_task(self, worker: _Worker, event: TaskFailed) -> None:
        """Keep an error of ours for a bug report; the candidate of a failed reduction stays on disk."""
        with (self.settings.folder / ERRORS_FILE).open("a") as stream:
            stream.write(f"{worker.task}\n{event.traceback}\n")
        self.display.say(f"worker {worker.number}: {event.error} (see {ERRORS_FILE} in the run folder)")
        if isinstance(worker.task, ReduceTask):
            self._settle(worker.task.signature, "not reduced: an error of fuzzconv")
        worker.task = None

    def _give(self, worker: _Worker) -> None:
        task = self._next_task()
        if task is None:
            return
        match task:
            case ReduceTask():
                self._reducing.append(self.pending.pop(0).signature)
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
        reducing = sum(isinstance(worker.task, ReduceTask) for worker in self._workers)
        closing = now >= self.budget.closing
        if self.pending and (closing or reducing < max(1, self.settings.jobs // 2)):
            candidate = self.pending[0]
            until = min(now + self.settings.reduce_seconds, end)
            return ReduceTask(
                candidate.signature, candidate.folder, candidate.route, until, frozenset(self.found)
            )
        if not closing:
            end = min(end, max(self.budget.closing, now + 1.0))
        until = min(now + ROUND_SECONDS, end)
        return SearchTask(self._round, self._round_seed(), until, self._no_news(), self._odds())

    def _odds(self) -> dict[str, float]:
        """Operators that fail whatever their attributes come less often, so that others get the time."""
        alone = (bug.signature.operators[0] for bug in self.found if len(bug.signature.operators) == 1)
        always = {operator for operator in alone if "(" not in operator}
        return dict.fromkeys(sorted(always), MASK)

    def _settle(self, candidate: Signature, status: str) -> None:
        self.store.set_candidate_status(str(candidate), status)
        self._settled.add(candidate)
        self._reducing.remove(candidate)

    def _no_news(self) -> NoNews:
        """What need not be reported now.

        Searching judges CPU cases on CPU routes alone, where nothing shows that a failure is the CPU's only.
        """
        found = {bug.signature for bug in self.found}
        seen_on_cpu = {replace(s, condition=_without_cpu(s.condition)) for s in found}
        waiting = (*(candidate.signature for candidate in self.pending), *self._reducing)
        return NoNews(
            frozenset(found | seen_on_cpu), frozenset(self._settled), frozenset(map(coarse, waiting))
        )

    def _round_seed(self) -> int | None:
        if self._round == 0 and self.settings.replay_database:
            return None
        digest = hashlib.sha256(f"{self.settings.seed}:{self._round}".encode()).digest()
        return int.from_bytes(digest[:6], "big")

    def _start(self, number: int) -> _Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=enter_worker, args=(theirs, self.settings), name=f"worker-{number}")
        process.start()
        theirs.close()
        return _Worker(number, process, ours)

    def _replace_stuck(self) -> None:
        now = time.monotonic()
        for worker in tuple(self._workers):
            if worker.task and now > worker.task.until + OVERSTAY_SECONDS:
                self._replace(worker, "overstayed")

    def _replace(self, worker: _Worker, why: str) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self.deaths += 1
        self.display.say(f"worker {worker.number} {why} (exit code {worker.process.exitcode}); replaced")
        if isinstance(worker.task, ReduceTask):
            self._settle(worker.task.signature, "worker died")
        position = self._workers.index(worker)
        if self.deaths > MOST_DEATHS:
            self._workers.remove(worker)
        else:
            self._workers[position] = self._start(worker.number)

    def _stop_workers(self) -> None:
        for worker in self._workers:
            with suppress(OSError):
                worker.connection.send(None)
        for worker in self._workers:
            worker.process.join(2.0 if worker.task is None else 0.0)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def _flush(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if not force and now - self._flushed < _FLUSH_SECONDS:
            return
        self._flushed = now
        self.tally.flush(self.store)
        signatures = len(self.store.findings()) + len(self.pending)
        point = CurvePoint(
            round(self.budget.elapsed, 1), self.tally.cases, signatures, len(self.tally.operators)
        )
        self.store.add_curve_point(point)
        self.store.set_facts({"elapsed_s": round(self.budget.elapsed, 3)})


def _urgency(candidate: CandidateFound) -> tuple[object, ...]:
    """What to reduce first: the current converter, silent wrong results before crashes before refusals."""
    order = ("weights", "result", "nondeterminism", "crash", "hang", "load", "refused")
    signature = candidate.signature
    return (signature.converter == "onnx2ncnn", order.index(signature.family), len(signature.operators))


def _without_cpu(condition: str) -> str:
    return "+".join(word for word in condition.split("+") if word != "cpu")
