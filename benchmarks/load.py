"""Several processes that judge cases as fast as they can, for a given time (``judged_in``).

The road alone: nothing is localised, reduced or stored, so that what is measured is the same for all.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier

from benchmarks.models import distinct_cases
from benchmarks.naive import judge_everywhere
from fuzzconv.assembly import open_pipeline
from fuzzconv.pipeline import Pipeline
from fuzzconv.route import Route
from fuzzconv.toolchain.toolchain import Toolchain

_START_SECONDS = 120.0


@dataclass(frozen=True)
class Load:
    """What each process does.

    Attributes:
        toolchain, routes: Vulkan routes get every case that passes, one pnnx setting in turn.
        seconds: how long.
        seed: each process draws other cases from it.
        pinned: each process with its children keeps to one core.
    """

    toolchain: Toolchain
    routes: tuple[Route, ...]
    seconds: float
    seed: int
    pinned: bool = False


def cases_per_second(load: Load, jobs: int) -> float:
    """All processes together; start-up is not counted."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(jobs), context.SimpleQueue()
    processes = [
        context.Process(target=_work, args=(load, number, barrier, results)) for number in range(jobs)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a measuring process failed")
    return sum(results.get() for _ in processes)


def _work(load: Load, number: int, barrier: Barrier, results: multiprocessing.SimpleQueue[float]) -> None:
    if load.pinned:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[number]})
    with open_pipeline(load.toolchain, load.routes) as pipeline:
        judge_everywhere(pipeline, next(distinct_cases(97)), load.routes, 0)
        barrier.wait(_START_SECONDS)
        started = time.monotonic()
        done = _judge_until(pipeline, load, started + load.seconds, 10 * load.seed + number)
        results.put(done / (time.monotonic() - started))


def _judge_until(pipeline: Pipeline, load: Load, end: float, start: int) -> int:
    done = 0
    for case in distinct_cases(start):
        judge_everywhere(pipeline, case, load.routes, done)
        done += 1
        if time.monotonic() >= end:
            break
    return done
