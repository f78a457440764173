"""Run a native tool through a fork server: initialise it once, fork a child per run.

Of pnnx's 230 ms for a small model 200 are static initialisation. ``forkserver.c``, preloaded into the tool,
lets it initialise once and then forks a child per request; a warm-up conversion in the server itself saves
the children onnxruntime's first use too. What a run writes and how it ends is the same as for a plain run,
with two exceptions: messages that onnxruntime prints at its first use are not repeated, and a crash in the
program's static destructors, after main, is not seen.

``ForkServer`` is a ``Runner``; where no server can be had (``available`` says why) it runs the tool plainly.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from fuzzconv.converters.conversion import ToolRun
from fuzzconv.converters.process import Limits, finished_run, run_tool
from fuzzconv.toolchain.cache import cache_directory

_READY, _STARTED = 0, 1  # kinds of reply, as in forkserver.c
_PROTOCOL = 1
_REPLY = struct.Struct("=ii")
_LENGTH = struct.Struct("=I")
_START_SECONDS = 60.0
_KILL_SECONDS = 10.0


def available() -> str:
    """Empty when a fork server can be used here, else the reason; builds the shim if need be."""
    try:
        build_shim()
    except _UnavailableError as reason:
        return str(reason)
    return ""


def build_shim() -> Path:
    """The shared object to preload, compiled into the per-user cache at first use (about 0.2 s).

    Several processes may build at once: each compiles under its own name and renames.
    """
    if sys.platform != "linux":
        raise _UnavailableError(f"needs Linux, this is {sys.platform}")
    if not hasattr(os, "pidfd_open"):
        raise _UnavailableError("needs pidfd_open (Linux 5.3)")
    source = resources.files("fuzzconv.converters").joinpath("forkserver.c").read_bytes()
    key = hashlib.sha256(source + platform.machine().encode()).hexdigest()[:16]
    shim = cache_directory() / "forkserver" / f"{key}.so"
    if any(character in str(shim) for character in " :"):
        raise _UnavailableError(
            f"LD_PRELOAD can't name {shim}; set FUZZCONV_CACHE to a path without ' ' or ':'"
        )
    if not shim.exists():
        _compile(source, shim)
    return shim


class ForkServer:
    """Runs one binary again and again; starts at the first run, restarts when it has died.

    Safe to share between threads: runs follow each other. Not to be carried into a forked process.

    Args:
        binary: the native executable.
        warm_up: convert a one-node model in the server before the first request. Only for pnnx.

    Attributes:
        problem: why runs are plain subprocesses; empty while they go through the server.

    Raises:
        OSError: the binary can't be read.
    """

    def __init__(self, binary: Path, *, warm_up: bool = True) -> None:
        self._binary = binary
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.problem = available() or _not_native(binary)

    @property
    def pid(self) -> int | None:
        """The server's process number; None while none runs."""
        return self._server.process.pid if self._server else None

    def run(self, arguments: Sequence[str], scratch: Path, limits: Limits) -> ToolRun:
        """Run the binary with ``scratch`` as working directory, within ``limits``.

        Raises:
            OSError: the scratch directory can't be read or written.
        """
        before = set(scratch.iterdir())
        with self._lock:
            for _ in range(2):
                if self.problem:
                    break
                try:
                    return self._run(arguments, scratch, limits)
                except _ServerDiedError:
                    self._stop()
                    for half_written in set(scratch.iterdir()) - before:
                        half_written.unlink()
        return run_tool([self._binary, *arguments], scratch, limits)

    def close(self) -> None:
        """Stop the server; a later ``run`` starts another."""
        with self._lock:
            self._stop()

    def _run(self, arguments: Sequence[str], scratch: Path, limits: Limits) -> ToolRun:
        server = self._server = self._server or self._start()
        started = time.monotonic()
        server.send("run", scratch, limits, self._binary, arguments)
        kind, child = server.reply(_START_SECONDS)
        if kind != _STARTED:
            raise _ServerDiedError(f"it could not fork (errno {child})")
        answer = server.poll_reply(limits.timeout_s)
        timed_out = answer is None
        if timed_out:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError):
                    kill(child, signal.SIGKILL)
        _, status = answer or server.reply(_KILL_SECONDS)
        seconds = time.monotonic() - started
        return finished_run(scratch, os.waitstatus_to_exitcode(status), seconds, timed_out=timed_out)

    def _start(self) -> _Server:
        """Start and warm up; a warm-up that fails is left out from then on."""
        for warm_up in dict.fromkeys((self._warm_up, False)):
            server = _Server(self._binary)
            try:
                if server.reply(_START_SECONDS) != (_READY, _PROTOCOL):
                    raise _ServerDiedError("it speaks another protocol")
                if warm_up:
                    _warm(server, self._binary)
            except _ServerDiedError:
                server.stop()
                continue
            self._warm_up = warm_up
            return server
        self.problem = f"{self._binary} does not start with the shim preloaded"
        raise _ServerDiedError(self.problem)

    def _stop(self) -> None:
        if self._server:
            self._server.stop()
            self._server = None


