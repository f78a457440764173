"""A campaign from start to end: folder, store, coordinator, ``run.json``, exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.coordinator import Coordinator
from fuzzconv.campaign.display import open_display
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.tally import Tally
from fuzzconv.findings.store import RunStore
from fuzzconv.report.run_json import write_run_json

INTERRUPTED = 130


@dataclass(frozen=True)
class CampaignResult:
    """How a campaign ended.

    Attributes:
        tally: its totals.
        findings: the entries of ``run.json``.
        unreduced: titles of candidates that were not reduced in time (kept in the run folder).
        elapsed: seconds.
        exit_code: 0 nothing new, 1 new findings, 130 interrupted.
    """

    tally: Tally
    findings: Sequence[Mapping[str, object]]
    unreduced: Sequence[str]
    elapsed: float
    exit_code: int


def run_campaign(settings: CampaignSettings, console: Console, *, quiet: bool = False) -> CampaignResult:
    """Run one campaign in its (existing, empty) run folder."""
    budget = Budget.start(settings.seconds)
    settings.findings.mkdir(exist_ok=True)
    settings.candidates.mkdir(exist_ok=True)
    store = RunStore(settings.folder, create=True)
    store.set_facts(
        {
            "budget_s": settings.seconds,
            "seed": settings.seed,
            "jobs": settings.jobs,
            "tools": settings.toolchain.versions(),
            "routes": [str(route) for route in settings.routes],
            "skipped": settings.skipped,
        }
    )
    display = open_display(console, budget, settings.jobs, quiet=quiet, plain=False)
    coordinator = Coordinator(settings, budget, store, display, found=set())
    interrupted = False
    try:
        coordinator.run()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        display.close()
    findings = store.findings()
    new = [finding for finding in findings if not finding["known"]]
    exit_code = INTERRUPTED if interrupted else 1 if new else 0
    write_run_json(settings.folder, store)
    unreduced = [candidate.title for candidate in coordinator.pending]
    result = CampaignResult(coordinator.tally, findings, unreduced, budget.elapsed, exit_code)
    store.close()
    return result
