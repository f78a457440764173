"""The worker processes of a campaign: started, replaced when they die or overstay, stopped at the end.

``Crew`` holds them. It bears ``MOST_DEATHS``; from then on a worker that dies is not replaced, and with the
last one the campaign ends (``WorkersLostError``): what kills every worker would kill the next one too.
"""

from __future__ import annotations

import multiprocessing
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from fuzzconv.campaign.entry import enter_worker
from fuzzconv.campaign.messages import Task
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.errors import WorkersLostError

MOST_DEATHS = 20
OVERSTAY_SECONDS = 30.0
STOP_SECONDS = 2.0


@dataclass
class Worker:
    """One worker process as the coordinator sees it."""

    number: int
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: Task | None = None
    task_started: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.ready and self.task is None

    @property
    def overstays(self) -> bool:
        """Whether its task should have ended long ago."""
        return self.task is not None and time.monotonic() > self.task.until + OVERSTAY_SECONDS


class Crew:
    """The workers there are.

    Attributes:
        workers: those alive.
        deaths: how many died or had to be killed.
    """

    def __init__(self, settings: CampaignSettings) -> None:
        self.workers: list[Worker] = []
        self.deaths = 0
        self._settings = settings

    def start(self) -> None:
        """Start as many as the settings ask for."""
        for number in range(self._settings.jobs):
            self.workers.append(self._started(number))

    def heard(self, seconds: float) -> list[Worker]:
        """Workers that have said something, or died; waits for the first for ``seconds``."""
        connections = wait([worker.connection for worker in self.workers], seconds)
        return [worker for worker in self.workers if worker.connection in connections]

    @property
    def busy(self) -> bool:
        """Whether any works, or has yet to begin."""
        return any(not worker.idle for worker in self.workers)

    def replace(self, worker: Worker) -> None:
        """Put a new process in a worker's place.

        Raises:
            WorkersLostError: none is left, and too many have died to start another.
        """
        _end(worker, 0.0)
        self.deaths += 1
        position = self.workers.index(worker)
        if self.deaths <= MOST_DEATHS:
            self.workers[position] = self._started(worker.number)
            return
        del self.workers[position]
        if not self.workers:
            told = f"{self.deaths} deaths, the last with exit code {worker.process.exitcode}"
            raise WorkersLostError(
                f"all workers died ({told}); what was found is saved: --resume {self._settings.folder}"
            )

    def stop(self) -> None:
        """Ask all to end, and end those that don't."""
        for worker in self.workers:
            with suppress(OSError):
                worker.connection.send(None)
        for worker in self.workers:
            _end(worker, STOP_SECONDS if worker.task is None else 0.0)
        self.workers.clear()

    def _started(self, number: int) -> Worker:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=enter_worker, args=(theirs, self._settings), name=f"worker-{number}")
        process.start()
        theirs.close()
        return Worker(number, process, ours)


def _end(worker: Worker, seconds: float) -> None:
    worker.process.join(seconds)
    if worker.process.is_alive():
        worker.process.kill()
        worker.process.join()
    worker.connection.close()
