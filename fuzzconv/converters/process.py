"""Run a native tool once: in its own session, within limits, its output in files.

``run_tool`` starts the process, waits and returns a ``ToolRun``; it never raises for what the tool does.
A ``Runner`` does so again and again for one tool; ``PlainRunner`` is the simplest.
``Limits`` says how long it may take and how much it may use. ``classify`` turns an exit status into an
``Outcome`` and is shared with the fork server, so that both ways of running a tool are judged alike.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fuzzconv.converters.conversion import Outcome, ToolRun

STDOUT_FILE = "tool.stdout"
STDERR_FILE = "tool.stderr"

_READ_LIMIT = 256 * 1024
_NO_MEMORY = re.compile(
    r"bad_alloc|cannot allocate memory|can't allocate memory|failed to allocate memory|out of memory",
    re.IGNORECASE,
)
# A shell sets the limits: unlike a Python function between fork and exec it is safe beside threads. Each
# ulimit is asked for alone because some systems know no -v.
_LIMITED = (
    'ulimit -c 0; ulimit -v "$1" 2>/dev/null; ulimit -f "$2" 2>/dev/null; shift 2; exec "$@"'  # POSIX sh
)


@dataclass(frozen=True)
class Limits:
    """What one run of a tool may use.

    Attributes:
        timeout_s: wall-clock seconds until it is killed.
        memory_bytes: address space (``RLIMIT_AS``). pnnx needs about 0.3 GB of it for a small model.
        file_bytes: size of each file it writes, its printed output included (``RLIMIT_FSIZE``).
    """

    timeout_s: float = 20.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 256 << 20


class Runner(Protocol):
    """A way to run one certain tool again and again: as a plain subprocess, or through a fork server."""

    def run(self, arguments: Sequence[str], scratch: Path, limits: Limits) -> ToolRun:
        """Run the tool with ``scratch`` as working directory."""

    def close(self) -> None:
        """Stop what runs between calls; a later ``run`` starts it again."""


@dataclass(frozen=True)
class PlainRunner:
    """Starts a new process for every run."""

    binary: Path

    def run(self, arguments: Sequence[str], scratch: Path, limits: Limits) -> ToolRun:
        """Run the tool with ``scratch`` as working directory."""
        return run_tool([self.binary, *arguments], scratch, limits)

    def close(self) -> None:
        """Nothing runs between calls."""


def run_tool(argv: Sequence[str | Path], scratch: Path, limits: Limits) -> ToolRun:
    """Run ``argv`` with ``scratch`` as working directory; its whole process group is gone on return.

    Raises:
        OSError: the scratch directory can't be written.
    """
    words = [str(word) for word in argv]
    sizes = [str(limits.memory_bytes // 1024), str(limits.file_bytes // 512)]
    started = time.monotonic()
    with (scratch / STDOUT_FILE).open("wb") as stdout, (scratch / STDERR_FILE).open("wb") as stderr:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _LIMITED, "sh", *sizes, *words],
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        timed_out = not _ended_within(process, limits.timeout_s)
        _kill_group(process.pid)
        status = process.wait()
    seconds = time.monotonic() - started
    return finished_run(scratch, status, seconds, timed_out=timed_out)


def finished_run(scratch: Path, exit_status: int, seconds: float, *, timed_out: bool) -> ToolRun:
    """The ``ToolRun`` of a process that has ended and left its output in ``scratch``."""
    stdout, stderr = read_bounded(scratch / STDOUT_FILE), read_bounded(scratch / STDERR_FILE)
    outcome = classify(exit_status, stderr, timed_out=timed_out)
    return ToolRun(outcome, exit_status, stdout, stderr, seconds)


def classify(exit_status: int, stderr: str, *, timed_out: bool) -> Outcome:
    """What an exit status (as in ``ToolRun``) means.

    A SIGKILL that wasn't ours is the kernel's answer to lack of memory; SIGXFSZ is the file size limit, met
    by a tool that writes without end.
    """
    if timed_out or exit_status == -signal.SIGXFSZ:
        return Outcome.HUNG
    if exit_status == 0:
        return Outcome.DONE
    if exit_status == -signal.SIGKILL or _NO_MEMORY.search(stderr):
        return Outcome.OUT_OF_MEMORY
    return Outcome.CRASHED if exit_status < 0 else Outcome.REFUSED


def read_bounded(path: Path, limit: int = _READ_LIMIT) -> str:
    """A text file's content; of a longer one the first and the last half of ``limit`` bytes."""
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size <= limit:
                return stream.read().decode(errors="replace")
            head = stream.read(limit // 2)
            stream.seek(size - limit // 2)
            tail = stream.read(limit // 2)
    except OSError:
        return ""
    omitted = f"\n[{size - limit} bytes left out]\n"
    return head.decode(errors="replace") + omitted + tail.decode(errors="replace")


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait without reaping, so that the group can still be killed by its leader's number."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # no Linux, or an old one
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
