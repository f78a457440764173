"""Judges how the tools' processes behaved: converter runs and ncnn loads and runs.

A function for each stage; each returns a ``Verdict`` or None when the stage went well and the next
judge has to look. A tool that *said* it can't do an operator of this graph earns ``unsupported``; a tool that
fails without a word earns a silent fault.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping

from fuzzconv.case import Array
from fuzzconv.converters.conversion import Conversion, Outcome
from fuzzconv.converters.messages import last_words
from fuzzconv.converters.onnx2ncnn import batch_reason
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunResult, RunStatus, WeightTrace
from fuzzconv.verdict import Kind, Verdict

_UNKNOWN_LAYER = re.compile(r"layer (\S+) not exists or registered")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def judge_conversion(route: Route, conversion: Conversion) -> Verdict | None:
    """Judge the converter's own run: crash, hang, refusal, missing files, or nothing to say."""
    run = conversion.run
    warned = warning_of(conversion)
    evidence: dict[str, object] = {"exit_status": run.exit_status, "stderr": tail(run.stderr)}
    if run.outcome is Outcome.CRASHED:
        name = signal_name(-run.exit_status)
        detail = f"{conversion.converter} died of {name}: {last_message(run.stderr, run.stdout)}"
        evidence |= {"signal": name, "message": last_message(run.stderr, run.stdout)}
        return Verdict(route, Kind.CRASH, detail, warned, "convert", evidence)
    if run.outcome is Outcome.HUNG:
        detail = f"{conversion.converter} did not end within {run.seconds:.0f} s"
        return Verdict(route, Kind.HANG, detail, warned, "convert", evidence)
    if run.outcome is Outcome.OUT_OF_MEMORY:
        detail = f"{conversion.converter} hit the memory limit"
        return Verdict(route, Kind.CRASH, detail, warned, "convert", evidence | {"message": "out of memory"})
    if run.outcome is Outcome.REFUSED:
        if conversion.unsupported:
            return _unsupported(route, conversion, "convert")
        message = last_message(run.stderr, run.stdout)
        detail = f"{conversion.converter} ended with exit status {run.exit_status}: {message}"
        return Verdict(route, Kind.REFUSED, detail, message, "convert", evidence | {"message": message})
    if conversion.unfeedable:
        return Verdict(route, Kind.SKIPPED, conversion.unfeedable, stage="convert")
    if not conversion.param or conversion.weights is None or not conversion.feedings:
        if conversion.unsupported:
            return _unsupported(route, conversion, "convert")
        detail = f"{conversion.converter} ended with exit status 0 but wrote no usable ncnn files"
        return Verdict(route, Kind.REFUSED, detail, warned, "convert", evidence | {"message": "no files"})
    return None


def judge_batch(route: Route, conversion: Conversion, outputs: Mapping[str, Array]) -> Verdict | None:
    """Skip what has no batch of 1 after all, where the graph leaves the shapes of its outputs open."""
    if conversion.batchless:
        for name, array in outputs.items():
            if array.ndim and array.shape[0] != 1:
                reason = batch_reason(f"output {name!r}", array.shape[0])
                return Verdict(route, Kind.SKIPPED, reason, stage="convert")
    return None


def judge_trace(route: Route, conversion: Conversion, trace: WeightTrace) -> Verdict | None:
    """Judge how ncnn fared while it was asked what it reads (a crash there is a crash of ``load_model``)."""
    if trace.status is RunStatus.DONE:
        return None
    return _judge_native(route, conversion, trace.status, trace.signal, trace.stderr, "load")


def judge_run(route: Route, conversion: Conversion, result: RunResult) -> Verdict | None:
    """Judge ncnn's load and run: crash, hang, load failure, refused input, failed extraction."""
    if result.status is RunStatus.DONE:
        return None
    if result.status is RunStatus.UNFEEDABLE:
        detail = "this ncnn's Mat has no batch axis: only a batch of 1 can be fed"
        return Verdict(route, Kind.SKIPPED, detail, stage="run")
    if result.status in (RunStatus.INPUT_REFUSED, RunStatus.EXTRACT_FAILED):
        if conversion.unsupported:
            return _unsupported(route, conversion, "run")
        verb = "input" if result.status is RunStatus.INPUT_REFUSED else "extract"
        detail = f"ncnn's {verb} of blob {result.failed_at!r} returned {result.return_code}"
        evidence: dict[str, object] = {"return_code": result.return_code, "stderr": tail(result.stderr)}
        evidence |= {"blob": result.failed_at, "message": f"{verb} failed"}
        return Verdict(route, Kind.LOAD_FAILURE, detail, warning_of(conversion), "run", evidence)
    stage = "load" if result.status is RunStatus.LOAD_FAILED else "run"
    return _judge_native(route, conversion, result.status, result.signal, result.stderr, stage)


def _judge_native(
    route: Route, conversion: Conversion, status: RunStatus, signal_number: int, stderr: str, stage: str
) -> Verdict:
    if conversion.unsupported:
        return _unsupported(route, conversion, stage)
    warned = warning_of(conversion)
    evidence: dict[str, object] = {"stderr": tail(stderr), "message": last_message(stderr)}
    if status is RunStatus.LOAD_FAILED:
        unknown = _UNKNOWN_LAYER.search(stderr)
        if unknown:
            evidence["unknown_layer"] = unknown[1]
            detail = f"ncnn can't load the result: layer type {unknown[1]!r} does not exist"
        else:
            detail = f"ncnn can't load the result: {last_message(stderr)}"
        return Verdict(route, Kind.LOAD_FAILURE, detail, warned, "load", evidence)
    if status is RunStatus.HUNG:
        return Verdict(route, Kind.HANG, f"ncnn did not end in time during {stage}", warned, stage, evidence)
    cause = "the memory limit" if status is RunStatus.OUT_OF_MEMORY else signal_name(signal_number)
    evidence["signal"] = cause
    return Verdict(route, Kind.CRASH, f"ncnn died of {cause} during {stage}", warned, stage, evidence)


def _unsupported(route: Route, conversion: Conversion, stage: str) -> Verdict:
    said = ", ".join(conversion.unsupported)
    detail = f"{conversion.converter} says it does not support {said}"
    return Verdict(
        route, Kind.UNSUPPORTED, detail, detail, stage, {"operators": list(conversion.unsupported)}
    )


def warning_of(conversion: Conversion) -> str:
    """What the converter printed that tells its user something may be wrong, in one line."""
    return "; ".join((*conversion.unsupported, *conversion.warnings))[:500]


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11; the number itself when the platform has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_message(*streams: str) -> str:
    """The tool's last words; says so when there are none."""
    return last_words(*streams) or "(it printed nothing)"


def tail(text: str, characters: int = 2000) -> str:
    """The end of a tool's output, without terminal colours."""
    return _ESCAPES.sub("", text)[-characters:]
