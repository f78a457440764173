"""``fuzzconv report RUN``: rebuild the reports of a run from its store and its findings' folders."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzzconv.errors import UsageError
from fuzzconv.findings.store import RunStore
from fuzzconv.report.reload import rewrite_texts
from fuzzconv.report.run_json import write_run_json
from fuzzconv.report.run_report import load_run_report
from fuzzconv.report.write import Destinations, write_reports


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("run", type=Path, help="folder of a run")
    add_report_arguments(parser)


def add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Where reports go, for every command that writes them."""
    where = parser.add_argument_group("reports", "written into the run folder unless a place is named")
    where.add_argument("--html", type=Path, metavar="FILE", help="the page for people")
    where.add_argument("--junit", type=Path, metavar="FILE", help="JUnit XML")
    where.add_argument("--sarif", type=Path, metavar="FILE", help="SARIF 2.1.0")
    where.add_argument("--markdown", type=Path, metavar="FILE", help="one screen of Markdown")
    where.add_argument("--matrix", type=Path, metavar="FILE", help="the support matrix as CSV")


def destinations(args: argparse.Namespace, folder: Path) -> Destinations:
    """What ``add_report_arguments`` was told, the rest inside ``folder``."""
    return Destinations.below(
        folder, html=args.html, junit=args.junit, sarif=args.sarif, markdown=args.markdown, matrix=args.matrix
    )


def run(args: argparse.Namespace) -> int:
    """Rebuild everything; 0. A finding's folder that can't be read is named on stderr and left as it is."""
    store = RunStore(args.run)
    write_run_json(args.run, store)
    store.close()
    report = load_run_report(args.run)
    for record in report.findings:
        try:
            rewrite_texts(record.folder)
        except UsageError as error:
            print(f"fuzzconv: {error}", file=sys.stderr)
    for problem in report.problems:
        print(f"fuzzconv: {problem}", file=sys.stderr)
    for path in write_reports(report, destinations(args, args.run)):
        print(path)
    return 0
