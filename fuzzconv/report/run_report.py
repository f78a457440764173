"""A run as reports see it: plain data, read from the run folder's store, ``run.json`` and findings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fuzzconv.findings.store import CurvePoint, MatrixCell, RunStore
from fuzzconv.report.finding_record import FindingRecord, load_findings
from fuzzconv.report.run_json import RUN_FILE

FINDINGS_FOLDER = "findings"
_STATUS = {"still": "still there"}


@dataclass(frozen=True)
class Replayed:
    """What became of one known bug in this run.

    Attributes:
        slug, title: whose.
        status: ``still there``, ``fixed``, ``changed`` or ``not run``.
        detail: one sentence, where there is something to say.
    """

    slug: str
    status: str
    title: str = ""
    detail: str = ""


@dataclass(frozen=True)
class RunReport:
    """Everything the reports of one run show.

    Attributes:
        name: the run folder's name.
        facts: content of ``run.json``.
        machine: ``cpu``, ``os``, ``python``.
        findings: most interesting first.
        matrix: counted cells of the support matrix.
        curve: progress over time.
        replayed: known bugs that were replayed.
        problems: what could not be read.
    """

    name: str
    facts: Mapping[str, Any]
    machine: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[FindingRecord, ...] = ()
    matrix: tuple[MatrixCell, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    replayed: tuple[Replayed, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def routes(self) -> tuple[str, ...]:
        """Every route that was judged, in order."""
        counted = set(self.facts.get("verdicts", {})) | {cell.route for cell in self.matrix}
        return tuple(sorted(counted))

    @property
    def new(self) -> tuple[FindingRecord, ...]:
        """Findings that are no known bug."""
        return tuple(record for record in self.findings if not record.known)


def load_run_report(run: Path) -> RunReport:
    """Read a run folder.

    Raises:
        UsageError: ``run`` is no run folder.
    """
    store = RunStore(run)
    try:
        facts, matrix, curve = store.facts(), tuple(store.matrix()), tuple(store.curve())
        facts |= {"verdicts": store.verdicts()}
    finally:
        store.close()
    facts |= _run_json(run / RUN_FILE)
    findings, problems = load_findings(run / FINDINGS_FOLDER)
    machine = facts.get("machine") or (findings[0].facts.get("machine") if findings else None)
    return RunReport(
        run.resolve().name,
        facts,
        machine if isinstance(machine, dict) else {},
        findings,
        matrix,
        curve,
        _replayed(facts.get("replayed")),
        problems,
    )


def _run_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _replayed(entries: object) -> tuple[Replayed, ...]:
    if not isinstance(entries, list):
        return ()
    keys = ("slug", "status", "title", "detail")
    found = (Replayed(*(str(entry.get(key, "")) for key in keys)) for entry in entries)
    return tuple(replace(known, status=_STATUS.get(known.status, known.status)) for known in found)
