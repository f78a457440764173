"""``fuzz``: run a campaign for a given time (the default command)."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from rich.console import Console

from fuzzconv.campaign.budget import parse_duration
from fuzzconv.campaign.campaign import CampaignResult, run_campaign
from fuzzconv.campaign.display import open_display, summary_table, verdict_table
from fuzzconv.campaign.resume import settings_of
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.cli.tools import add_tool_arguments, toolchain_from
from fuzzconv.errors import MissingToolError, UsageError
from fuzzconv.route import Route, select_routes
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.toolchain.toolchain import Toolchain

PIPED_WIDTH = 180
DEFAULT_BUDGET = "10m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the campaign's options."""
    parser.add_argument("--budget", metavar="TIME", help=f"90s, 10m, 1h30m (default: {DEFAULT_BUDGET})")
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (default: one per core)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed searches the same cases")
    parser.add_argument("--out", type=Path, default=Path("reports"), metavar="DIR", help="default: reports")
    parser.add_argument(
        "--routes", metavar="GLOBS", help="comma-separated: pnnx*, */vulkan, cpu (default: all)"
    )
    parser.add_argument("--corpus", type=Path, default=Path("corpus"), metavar="DIR", help="known bugs")
    parser.add_argument("--quiet", action="store_true", help="show nothing until the summary")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument("--log", type=Path, metavar="FILE", help="one JSON line per round and finding")
    add_tool_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run a campaign; returns 0 (nothing new), 1 (new findings) or 130 (interrupted)."""
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    toolchain = toolchain_from(args)
    settings = settings_of(args.resume, toolchain) if args.resume else _settings(args, toolchain)
    if args.resume and args.budget:
        settings = replace(settings, seconds=parse_duration(args.budget))
    _announce(console, settings)
    result = run_campaign(
        settings,
        lambda budget: open_display(console, budget, settings.jobs, quiet=args.quiet, plain=False),
        resume=args.resume is not None,
        log=args.log,
    )
    _conclude(console, settings, result)
    return result.exit_code


def _settings(args: argparse.Namespace, toolchain: Toolchain) -> CampaignSettings:
    seconds = parse_duration(args.budget or DEFAULT_BUDGET)
    jobs = args.jobs if args.jobs is not None else len(os.sched_getaffinity(0))
    if jobs < 1:
        raise UsageError("--jobs must be at least 1")
    routes, skipped = _routes(toolchain, select_routes(args.routes or "*"))
    seed = args.seed if args.seed is not None else secrets.randbits(32)
    return CampaignSettings(
        seconds=seconds,
        jobs=jobs,
        seed=seed,
        routes=routes,
        skipped={str(route): reason for route, reason in skipped.items()},
        folder=_new_folder(args.out, seed),
        toolchain=toolchain,
        replay_database=args.seed is None,
        corpus=args.corpus.absolute(),
    )


def _routes(toolchain: Toolchain, wanted: tuple[Route, ...]) -> tuple[tuple[Route, ...], dict[Route, str]]:
    if toolchain.required_missing:
        raise MissingToolError(toolchain.required_missing)
    routes, skipped = available_routes(toolchain, wanted)
    if not routes:
        reasons = "; ".join(f"{route}: {reason}" for route, reason in skipped.items())
        raise MissingToolError(f"no route can run ({reasons})")
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


def _announce(console: Console, settings: CampaignSettings) -> None:
    versions = ", ".join(f"{name} {version}" for name, version in settings.toolchain.versions().items())
    _say(console, f"tools: {versions}")
    _say(console, f"routes: {', '.join(map(str, settings.routes))}")
    for route, reason in settings.skipped.items():
        _say(console, f"skipped: {route}: {reason}")
    _say(console, f"run folder: {settings.folder}  seed: {settings.seed}  jobs: {settings.jobs}")


def _conclude(console: Console, settings: CampaignSettings, result: CampaignResult) -> None:
    tally = result.tally
    console.print()
    console.print(verdict_table(tally.verdict_table()))
    for route, reason in settings.skipped.items():
        _say(console, f"skipped: {route}: {reason}")
    for reason, count in sorted(tally.left_out.items()):
        _say(console, f"not run on Vulkan: {count} cases ({reason})")
    console.print()
    if result.findings:
        console.print(summary_table(result.findings))
    for title in result.unreduced:
        _say(console, f"not reduced in time: {title}")
    rate = tally.cases_per_second(settings.jobs)
    _say(
        console,
        f"{tally.cases} cases in {result.elapsed:.0f} s ({rate:.1f}/s while searching), "
        f"{tally.compared} compared through PNNX, {len(tally.operators)} operators, "
        f"{len(result.findings)} findings",
    )
    _say(console, f"run folder: {settings.folder}")
    _say(console, f"rerun: {_rerun_command(settings)}")


def _rerun_command(settings: CampaignSettings) -> str:
    python = Path(sys.executable).name
    parts = [f"{python} -m fuzzconv --budget {settings.seconds:g}s --seed {settings.seed}"]
    parts.append(f"--jobs {settings.jobs}")
    every = {str(route) for route in (*settings.routes, *settings.skipped)}
    if every != {str(route) for route in select_routes("*")}:
        parts.append(f"--routes '{','.join(sorted(every))}'")
    return " ".join(parts)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
