"""A signature whose first case shows nothing stays open for another one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.coordinator import Coordinator
from fuzzconv.campaign.display import Display
from fuzzconv.campaign.messages import CandidateFound, ReduceTask
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.campaign.witnesses import MOST_WITNESSES, Witnesses
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.store import RunStore

SPLIT = Signature("load", "pnnx", "load", (), "", "layer load_param N NAME failed")


@pytest.mark.parametrize(
    ("status", "open_again"),
    [
        ("unreproducible", True),
        ("doubtful", True),
        ("worker died", True),
        ("reduced", False),
        ("variant", False),
        ("not reduced: an error of fuzzconv", False),
    ],
)
def test_only_what_was_not_seen_gets_another_witness(status: str, open_again: bool) -> None:
    assert Witnesses().another_may_come(SPLIT, status) is open_again


def test_a_campaign_takes_another_witness_and_keeps_the_case_of_each(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    display = cast(Display, SimpleNamespace(say=lambda text: None))
    settings = cast(CampaignSettings, SimpleNamespace())
    campaign = Coordinator(settings, cast(Budget, SimpleNamespace()), store, display, set())
    folder = tmp_path / "candidates" / SPLIT.slug
    for count in range(1, MOST_WITNESSES + 1):
        assert campaign._no_news().hit(SPLIT) is None
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.onnx").write_text(f"witness {count}")
        campaign._add_candidate(CandidateFound(SPLIT, str(folder), "pnnx:fp16=0/cpu", "refused"))
        assert len(campaign.pending) == 1
        campaign.pending.clear()
        campaign._reducing.append(SPLIT)
        campaign._settle(
            ReduceTask(SPLIT, str(folder), "pnnx:fp16=0/cpu", 0.0, frozenset()), "unreproducible"
        )
        (candidate,) = store.candidates()
        kept = Path(candidate.folder) / "model.onnx"
        assert (candidate.status, kept.read_text()) == ("unreproducible", f"witness {count}")
    assert campaign._no_news().hit(SPLIT) == SPLIT
    texts = [path.read_text() for path in tmp_path.glob("candidates/*/model.onnx")]
    assert sorted(texts) == [f"witness {count}" for count in range(1, MOST_WITNESSES + 1)]
