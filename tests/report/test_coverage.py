"""Features that were compared too rarely."""

from fuzzconv.report.coverage import Thin, thin
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
