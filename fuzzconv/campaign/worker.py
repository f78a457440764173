"""A campaign worker: one process with its own tools that does one task after the other.

The coordinator may kill it at any moment; whatever it found is on disk by then. Ctrl-C is the coordinator's
business, so SIGINT is ignored here.
"""

from __future__ import annotations

import resource
import signal
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path

from fuzzconv.assembly import open_pipeline
from fuzzconv.campaign.examiner import Examiner, case_event
from fuzzconv.campaign.messages import (
    CaseJudged,
    CorpusReplayed,
    Event,
    ReduceTask,
    ReplayTask,
    RoundEnded,
    SearchTask,
    Task,
    TaskFailed,
    WorkerReady,
)
from fuzzconv.campaign.reduction import reduce_candidate
from fuzzconv.campaign.search import SearchRound
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.vulkan_lane import VulkanLane
from fuzzconv.findings.known import replay
from fuzzconv.judgement import Judgement
from fuzzconv.pipeline import Pipeline

MEMORY_BYTES = 8 << 30
"""Address space of a worker. It needs less than 1 GB; what wants so much more is a bug of ours."""


def limit_memory() -> None:
    """Have this process, and its children unless they say otherwise, raise ``MemoryError`` in time."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = MEMORY_BYTES if hard == resource.RLIM_INFINITY else min(MEMORY_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def worker_main(connection: Connection, settings: CampaignSettings) -> None:
    """The process's main function: tasks in, events out, until a None or the end of the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit_memory()
    with suppress(EOFError, BrokenPipeError), open_pipeline(settings.toolchain, settings.routes) as pipeline:
        worker = _Worker(connection, settings, pipeline)
        try:
            worker.work()
        finally:
            worker.close()


class _Worker:
    def __init__(self, connection: Connection, settings: CampaignSettings, pipeline: Pipeline) -> None:
        self._connection = connection
        self._settings = settings
        self._pipeline = pipeline
        self._open = ExitStack()
        self._base_pipeline: Pipeline | None = None
        self._sending = threading.Lock()
        cpu = [route for route in settings.routes if route.device == "cpu"]
        vulkan = [route for route in settings.routes if route.device == "vulkan"]
        self._lane = VulkanLane(pipeline, vulkan, self._emit, _vulkan_event) if vulkan else None
        self._examiner = Examiner(pipeline, cpu, self._lane, settings.candidates, self._emit)

    def work(self) -> None:
        self._emit(WorkerReady())
        while (task := self._next_task()) is not None:
            try:
                match task:
                    case SearchTask():
                        self._search(task)
                    case ReduceTask():
                        self._reduce(task)
                    case ReplayTask():
                        self._replay(task)
            except (BrokenPipeError, EOFError):
                raise
            except Exception as error:
                line = f"{type(error).__name__}: {error}".splitlines()[0]
                self._emit(TaskFailed(line, traceback.format_exc()))

    def close(self) -> None:
        self._open.close()
        if self._lane:
            self._lane.close()

    def _next_task(self) -> Task | None:
        task: Task | None = self._connection.recv()
        return task

    def _emit(self, event: Event) -> None:
        with self._sending:
            self._connection.send(event)

    def _search(self, task: SearchTask) -> None:
        started = time.monotonic()
        executions, cases = self._pipeline.executions, self._examiner.cases
        diagnosing = self._examiner.diagnosis_seconds
        round_ = SearchRound(self._examiner, task, Path(self._settings.database))
        round_.run()
        self._emit(
            RoundEnded(
                task.number,
                time.monotonic() - started,
                round_.shrink_seconds + self._examiner.diagnosis_seconds - diagnosing,
                self._examiner.cases - cases,
                self._pipeline.executions - executions,
            )
        )

    def _base(self) -> Pipeline | None:
        """The road with the base versions, opened when first needed."""
        if self._base_pipeline is None and self._settings.against:
            opened = open_pipeline(self._settings.against, self._settings.routes)
            self._base_pipeline = self._open.enter_context(opened)
        return self._base_pipeline

    def _replay(self, task: ReplayTask) -> None:
        executions = self._pipeline.executions
        entries = []
        for known in self._settings.known_bugs:
            if time.monotonic() >= task.until:
                break
            replayed = replay(known, self._pipeline, self._settings.routes)
            entries.append(
                {
                    "slug": known.slug,
                    "title": known.title,
                    "recorded": known.status.value,
                    "status": replayed.status.value,
                    "detail": replayed.told,
                }
            )
        self._emit(CorpusReplayed(tuple(entries), self._pipeline.executions - executions))

    def _reduce(self, task: ReduceTask) -> None:
        executions = self._pipeline.executions
        self._emit(
            reduce_candidate(
                task,
                self._pipeline,
                self._settings,
                base=self._base(),
                executions=lambda: self._pipeline.executions - executions,
            )
        )


def _vulkan_event(before: Judgement, after: Judgement) -> CaseJudged:
    return case_event(after, after.verdicts[len(before.verdicts) :], "", {}, ())
