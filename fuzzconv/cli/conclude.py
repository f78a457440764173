"""What ``fuzz`` prints before and after a campaign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from fuzzconv.campaign.campaign import CampaignResult
from fuzzconv.campaign.display import summary_table, verdict_table
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.route import select_routes
from fuzzconv.toolchain.executable import python_command
from fuzzconv.toolchain.optional import variants_left_out

MOST_UNREDUCED = 5


@contextmanager
def section(console: Console, title: str, *, grouped: bool) -> Iterator[None]:
    """A part of a log that a CI system can fold: GitHub's markers on GitHub, a heading elsewhere."""
    on_github = grouped and os.environ.get("GITHUB_ACTIONS") == "true"
    if grouped:
        say(console, f"::group::{title}" if on_github else f"== {title}")
    yield
    if on_github:
        say(console, "::endgroup::")


def announce(console: Console, settings: CampaignSettings) -> None:
    """Tools, routes, what is skipped and why, the run folder and the seed."""
    versions = ", ".join(f"{name} {version}" for name, version in settings.toolchain.versions().items())
    say(console, f"tools: {versions}")
    say(console, f"routes: {', '.join(map(str, settings.routes))}")
    _tell_skipped(console, settings)
    say(console, f"run folder: {settings.folder}  seed: {settings.seed}  jobs: {settings.jobs}")


def conclude(console: Console, settings: CampaignSettings, result: CampaignResult, report: Path) -> None:
    """Verdicts per route, findings, totals, where everything is and how to run the same again."""
    tally = result.tally
    console.print(verdict_table(tally.verdict_table()))
    _tell_skipped(console, settings)
    for reason, count in sorted(tally.left_out.items()):
        say(console, f"not run on Vulkan: {count} cases ({reason})")
    if result.findings:
        console.print()
        console.print(summary_table(result.findings))
    for title in result.unreduced[:MOST_UNREDUCED]:
        say(console, f"not reduced in time: {title[:160]}")
    if len(result.unreduced) > MOST_UNREDUCED:
        rest = len(result.unreduced) - MOST_UNREDUCED
        say(console, f"not reduced in time: {rest} more, all kept in {settings.candidates} (see --resume)")
    rate = tally.cases_per_second(settings.jobs)
    new = sum(not finding["known"] for finding in result.findings)
    say(
        console,
        f"{tally.cases} cases in {result.elapsed:.0f} s ({rate:.1f}/s while searching), "
        f"{tally.compared} compared through PNNX, {len(tally.operators)} operators, "
        f"{len(result.findings)} findings ({new} new)",
    )
    say(console, f"report: {report}")
    say(console, f"rerun: {rerun_command(settings)}")


def rerun_command(settings: CampaignSettings) -> str:
    """The command that searches the same cases again."""
    parts = [f"{python_command()} -m fuzzconv --budget {settings.seconds:g}s --seed {settings.seed}"]
    parts.append(f"--jobs {settings.jobs}")
    every = {str(route) for route in (*settings.routes, *settings.skipped)}
    if every != {str(route) for route in select_routes("*")}:
        parts.append(f"--routes '{','.join(sorted(every))}'")
    return " ".join(parts)


def say(console: Console, line: str) -> None:
    """Print one line as it is: nothing in it is markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _tell_skipped(console: Console, settings: CampaignSettings) -> None:
    for route, reason in settings.skipped.items():
        say(console, f"skipped: {route}: {reason}")
    for variant, reason in variants_left_out().items():
        say(console, f"skipped: metamorphic variant {variant!r}: {reason}")
