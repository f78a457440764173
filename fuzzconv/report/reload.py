"""A ``Finding`` read back from its folder, so that ``ISSUE.md`` and ``reproduce.py`` can be written anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fuzzconv.case import Array, Case, read_arrays
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.errors import UsageError
from fuzzconv.findings.finding import Blame, Finding, Signature
from fuzzconv.report.finding_record import FindingRecord, read_blob
from fuzzconv.report.issue import issue_text
from fuzzconv.report.reproducer import ISSUE_FILE, KEPT_FILES, SCRIPT_FILE, file_name
from fuzzconv.report.script import reproduce_script
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunStatus, WeightTrace
from fuzzconv.verdict import Kind, Verdict


def load_finding(folder: Path) -> Finding:
    """Read a folder that ``write_reproducer`` wrote; the original (unreduced) case is left out.

    Raises:
        UsageError: the folder is incomplete or damaged.
    """
    record = FindingRecord.load(folder)
    if record.model is None:
        raise UsageError(f"{folder} holds no readable model")
    facts = record.facts
    try:
        return Finding(
            signature=_signature(facts["signature_parts"]),
            title=facts["title"],
            case=Case(
                record.model,
                record.inputs,
                facts["external_data"],
                facts["declare_inputshape"],
                external_file=facts.get("external_file", ""),
            ),
            verdict=_verdict(facts["verdict"]),
            verdicts=tuple(_verdict(entry) for entry in facts["verdicts"]),
            expected=record.expected,
            bounds=record.bounds,
            actual=_actual(folder, facts),
            conversions={
                name: _conversion(folder, name, entry) for name, entry in facts["conversions"].items()
            },
            traces={name: _trace(entry) for name, entry in facts["weight_reads"].items()},
            blame=_blame(facts["blame"]),
            reduce_seconds=facts["reduce_s"],
            known=facts["known"],
            reproduced=tuple(facts["reproduced"]),
            tools=facts["tools"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{folder}/finding.json is incomplete: {error!r}") from error


def rewrite_texts(folder: Path) -> None:
    """Write ``ISSUE.md`` and ``reproduce.py`` of a folder anew, from its other files.

    Raises:
        UsageError: the folder is incomplete or damaged.
        OSError: it can't be written.
    """
    finding = load_finding(folder)
    (folder / ISSUE_FILE).write_text(issue_text(finding), encoding="utf-8")
    (folder / SCRIPT_FILE).write_text(reproduce_script(finding), encoding="utf-8")


def _signature(parts: Mapping[str, Any]) -> Signature:
    return Signature(**{**parts, "operators": tuple(parts["operators"])})


def _verdict(entry: Mapping[str, Any]) -> Verdict:
    route, kind = Route.parse(entry["route"]), Kind(entry["kind"])
    return Verdict(route, kind, entry["detail"], entry["warned"], entry["stage"], entry["evidence"])


def _blame(entry: Mapping[str, Any]) -> Blame:
    return Blame(entry["stage"], tuple(entry["evidence"]), entry["layer"])


def _actual(folder: Path, facts: Mapping[str, Any]) -> dict[str, dict[str, Array | None]]:
    actual: dict[str, dict[str, Array | None]] = {}
    for route, empty in facts["empty_outputs"].items():
        path = folder / "actual" / f"{file_name(route)}.npz"
        actual[route] = {**(read_arrays(path) if path.is_file() else {}), **dict.fromkeys(empty)}
    return actual


def _conversion(folder: Path, name: str, entry: Mapping[str, Any]) -> Conversion:
    converter, _, setting = name.partition(":")
    files = folder / entry["folder"]
    run = ToolRun(
        Outcome(entry["outcome"]),
        entry["exit_status"],
        _text(files / "stdout.txt"),
        _text(files / "stderr.txt"),
        0.0,
    )
    param, weights = files / "m.ncnn.param", files / "m.ncnn.bin"
    return Conversion(
        converter,
        setting,
        run,
        _text(param) if param.is_file() else None,
        weights.read_bytes() if weights.is_file() else None,
        feedings=tuple(_feeding(feeding) for feeding in entry.get("feedings", ())),
        unsupported=tuple(entry["unsupported"]),
        warnings=tuple(entry["warnings"]),
        files={
            name: (files / kept).read_bytes() for name, kept in KEPT_FILES.items() if (files / kept).is_file()
        },
    )


def _feeding(entry: Mapping[str, Any]) -> Feeding:
    inputs, outputs = (tuple(Binding(**binding) for binding in entry[side]) for side in ("inputs", "outputs"))
    return Feeding(inputs, outputs)


def _trace(entry: Mapping[str, Any]) -> WeightTrace:
    return WeightTrace(RunStatus.DONE, tuple(read_blob(blob) for blob in entry["blobs"]), entry["consumed"])


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
