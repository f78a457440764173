"""``merge``: put the findings and counters of several runs together in a new run folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from fuzzconv.errors import UsageError
from fuzzconv.findings.merge import merge_runs
from fuzzconv.findings.store import RunStore
from fuzzconv.report.coverage import note_thin
from fuzzconv.report.run_json import write_run_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="run folders")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the new run folder")


def run(args: argparse.Namespace) -> int:
    """Merge the runs; returns 0."""
    if len(args.runs) < 2:
        raise UsageError("name at least two run folders to merge")
    merge_runs(args.runs, args.out)
    store = RunStore(args.out)
    note_thin(store)
    write_run_json(args.out, store)
    print(f"{len(store.case_keys())} cases, {len(store.findings())} findings in {args.out}")
    store.close()
    return 0
