"""The worker process: answers run and trace requests until its input ends.

Started as ``python -m fuzzconv.runtime.worker --device cpu|vulkan``. It needs the standard library, numpy
and ncnn only, so that it also runs under another Python, another ncnn release or an emulator. What ncnn
prints goes to the inherited standard error, a file that the client empties before each request and can still
read when this process has died.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import signal
import traceback

import ncnn

from fuzzconv.runtime.frames import Channel, Message, inherited_channel
from fuzzconv.runtime.network import run
from fuzzconv.runtime.tracing import trace

# A client kills a stuck worker itself; this alarm is for workers whose client is gone.
_ORPHAN_MARGIN_S = 10.0


def main() -> None:
    """Parse the command line, announce readiness, serve until end of input."""
    parser = argparse.ArgumentParser(prog="python -m fuzzconv.runtime.worker")
    parser.add_argument("--device", choices=("cpu", "vulkan"), required=True)
    parser.add_argument("--memory-bytes", type=int, default=0, help="address space limit, 0 for none")
    parser.add_argument("--timeout-s", type=float, default=60.0, help="seconds a request may take")
    options = parser.parse_args()
    vulkan = options.device == "vulkan"

    channel = inherited_channel()
    gpus = ncnn.get_gpu_count() if vulkan else 0
    _limit(options.memory_bytes)
    ready = {"ncnn": ncnn.__version__, "gpus": gpus, "machine": platform.machine(), "pid": os.getpid()}
    channel.send(Message(ready))
    _serve(channel, vulkan, options.timeout_s + _ORPHAN_MARGIN_S)


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _serve(channel: Channel, vulkan: bool, alarm_s: float) -> None:
    while True:
        try:
            request = channel.receive()
        except EOFError:
            # ncnn's and the driver's exit handlers are not under test here, and some of them crash.
            os._exit(0)
        signal.setitimer(signal.ITIMER_REAL, alarm_s)
        answer = _answer(request, vulkan)
        signal.setitimer(signal.ITIMER_REAL, 0)
        try:
            channel.send(answer)
        except BrokenPipeError:
            os._exit(0)


def _answer(request: Message, vulkan: bool) -> Message:
    try:
        if request.fields["request"] == "trace":
            return trace(request)
        return run(request, vulkan=vulkan)
    except MemoryError:
        return Message({"status": "out_of_memory"})
    except Exception:
        # Not ncnn's doing but a fault of this module or its client: it is raised over there.
        return Message({"error": traceback.format_exc()})


if __name__ == "__main__":
    main()
