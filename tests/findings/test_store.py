import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from fuzzconv.errors import UsageError
from fuzzconv.findings.store import CurvePoint, MatrixCell, RoundRecord, RunStore, merge_features


def test_a_folder_without_a_store_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a run folder"):
        RunStore(tmp_path)


def test_a_damaged_store_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "campaign.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(UsageError, match="not a campaign store"):
        RunStore(tmp_path)


def test_counters_add_up_over_flushes_and_survive_reopening(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    cell = ("Conv", 13, "float", 4, "pnnx:fp16=0/cpu", "ok")
    for count in (2, 3):
        store.add_counts(
            ["a", f"b{count}"],
            Counter({("pnnx:fp16=0/cpu", "ok"): count}),
            Counter({cell: count}),
            {"shape:diamond": (count, 1)},
        )
    store.close()
    again = RunStore(tmp_path)
    assert again.case_keys() == {"a", "b2", "b3"}
    assert again.verdicts() == {"pnnx:fp16=0/cpu": {"ok": 5}}
    assert again.matrix() == [MatrixCell(*cell, 5)]
    assert again.features() == {"shape:diamond": (5, 2)}


def test_a_candidate_is_news_once_and_its_hits_are_counted(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    assert store.add_candidate("crash|pnnx", "a")
    assert not store.add_candidate("crash|pnnx", "b")
    store.set_candidate_status("crash|pnnx", "reduced")
    (candidate,) = store.candidates()
    assert (candidate.folder, candidate.status) == ("a", "reduced")


def test_findings_keep_their_order_and_count_hits(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    store.add_finding("b", "sig-b", {"slug": "b", "title": "second letter"})
    store.add_finding("a", "sig-a", {"slug": "a", "title": "first letter"})
    store.add_finding("b", "sig-b", {"slug": "b", "title": "smaller now"})
    assert store.findings() == [
        {"slug": "b", "title": "smaller now", "hits": 2},
        {"slug": "a", "title": "first letter", "hits": 1},
    ]


def test_curve_is_in_time_order(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    for point in (CurvePoint(2.0, 20, 1, 9), CurvePoint(1.0, 10, 0, 5)):
        store.add_curve_point(point)
    assert [point.cases for point in store.curve()] == [10, 20]


def test_merge_features_counts_generated_and_compared() -> None:
    pairs = [("dtype:int8", True), ("dtype:int8", False), ("rank:4", True)]
    assert merge_features(pairs) == {"dtype:int8": (2, 1), "rank:4": (1, 1)}


def test_a_round_keeps_what_fixes_its_cases(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    record = RoundRecord(3, 77, 1, 2.0, 30.0, 200, 900, 0.5, "Conv,RNN", "op:Swish,weight:int8:typed")
    store.add_round(record)
    assert store.rounds() == [record]


def test_a_run_of_a_version_that_did_not_steer_can_still_be_read(tmp_path: Path) -> None:
    RunStore(tmp_path, create=True).close()
    database = sqlite3.connect(tmp_path / "campaign.sqlite")
    with database:
        database.execute("INSERT INTO rounds VALUES (0, 7, 1, 0.0, 5.0, 9, 9, 0.5)")
        database.execute("DROP TABLE steering")
    database.close()
    store = RunStore(tmp_path)
    assert store.rounds() == [RoundRecord(0, 7, 1, 0.0, 5.0, 9, 9, 0.5)]
