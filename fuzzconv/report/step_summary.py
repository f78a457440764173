"""A run on one screen of Markdown: what a CI job appends to ``$GITHUB_STEP_SUMMARY``."""

from __future__ import annotations

from pathlib import Path

from fuzzconv.report.curve_svg import duration
from fuzzconv.report.finding_record import FindingRecord
from fuzzconv.report.gate import Standing, failing, standing_of
from fuzzconv.report.issue import code, one_line, table
from fuzzconv.report.run_report import RunReport


def append_step_summary(report: RunReport, path: Path) -> None:
    """Append the summary to the file that the CI system named.

    Raises:
        OSError: it can't be written.
    """
    with path.open("a", encoding="utf-8") as stream:
        stream.write(step_summary(report))


def step_summary(report: RunReport) -> str:
    """Verdict first, then new findings, known ones, replayed bugs and routes."""
    facts = report.facts
    new = failing(report.findings)
    verdict = f"{len(new)} new finding{'s' if len(new) != 1 else ''}" if new else "Nothing new"
    numbers = (
        f"{facts.get('cases', 0)} cases in {duration(float(facts.get('elapsed_s') or 0))}, "
        f"{facts.get('compared', 0)} compared on a pnnx route, seed {facts.get('seed', '?')}"
    )
    tools = ", ".join(
        f"{one_line(str(name))} {one_line(str(v))}" for name, v in facts.get("tools", {}).items()
    )
    parts = [f"## fuzzconv: {verdict}", numbers, tools]
    for standing, title in _TITLES.items():
        records = [record for record in report.findings if standing_of(record) is standing]
        if records:
            parts.append(f"### {title}\n\n" + _findings(records))
    parts += [_replayed(report), _routes(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


_TITLES = {
    Standing.FAILS: "New, reproduced in a fresh process",
    Standing.UNREPRODUCED: "Not reproduced (do not fail the build)",
    Standing.KNOWN: "Known bugs met",
}


def _findings(records: list[FindingRecord]) -> str:
    rows = [
        (
            one_line(record.text("title")),
            record.kind.value.replace("_", " ") + (", silent" if record.facts.get("silent") else ""),
            code(record.text("route")),
            "/".join(map(str, record.facts.get("reproduced") or ())),
            code(record.known or f"findings/{record.slug}"),
        )
        for record in records
    ]
    return table(("finding", "kind", "route", "reproduced", "where"), rows)


def _replayed(report: RunReport) -> str:
    if not report.replayed:
        return ""
    rows = [(code(k.slug), one_line(k.status), one_line(k.detail or k.title)) for k in report.replayed]
    return "### Known bugs, replayed\n\n" + table(("bug", "status", ""), rows)


def _routes(report: RunReport) -> str:
    rows = [
        (
            code(route),
            ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in sorted(counts.items())),
        )
        for route, counts in sorted(report.facts.get("verdicts", {}).items())
    ]
    rows += [
        (code(route), f"skipped: {one_line(str(reason))}")
        for route, reason in sorted(report.facts.get("skipped", {}).items())
    ]
    return "### Routes\n\n" + table(("route", "verdicts"), rows) if rows else ""
