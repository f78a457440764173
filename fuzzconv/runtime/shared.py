"""Lets several threads use one runtime in turn."""

from __future__ import annotations

import threading

from fuzzconv.runtime.execution import RunRequest, RunResult, Runtime, WeightTrace


class SharedRuntime:
    """A runtime that two threads use in turn."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._lock = threading.Lock()

    @property
    def device(self) -> str:
        """The device's name in route ids."""
        return self._runtime.device

    def run(self, request: RunRequest) -> RunResult:
        """As the runtime's own, one caller at a time."""
        with self._lock:
            return self._runtime.run(request)

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        """As the runtime's own, one caller at a time."""
        with self._lock:
            return self._runtime.trace(param, weights)

    def close(self) -> None:
        """Stop the worker process."""
        self._runtime.close()
