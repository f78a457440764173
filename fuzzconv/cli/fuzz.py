"""``fuzz``: run a campaign for a given time (the default command)."""

from __future__ import annotations

import argparse
import hashlib
import os
import secrets
import sys
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

from rich.console import Console

from fuzzconv.campaign.budget import parse_duration
from fuzzconv.campaign.campaign import run_campaign
from fuzzconv.campaign.display import open_display
from fuzzconv.campaign.resume import settings_of
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.cli.conclude import announce, conclude, section
from fuzzconv.cli.report import add_report_arguments, destinations
from fuzzconv.cli.tools import (
    add_routes_argument,
    add_tool_arguments,
    base_toolchain,
    runnable_routes,
    toolchain_from,
)
from fuzzconv.errors import MissingToolError, UsageError
from fuzzconv.findings.known import default_corpus
from fuzzconv.findings.store import RunStore
from fuzzconv.report.coverage import note_thin
from fuzzconv.report.run_json import write_run_json
from fuzzconv.report.run_report import load_run_report
from fuzzconv.report.step_summary import append_step_summary
from fuzzconv.report.write import write_reports
from fuzzconv.route import Route, select_routes
from fuzzconv.toolchain.toolchain import Toolchain

PIPED_WIDTH = 180
DEFAULT_BUDGET = "10m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the campaign's options."""
    parser.add_argument("--budget", metavar="TIME", help=f"90s, 10m, 1h30m (default: {DEFAULT_BUDGET})")
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one per core)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed searches the same cases")
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    add_routes_argument(parser)
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="known bugs (default: corpus)")
    parser.add_argument("--quiet", action="store_true", help="show nothing until the summary")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument("--log", type=Path, metavar="FILE", help="one JSON line per round and finding")
    gate = parser.add_argument_group("as a gate in CI")
    gate.add_argument(
        "--ci",
        nargs="?",
        const="",
        metavar="VALUE",
        help="plain, grouped lines; seed derived from VALUE (default: the date)",
    )
    gate.add_argument(
        "--replay-database", action="store_true", help="first replay the Hypothesis examples kept in --out"
    )
    gate.add_argument("--require", metavar="GLOBS", help="exit 3 when one of these routes can't run")
    gate.add_argument(
        "--against",
        type=Path,
        metavar="PATH",
        help="base version (binary, or folder with ncnn): report only what it gets right",
    )
    add_report_arguments(parser)
    add_tool_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run a campaign; returns 0 (nothing new), 1 (new findings) or 130 (interrupted)."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    grouped = args.ci is not None
    toolchain = toolchain_from(args)
    settings = settings_of(args.resume, toolchain) if args.resume else _settings(args, toolchain)
    if args.resume and args.budget:
        settings = replace(settings, seconds=parse_duration(args.budget))
    with section(console, "Set-up", grouped=grouped):
        announce(console, settings)
    with section(console, "Campaign", grouped=grouped):
        result = run_campaign(
            settings,
            lambda budget: open_display(console, budget, settings.jobs, quiet=args.quiet, plain=grouped),
            resume=args.resume is not None,
            log=args.log,
        )
    _tell_thin_coverage(settings.folder)
    report = load_run_report(settings.folder)
    page, *_ = write_reports(report, destinations(args, settings.folder))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        append_step_summary(report, Path(summary))
    with section(console, "Result", grouped=grouped):
        conclude(console, settings, result, page)
    return result.exit_code


def _tell_thin_coverage(folder: Path) -> None:
    """Note in the run's store and ``run.json`` which operators and weight forms were hardly compared."""
    store = RunStore(folder)
    note_thin(store)
    write_run_json(folder, store)
    store.close()


def _settings(args: argparse.Namespace, toolchain: Toolchain) -> CampaignSettings:
    seconds = parse_duration(args.budget or DEFAULT_BUDGET)
    jobs = args.jobs if args.jobs is not None else len(os.sched_getaffinity(0))
    if jobs < 1:
        raise UsageError("--jobs must be at least 1")
    routes, skipped = _routes(toolchain, args)
    seed = _seed(args)
    corpus = args.corpus or default_corpus()
    return CampaignSettings(
        seconds=seconds,
        jobs=jobs,
        seed=seed,
        routes=routes,
        skipped={str(route): reason for route, reason in skipped.items()},
        folder=_new_folder(args.out, seed),
        toolchain=toolchain,
        replay_database=args.replay_database or (args.seed is None and args.ci is None),
        corpus=corpus.absolute(),
        against=base_toolchain(toolchain, args.against) if args.against else None,
    )


def _seed(args: argparse.Namespace) -> int:
    if args.seed is not None:
        return int(args.seed)
    if args.ci is None:
        return secrets.randbits(32)
    value = args.ci or date.today().isoformat()
    return int.from_bytes(hashlib.sha256(value.encode()).digest()[:4], "big")


def _routes(toolchain: Toolchain, args: argparse.Namespace) -> tuple[tuple[Route, ...], dict[Route, str]]:
    routes, skipped = runnable_routes(toolchain, args.routes)
    if args.require:
        required = set(select_routes(args.require))
        lost = [route for route in required if route not in routes]
        if lost:
            told = "; ".join(f"{r}: {skipped.get(r, 'not among --routes')}" for r in sorted(lost))
            raise MissingToolError(f"a required route can't run: {told}")
    return routes, skipped


def _new_folder(out: Path, seed: int) -> Path:
    """Make the run folder, named by time and seed.

    Raises:
        UsageError: it can't be made.
    """
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{seed:x}"
    folder = out.absolute() / name
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"can't make the run folder {folder}: {error.strerror}") from error
    return folder
