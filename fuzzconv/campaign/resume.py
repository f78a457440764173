"""Picks an interrupted run up again: its settings, totals, findings and waiting candidates, all from disk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fuzzconv.campaign.messages import CANDIDATE_FILE, CandidateFound, FoundBug
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.tally import Tally
from fuzzconv.errors import MissingToolError, UsageError
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.store import RunStore
from fuzzconv.report.reproducer import SUMMARY_KEYS
from fuzzconv.route import Route
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.toolchain.toolchain import Toolchain


@dataclass(frozen=True)
class EarlierRun:
    """What a run had reached.

    Attributes:
        spent: seconds of its budget that are used up.
        next_round: number of the next search round.
        tally: its totals.
        found: its findings, under each signature that is known of them.
        settled: wide signatures of its candidates that were dealt with.
        pending: its candidates that wait for reduction.
    """

    spent: float = 0.0
    next_round: int = 0
    tally: Tally | None = None
    found: frozenset[FoundBug] = frozenset()
    settled: frozenset[Signature] = frozenset()
    pending: tuple[CandidateFound, ...] = ()


def settings_of(folder: Path, toolchain: Toolchain) -> CampaignSettings:
    """The settings a run was started with, for the tools there are now.

    Raises:
        UsageError: ``folder`` is no run folder.
        MissingToolError: a route of the run can't run any more.
    """
    store = RunStore(folder)
    facts = store.facts()
    store.close()
    try:
        wanted = [Route.parse(text) for text in _texts(facts["routes"])]
        routes, blocked = available_routes(toolchain, wanted)
        if blocked:
            reasons = "; ".join(f"{route}: {reason}" for route, reason in blocked.items())
            raise MissingToolError(f"the run can't be resumed as it was: {reasons}")
        skipped = facts["skipped"]
        return CampaignSettings(
            seconds=float(str(facts["budget_s"])),
            jobs=int(str(facts["jobs"])),
            seed=int(str(facts["seed"])),
            routes=routes,
            skipped=dict(skipped) if isinstance(skipped, dict) else {},
            folder=folder.absolute(),
            toolchain=toolchain,
            replay_database=False,
            corpus=Path(str(facts["corpus"])),
        )
    except (KeyError, ValueError) as error:
        raise UsageError(f"the store of {folder} lacks the run's settings ({error})") from error


def earlier_run(store: RunStore, findings: Path) -> EarlierRun:
    """What the store and the finding folders of a run hold.

    A finding whose folder was complete when the run was killed, but not yet in the store, is entered there.
    """
    stored = {str(finding["slug"]) for finding in store.findings()}
    for path in sorted(findings.glob("[!.]*/finding.json")):
        document = _json(path)
        if document and document["slug"] not in stored:
            parts = Signature.from_parts(_mapping(document["signature_parts"]))
            store.add_finding(str(document["slug"]), str(parts), {k: document[k] for k in SUMMARY_KEYS})
    rounds = store.rounds()
    candidates = [(c.status == "waiting", _candidate(Path(c.folder))) for c in store.candidates()]
    found = _found(findings)
    return EarlierRun(
        spent=float(str(store.facts().get("elapsed_s", 0.0))),
        next_round=max((record.number + 1 for record in rounds), default=0),
        tally=Tally.of_store(store),
        found=frozenset((*found, *_variants(store, found))),
        settled=frozenset(c.signature for waiting, c in candidates if c and not waiting),
        pending=tuple(c for waiting, c in candidates if c and waiting),
    )


def _found(findings: Path) -> list[FoundBug]:
    documents = (_json(path) for path in sorted(findings.glob("[!.]*/finding.json")))
    return [
        FoundBug(Signature.from_parts(_mapping(d["signature_parts"])), str(d["kind"]), str(d["slug"]))
        for d in documents
        if d
    ]


def _variants(store: RunStore, found: Sequence[FoundBug]) -> list[FoundBug]:
    """Findings under the further signatures they were met with."""
    kinds = {bug.slug: bug.kind for bug in found}
    return [FoundBug(s, kinds[slug], slug) for slug, s in store.variants() if slug in kinds]


def _candidate(folder: Path) -> CandidateFound | None:
    """A candidate from its folder; None when the run was cut while the folder was written."""
    document = _json(folder / CANDIDATE_FILE)
    parts = document.get("signature")
    if not isinstance(parts, dict):
        return None
    signature = Signature.from_parts(parts)
    return CandidateFound(signature, str(folder), str(document["route"]), str(document["title"]))


def _json(path: Path) -> Mapping[str, object]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
