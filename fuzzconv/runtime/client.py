"""A persistent, isolated ncnn: ``NcnnRuntime`` keeps one worker process and survives its death.

The worker is started when first needed, restarted after it died, and killed (its whole process group) when a
request takes too long. Its standard error is an unlinked file owned by this side, so that the last words of a
dead worker are not lost.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

import numpy as np

import fuzzconv
from fuzzconv.errors import MissingToolError
from fuzzconv.runtime.execution import BlobRead, RunRequest, RunResult, RunStatus, WeightTrace
from fuzzconv.runtime.frames import Array, Channel, Message

_START_TIMEOUT_S = 120.0
_EXIT_TIMEOUT_S = 5.0
_STDERR_LIMIT = 64 * 1024
_GIB = 1 << 30


class WorkerDeathError(Exception):
    """The worker died or was killed during a request (internal; becomes a ``RunStatus``)."""

    def __init__(self, status: RunStatus, signal_number: int, stderr: str) -> None:
        super().__init__(status, signal_number)
        self.status = status
        self.signal = signal_number
        self.stderr = stderr


class NcnnRuntime:
    """ncnn on one device, in a process of its own. Not to be shared between threads.

    ``with NcnnRuntime("cpu") as runtime: runtime.run(request)``
    """

    def __init__(
        self,
        device: str,
        *,
        python: str = sys.executable,
        emulator: Sequence[str] = (),
        pythonpath: Sequence[Path] = (),
        env: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
        memory_bytes: int = 4 * _GIB,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            device: ``cpu`` or ``vulkan``.
            python: interpreter of the worker.
            emulator: command to put before it (``qemu-aarch64-static -L …``).
            pythonpath: folders that hold another ncnn (and numpy) than the interpreter's own.
            env: further environment variables (``VK_DRIVER_FILES`` …).
            timeout_s: wall seconds a request may take.
            memory_bytes: address space limit of the worker; 0 for none.
        """
        self._device = device
        self._timeout_s = timeout_s
        worker = ["-P", "-m", "fuzzconv.runtime.worker", "--device", device]
        limits = ["--memory-bytes", str(memory_bytes), "--timeout-s", str(timeout_s)]
        self._command = [*emulator, python, *worker, *limits]
        package_root = Path(fuzzconv.__file__).parent.parent
        inherited = filter(None, [os.environ.get("PYTHONPATH")])
        search_path = [*map(str, pythonpath), str(package_root), *inherited]
        # Idle OpenMP threads sleep; spinning, they made a run with two threads 20 times slower when busy.
        sleeping = {"OMP_WAIT_POLICY": "passive"}
        self._env = {**sleeping, **os.environ, **(env or {}), "PYTHONPATH": os.pathsep.join(search_path)}
        self._stderr: BinaryIO | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._ncnn_version = ""

    @property
    def device(self) -> str:
        """The device's name in route ids."""
        return self._device

    @property
    def pid(self) -> int | None:
        """Process id of the running worker, None when there is none."""
        return self._process.pid if self._process else None

    def start(self) -> str:
        """Start the worker unless it runs; returns the version of its ncnn.

        Raises:
            MissingToolError: the worker can't import ncnn, or there is no such device.
        """
        if self._process is not None and self._process.poll() is not None:
            # It died while idle (memory taken back by the kernel, say): no case is to blame.
            self._reap(kill=True)
        if self._process is None:
            self._start()
        return self._ncnn_version

    def run(self, request: RunRequest) -> RunResult:
        """Load and run a network once; a crash or hang of the worker is a value.

        Raises:
            MissingToolError: as ``start``.
            RuntimeError: the request itself is malformed (an unknown option).
        """
        started = time.perf_counter()
        fields = {
            "request": "run",
            "param": request.param,
            "options": dict(request.options),
            "feeds": [(feed.blob, feed.batch_axis) for feed in request.feeds],
            "fetches": [(fetch.blob, fetch.batch_axis) for fetch in request.fetches],
        }
        arrays = [_as_bytes(request.weights), *(feed.array for feed in request.feeds)]
        try:
            answer = self._ask(Message(fields, arrays))
        except WorkerDeathError as death:
            seconds = time.perf_counter() - started
            return RunResult(death.status, stderr=death.stderr, signal=death.signal, seconds=seconds)
        outputs = {
            blob: None if position is None else answer.arrays[position].copy()
            for blob, position in answer.fields.get("outputs", ())
        }
        return RunResult(
            RunStatus(answer.fields["status"]),
            outputs,
            return_code=answer.fields.get("return_code", 0),
            failed_at=answer.fields.get("failed_at", ""),
            stderr=self._read_stderr(),
            seconds=time.perf_counter() - started,
        )

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        """Ask ncnn which bytes it reads and what it makes of them.

        Raises:
            MissingToolError: as ``start``.
        """
        try:
            answer = self._ask(Message({"request": "trace", "param": param}, [_as_bytes(weights)]))
        except WorkerDeathError as death:
            return WeightTrace(death.status, stderr=death.stderr, signal=death.signal)
        blobs = tuple(_blob_read(record, answer.arrays) for record in answer.fields.get("blobs", ()))
        return WeightTrace(
            RunStatus(answer.fields["status"]),
            blobs,
            consumed=answer.fields.get("consumed", 0),
            stderr=self._read_stderr(),
            untraced=tuple(answer.fields.get("untraced", ())),
        )

    def close(self) -> None:
        """Stop the worker process."""
        if self._process is not None:
            self._reap(kill=False)
        if self._stderr is not None:
            self._stderr.close()
            self._stderr = None

    def __enter__(self) -> NcnnRuntime:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, request: Message) -> Message:
        self.start()
        assert self._channel is not None
        self._clear_stderr()
        try:
            self._channel.send(request)
            answer = self._channel.receive(self._timeout_s)
        except TimeoutError:
            self._reap(kill=True)
            raise WorkerDeathError(RunStatus.HUNG, 0, self._read_stderr()) from None
        except (EOFError, BrokenPipeError):
            exit_status = self._reap(kill=False)
            raise self._death(exit_status) from None
        except BaseException:
            # Interrupted in the middle of a frame: the channel can't be used again.
            self._reap(kill=True)
            raise
        if "error" in answer.fields:
            raise RuntimeError(f"the ncnn worker failed:\n{answer.fields['error']}")
        return answer

    def _death(self, exit_status: int) -> WorkerDeathError:
        stderr = self._read_stderr()
        signal_number = max(0, -exit_status)
        if signal_number == signal.SIGALRM:
            return WorkerDeathError(RunStatus.HUNG, 0, stderr)
        # Nobody here sent SIGKILL, so the kernel did, and it does so when memory runs out.
        if signal_number == signal.SIGKILL or "bad_alloc" in stderr:
            return WorkerDeathError(RunStatus.OUT_OF_MEMORY, signal_number, stderr)
        return WorkerDeathError(RunStatus.CRASHED, signal_number, stderr)

    def _start(self) -> None:
        if self._stderr is None:
            self._stderr = _unlinked_file()
        self._clear_stderr()
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=self._env,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._channel = Channel(os.dup(process.stdout.fileno()), os.dup(process.stdin.fileno()))
        process.stdout.close()
        process.stdin.close()
        try:
            ready = self._channel.receive(_START_TIMEOUT_S).fields
        except (EOFError, TimeoutError):
            self._reap(kill=True)
            last_line = (self._read_stderr().strip().splitlines() or ["no message"])[-1]
            raise MissingToolError(
                f"the ncnn worker for {self._device} does not start: {last_line}"
            ) from None
        if self._device == "vulkan" and not ready["gpus"]:
            self._reap(kill=True)
            raise MissingToolError("ncnn sees no Vulkan device; Debian's mesa-vulkan-drivers brings one")
        self._ncnn_version = ready["ncnn"]

    def _reap(self, *, kill: bool) -> int:
        """Close the channel and collect the worker; returns its exit status as ``waitpid`` has it."""
        assert self._process is not None
        assert self._channel is not None
        process, self._process = self._process, None
        self._channel.close()
        self._channel = None
        if not kill:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_TIMEOUT_S)
        # The group outlives its leader when native code forked: nobody may stay behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def _clear_stderr(self) -> None:
        # The worker shares this open file and its position, so both ends start at zero again.
        assert self._stderr is not None
        os.ftruncate(self._stderr.fileno(), 0)
        os.lseek(self._stderr.fileno(), 0, os.SEEK_SET)

    def _read_stderr(self) -> str:
        assert self._stderr is not None
        return os.pread(self._stderr.fileno(), _STDERR_LIMIT, 0).decode(errors="replace")


def _unlinked_file() -> BinaryIO:
    """A file that lives as long as it is open; in memory where the system has such files."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("ncnn-stderr"), "w+b")
    return cast(BinaryIO, tempfile.TemporaryFile())


def _as_bytes(content: bytes) -> Array:
    return np.frombuffer(content, np.uint8)


def _blob_read(record: Sequence[Any], arrays: Sequence[Array]) -> BlobRead:
    layer, kind, index, load_type, tag, offset, size, count, position = record
    values = None if position is None else arrays[position].copy()
    return BlobRead(layer, kind, index, load_type, tag, offset, size, values, count)
