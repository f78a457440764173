"""What an interrupted run knew is known again."""

import json
from pathlib import Path

import pytest

from fuzzconv.campaign.messages import CANDIDATE_FILE, FoundBug
from fuzzconv.campaign.resume import earlier_run
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.store import RunStore
from fuzzconv.report.reproducer import SUMMARY_KEYS

SPECIAL = Signature("result", "pnnx", "compare", ("Gather(axis,large)",))
GENERAL = Signature("result", "pnnx", "compare", ("Gather",))


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A run with one finding."""
    document = dict.fromkeys(SUMMARY_KEYS, "") | {
        "slug": SPECIAL.slug,
        "kind": "divergence",
        "signature_parts": vars(SPECIAL),
    }
    folder = tmp_path / "findings" / SPECIAL.slug
    folder.mkdir(parents=True)
    (folder / "finding.json").write_text(json.dumps(document))
    store = RunStore(tmp_path, create=True)
    store.add_finding(SPECIAL.slug, str(SPECIAL), {"slug": SPECIAL.slug})
    return store


def test_a_finding_is_known_by_each_signature_it_was_met_with(store: RunStore, tmp_path: Path) -> None:
    store.add_variant(SPECIAL.slug, GENERAL)
    store.close()
    found = earlier_run(RunStore(tmp_path), tmp_path / "findings").found
    assert found == {FoundBug(s, "divergence", SPECIAL.slug) for s in (SPECIAL, GENERAL)}


def test_a_variant_of_what_is_no_finding_any_more_is_left_out(store: RunStore, tmp_path: Path) -> None:
    store.add_variant("gone", GENERAL)
    found = earlier_run(store, tmp_path / "findings").found
    assert found == {FoundBug(SPECIAL, "divergence", SPECIAL.slug)}


def test_candidates_wait_or_are_settled_as_they_were(store: RunStore, tmp_path: Path) -> None:
    for signature, status in ((SPECIAL, "reduced"), (GENERAL, "waiting")):
        folder = tmp_path / "candidates" / signature.slug
        folder.mkdir(parents=True)
        facts = {"signature": vars(signature), "route": "pnnx:fp16=0/cpu", "title": "a title"}
        (folder / CANDIDATE_FILE).write_text(json.dumps(facts))
        store.add_candidate(str(signature), str(folder))
        store.set_candidate_status(str(signature), status)
    earlier = earlier_run(store, tmp_path / "findings")
    assert earlier.settled == {SPECIAL}
    assert [candidate.signature for candidate in earlier.pending] == [GENERAL]
