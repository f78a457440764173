"""What a campaign shows while it runs: a live view on a terminal, plain periodic lines anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.messages import CandidateFound
from fuzzconv.campaign.tally import Tally
from fuzzconv.route import is_baseline
from fuzzconv.verdict import Kind

LINE_SECONDS = 10.0
_REFRESH_SECONDS = 0.5


class Display(Protocol):
    """Anything a coordinator can show its progress on."""

    def update(
        self, tally: Tally, findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound]
    ) -> None:
        """Show the totals of this moment (called a few times a second)."""

    def say(self, message: str) -> None:
        """Show one event."""

    def close(self) -> None:
        """Leave the terminal in order."""


class QuietDisplay:
    """Shows nothing."""

    def update(
        self, tally: Tally, findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound]
    ) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainDisplay:
    """One line for each event, and one with the totals every ten seconds."""

    def __init__(self, console: Console, budget: Budget, jobs: int) -> None:
        self._console = console
        self._budget = budget
        self._jobs = jobs
        self._next = 0.0

    def update(
        self, tally: Tally, findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound]
    ) -> None:
        """Print the totals when it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._print(progress_line(tally, self._budget, self._jobs, len(findings), len(pending)))

    def say(self, message: str) -> None:
        """Print one event."""
        self._print(f"[{clock(self._budget.elapsed)}] {message}")

    def close(self) -> None:
        """Nothing to put in order."""

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A view that redraws in place: totals, verdicts per route, findings."""

    def __init__(self, console: Console, budget: Budget, jobs: int) -> None:
        self._budget = budget
        self._jobs = jobs
        self._drawn = 0.0
        self._messages: list[str] = []
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._live.start()

    def update(
        self, tally: Tally, findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound]
    ) -> None:
        """Redraw, at most twice a second."""
        if time.monotonic() - self._drawn < _REFRESH_SECONDS:
            return
        self._drawn = time.monotonic()
        head = Text(progress_line(tally, self._budget, self._jobs, len(findings), len(pending)), "bold")
        events = [Text(message, "dim", no_wrap=True, overflow="ellipsis") for message in self._messages[-3:]]
        parts: list[RenderableType] = [
            head,
            verdict_table(tally.verdict_table()),
            *_finding_lines(findings, pending),
            *events,
        ]
        self._live.update(Group(*parts), refresh=True)

    def say(self, message: str) -> None:
        """Keep the message for the next redraw."""
        self._messages.append(message)

    def close(self) -> None:
        """Clear the view."""
        self._live.stop()


def progress_line(tally: Tally, budget: Budget, jobs: int, findings: int, pending: int) -> str:
    """The totals in one line."""
    return (
        f"{clock(budget.elapsed)}/{clock(budget.seconds)}  {tally.cases} cases"
        f"  {tally.cases_per_second(jobs):.1f}/s  {len(tally.operators)} operators"
        f"  {sum(tally.known.values())} known  {findings} findings  {pending} to reduce"
    )


def verdict_table(verdicts: Mapping[str, Mapping[str, int]]) -> Table:
    """Routes down, verdict kinds across; option rows and variants, of which there are many, in one line."""
    main: dict[str, Mapping[str, int]] = {}
    others: Counter[str] = Counter()
    for route, counts in verdicts.items():
        if is_baseline(route):
            main[route] = counts
        else:
            others.update(counts)
    if others:
        main[f"{len(verdicts) - len(main)} option rows and variants"] = others
    return _table(main)


def _table(verdicts: Mapping[str, Mapping[str, int]]) -> Table:
    kinds = [kind.value for kind in Kind if any(kind.value in counts for counts in verdicts.values())]
    table = Table("route", *kinds, box=None, pad_edge=False, header_style="underline")
    for column in table.columns[1:]:
        column.justify = "right"
    for route, counts in verdicts.items():
        table.add_row(route, *(str(counts[kind]) if kind in counts else "·" for kind in kinds))
    return table


def clock(seconds: float) -> str:
    """``1:02:03`` or ``02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def _finding_lines(
    findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound], most: int = 12
) -> list[Text]:
    lines = [Text(f"● {f['title']}", "red", no_wrap=True, overflow="ellipsis") for f in findings]
    lines += [Text(f"○ {c.title} (to reduce)", no_wrap=True, overflow="ellipsis") for c in pending]
    hidden = len(lines) - most
    return [*lines[-most:], Text(f"… and {hidden} more")] if hidden > 0 else lines


def open_display(console: Console, budget: Budget, jobs: int, *, quiet: bool, plain: bool) -> Display:
    """The display that fits: live on a terminal, plain lines elsewhere or when asked for."""
    if quiet:
        return QuietDisplay()
    if plain or not console.is_terminal:
        return PlainDisplay(console, budget, jobs)
    return LiveDisplay(console, budget, jobs)


def summary_table(findings: Sequence[Mapping[str, object]]) -> Table:
    """The findings of a run, one line each."""
    table = Table("finding", "kind", "route", "nodes", "silent", "reproduced", box=None, pad_edge=False)
    for finding in findings:
        route = f"{finding['converter']}/{finding['device']}"
        cells = [finding["title"], finding["kind"], route, finding["nodes"], finding["silent"]]
        table.add_row(*(escape(str(cell)) for cell in cells), str(finding["reproduced"]))
    return table
