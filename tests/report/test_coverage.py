"""Features that were compared too rarely."""

from collections import Counter
from pathlib import Path

from fuzzconv.findings.store import RunStore
from fuzzconv.report.coverage import Thin, note_thin, thin, wanted
from strategies.census import wanted_features


def test_features_below_the_floor_come_poorest_first() -> None:
    counts = {"op:Conv": (50, 40), "op:LSTM": (30, 19), "weight:int8:typed": (3, 2)}
    assert thin(counts, ["op:Conv", "op:LSTM", "weight:int8:typed", "op:Pad"]) == [
        Thin("op:Pad", 0, 0),
        Thin("weight:int8:typed", 3, 2),
        Thin("op:LSTM", 30, 19),
    ]


def test_wanted_features_name_operators_and_legal_storage_forms() -> None:
    wanted = wanted_features()
    assert {"op:Conv", "weight:int64:constant_list", "weight:bfloat16:typed", "pattern:layer_norm"} <= set(
        wanted
    )
    assert "weight:int8:constant_list" not in wanted
    assert "op:Softsign" not in wanted


def test_a_run_notes_how_often_it_tried_what_it_hardly_compared(tmp_path: Path) -> None:
    store = RunStore(tmp_path, create=True)
    counts = dict.fromkeys(wanted(), (50, 40)) | {"weight:bool:typed": (60, 0), "op:Conv": (19, 19)}
    store.add_counts([], Counter(), Counter(), counts)
    note_thin(store)
    assert store.facts()["thin"] == {
        "weight:bool:typed": {"generated": 60, "compared": 0},
        "op:Conv": {"generated": 19, "compared": 19},
    }
