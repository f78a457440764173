"""Sums up the time that the stages of a road take, while it runs as it always does (``Stopwatch``)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from fuzzconv import pipeline as road

_ORACLES = ("judge_conversion", "judge_trace", "judge_weights", "judge_run", "judge_outputs", "compare_runs")


class Stopwatch:
    """Seconds by stage.

    ``with watch.on_pipelines(): …`` times every ``Pipeline`` of this process; whatever else is wanted goes
    into a ``with watch.stage("store"): …``.
    """

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Book the time spent inside on ``name``."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - started

    @contextmanager
    def on_pipelines(self) -> Iterator[None]:
        """Time reference, conversions, traces, runs and oracles."""
        with ExitStack() as stack:
            self._wrap(stack, road, "compute_reference", lambda *_: "reference")
            for oracle in _ORACLES:
                self._wrap(stack, road, oracle, lambda *_: "oracles")
            self._wrap(stack, road.Pipeline, "convert", lambda _, __, identity: f"convert, {identity}")
            self._wrap(stack, road.Pipeline, "trace", lambda *_: "trace weights")
            self._wrap(stack, road.Pipeline, "run", lambda _, __, device: f"run, {device}")
            yield

    def _wrap(self, stack: ExitStack, owner: Any, name: str, stage_of: Callable[..., str]) -> None:
        original = getattr(owner, name)

        def timed(*arguments: Any) -> Any:
            with self.stage(stage_of(*arguments)):
                return original(*arguments)

        stack.enter_context(mock.patch.object(owner, name, timed))
