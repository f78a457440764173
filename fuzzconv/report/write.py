"""All reports of a run, written in one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fuzzconv.report.html import html_text
from fuzzconv.report.junit import junit_text
from fuzzconv.report.matrix import build_matrix, matrix_csv
from fuzzconv.report.run_report import RunReport
from fuzzconv.report.sarif import sarif_text
from fuzzconv.report.step_summary import step_summary


@dataclass(frozen=True)
class Destinations:
    """One file per report."""

    html: Path
    junit: Path
    sarif: Path
    markdown: Path
    matrix: Path

    @classmethod
    def below(
        cls,
        folder: Path,
        *,
        html: Path | None = None,
        junit: Path | None = None,
        sarif: Path | None = None,
        markdown: Path | None = None,
        matrix: Path | None = None,
    ) -> Destinations:
        """Files in ``folder``, save those that are named."""
        return cls(
            html or folder / "report.html",
            junit or folder / "junit.xml",
            sarif or folder / "findings.sarif",
            markdown or folder / "summary.md",
            matrix or folder / "matrix.csv",
        )


def write_reports(report: RunReport, destinations: Destinations) -> tuple[Path, ...]:
    """Write every report; returns the paths, the page for people first.

    Raises:
        OSError: a file can't be written.
    """
    writers: dict[Path, Callable[[RunReport], str]] = {
        destinations.html: html_text,
        destinations.junit: junit_text,
        destinations.sarif: sarif_text,
        destinations.markdown: step_summary,
        destinations.matrix: lambda told: matrix_csv(build_matrix(told.matrix)),
    }
    for path, text in writers.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(report), encoding="utf-8")
    return tuple(writers)