def _not_native(binary: Path) -> str:
    with binary.open("rb") as stream:
        return "" if stream.read(4) == b"\x7fELF" else f"{binary} is no native executable"


class _UnavailableError(Exception):
    """No fork server can be built or used on this machine; the message is the reason."""


class _ServerDiedError(Exception):
    """The server ended, or does not answer."""


class _Server:
    """One running server process and the two pipes to it."""

    def __init__(self, binary: Path) -> None:
        their_requests, self._requests = os.pipe()
        self._replies, their_replies = os.pipe()
        variables = {
            "LD_PRELOAD": f"{build_shim()}:{os.environ.get('LD_PRELOAD', '')}".rstrip(":"),
            "FUZZCONV_FORKSERVER": f"{their_requests},{their_replies}",
        }
        try:
            self.process = subprocess.Popen(
                [binary],
                env={**os.environ, **variables},
                pass_fds=(their_requests, their_replies),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            os.close(self._requests)
            os.close(self._replies)
            raise
        finally:
            os.close(their_requests)
            os.close(their_replies)

    def send(
        self, mode: str, directory: Path, limits: Limits, binary: Path, arguments: Sequence[str]
    ) -> None:
        fields = [mode, directory, limits.memory_bytes, limits.file_bytes, binary, *arguments]
        content = b"".join(os.fsencode(str(field)) + b"\0" for field in fields)
        try:
            os.write(self._requests, _LENGTH.pack(len(content)) + content)
        except BrokenPipeError as error:
            raise _ServerDiedError("it has ended") from error

    def reply(self, seconds: float) -> tuple[int, int]:
        answer = self.poll_reply(seconds)
        if answer is None:
            raise _ServerDiedError(f"no answer within {seconds:.0f} s")
        return answer

    def poll_reply(self, seconds: float) -> tuple[int, int] | None:
        """The next reply (kind, value), or None when none comes in time."""
        poll = select.poll()
        poll.register(self._replies, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return None
        content = os.read(self._replies, _REPLY.size)  # written at once, so it comes whole
        if len(content) != _REPLY.size:
            raise _ServerDiedError("it has ended")
        kind, value = _REPLY.unpack(content)
        return kind, value

    def stop(self) -> None:
        """Kill it; its child, if it has one, goes with it."""
        self.process.kill()
        self.process.wait()
        os.close(self._requests)
        os.close(self._replies)


def _warm(server: _Server, binary: Path) -> None:
    """Let the server itself convert the smallest model.

    One Relu starts everything that a first conversion starts, and matches none of pnnx's rewriting passes
    that keep state of their own from one match to the next.
    """
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "warm_up",
        [value("x", TensorProto.FLOAT, [1, 2])],
        [value("y", TensorProto.FLOAT, [1, 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with tempfile.TemporaryDirectory(prefix="fuzzconv-warm-") as directory:
        onnx.save_model(model, str(Path(directory) / "model.onnx"))
        server.send("warm", Path(directory), Limits(), binary, ["model.onnx"])
        _, result = server.reply(_START_SECONDS)
    if result != 0:
        raise _ServerDiedError(f"the warm-up ended with {result}")


def _compile(source: bytes, shim: Path) -> None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CC", ""), "cc", "gcc", "clang"))), None)
    if not compiler:
        raise _UnavailableError("needs a C compiler (apt-get install -y gcc libc6-dev)")
    try:
        shim.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shim.parent) as directory:
            code, built = Path(directory) / "forkserver.c", Path(directory) / "forkserver.so"
            code.write_bytes(source)
            command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(built), str(code), "-ldl", "-pthread"]
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_START_SECONDS, check=False
            )
            if done.returncode:
                lines = done.stderr.strip().splitlines() or ["no message"]
                raise _UnavailableError(f"{compiler} can't compile the shim: {lines[0]}")
            built.rename(shim)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _UnavailableError(f"the shim can't be built: {error}") from error
