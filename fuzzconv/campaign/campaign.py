"""A campaign from start to end: folder, store, coordinator, ``run.json``, exit code."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.coordinator import Coordinator
from fuzzconv.campaign.display import Display
from fuzzconv.campaign.log import CampaignLog
from fuzzconv.campaign.messages import FoundBug
from fuzzconv.campaign.resume import EarlierRun, earlier_run
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.tally import Tally
from fuzzconv.errors import StorageError, WorkersLostError
from fuzzconv.findings.store import RunStore
from fuzzconv.report.machine import machine
from fuzzconv.report.run_json import write_run_json
from fuzzconv.toolchain.optional import variants_left_out

INTERRUPTED = 130
OpenDisplay = Callable[[Budget], Display]


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


def run_campaign(
    settings: CampaignSettings, display: OpenDisplay, *, resume: bool = False, log: Path | None = None
) -> CampaignResult:
    """Run one campaign in its run folder.

    Args:
        settings: what to do; the folder exists.
        display: opens the display for a budget.
        resume: go on with the run that is in the folder; else the folder is empty.
        log: file for JSON lines about rounds and findings.

    Raises:
        UsageError: the folder holds no run to resume, or the log can't be written.
        StorageError: the run folder can't be written any more.
        WorkersLostError: every worker died; ``run.json`` is written.
    """
    settings.findings.mkdir(exist_ok=True)
    settings.candidates.mkdir(exist_ok=True)
    store = RunStore(settings.folder, create=not resume)
    earlier = earlier_run(store, settings.findings) if resume else EarlierRun()
    store.set_facts(_facts(settings))
    budget = Budget.start(settings.seconds, earlier.spent)
    shown = display(budget)
    coordinator = Coordinator(
        settings,
        budget,
        store,
        shown,
        found={FoundBug(k.signature, k.kind.value, k.slug) for k in settings.known_bugs} | earlier.found,
        tally=earlier.tally or Tally(),
        first_round=earlier.next_round,
        pending=list(earlier.pending),
        settled=set(earlier.settled),
        log=CampaignLog(log),
    )
    interrupted = False
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        coordinator.run()
    except KeyboardInterrupt:
        interrupted = True
    except (OSError, sqlite3.OperationalError) as error:
        told = f"can't write {settings.folder} ({error}); make room, then: --resume {settings.folder}"
        raise StorageError(told) from error
    except WorkersLostError:
        write_run_json(settings.folder, store)
        raise
    finally:
        signal.signal(signal.SIGTERM, previous)
        shown.close()
    findings = store.findings()
    new = [finding for finding in findings if not finding["known"]]
    write_run_json(settings.folder, store)
    store.close()
    return CampaignResult(
        coordinator.tally,
        findings,
        [candidate.title for candidate in coordinator.pending],
        budget.elapsed,
        INTERRUPTED if interrupted else 1 if new else 0,
    )


def _interrupt(number: int, frame: object) -> None:
    """SIGTERM (a CI system cancels a job) ends a campaign as Ctrl-C does."""
    raise KeyboardInterrupt


def _facts(settings: CampaignSettings) -> dict[str, object]:
    return {
        "budget_s": settings.seconds,
        "seed": settings.seed,
        "jobs": settings.jobs,
        "tools": settings.toolchain.versions(),
        "routes": [str(route) for route in settings.routes],
        "skipped": settings.skipped,
        "variants_left_out": variants_left_out(),
        "corpus": str(settings.corpus),
        "machine": machine(),
    }
