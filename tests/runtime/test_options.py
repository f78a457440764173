import ncnn
import pytest

from fuzzconv.errors import UsageError
from fuzzconv.reference.precisions import precision_of
from fuzzconv.reference.reference import Precision
from fuzzconv.route import Route
from fuzzconv.runtime.options import (
    SWITCHES,
    condition_of,
    options_for,
    row_name,
    row_order,
    rows_for,
    rows_left_out,
    runs_of,
    smaller_rows,
    switches_of,
)

DEVICES = ("cpu", "vulkan")


@pytest.mark.parametrize("device", DEVICES)
def test_every_field_is_one_of_ncnn_and_every_switch_changes_the_baseline(device: str) -> None:
    plain = options_for("", device)
    for switch in SWITCHES:
        values = options_for(switch, device)
        assert all(hasattr(ncnn.Option(), name) for name in values)
        default = {name: getattr(ncnn.Option(), name) for name in values}
        changed = {name for name, value in values.items() if plain.get(name, default[name]) != value}
        assert len(changed) == (0 if switch == "twice" else 1)


def test_the_baseline_has_no_reduced_precision() -> None:
    assert not [n for n, v in options_for("", "cpu").items() if v and ("fp16" in n or "bf16" in n)]


def test_a_row_is_named_alike_in_whatever_order() -> None:
    assert row_name(["nosgemm", "bf16s"]) == row_name(["bf16s", "nosgemm"]) == "bf16s-nosgemm"
    assert row_name(["fp16a", "nopacking", "fp16p", "fp16s"]) == "fp16-nopacking"
    assert switches_of("fp16-nopacking") == ("fp16p", "fp16s", "fp16a", "nopacking")


def test_an_unknown_row_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no option row 'nowinograds'"):
        options_for("nowinograds", "cpu")


@pytest.mark.parametrize("device", DEVICES)
def test_rows_are_complete_and_canonical(device: str) -> None:
    rows = rows_for(device, machine="x86_64")
    assert len(set(rows)) == len(rows)
    assert [row_name(switches_of(row)) for row in rows] == list(rows)
    told = {switch for row in rows for switch in switches_of(row)} | rows_left_out(device, "x86_64").keys()
    assert SWITCHES.keys() - told == ({"twice"} if device == "cpu" else set()) - told


def test_half_arithmetic_runs_on_arm_alone() -> None:
    assert "fp16" not in rows_for("cpu", machine="x86_64")
    assert "fp16" in rows_for("cpu", machine="aarch64")


def test_rows_that_no_layer_reads_are_left_out() -> None:
    assert not [row for row in rows_for("cpu", {"ReLU"}, "x86_64") if "winograd" in row or "sgemm" in row]
    assert "nowinograd-nosgemm" in rows_for("cpu", {"ReLU", "Convolution"}, "x86_64")
    assert "fp16s" not in rows_for("cpu", {"ReLU"}, "x86_64")
    assert "fp16s" in rows_for("cpu", {"InnerProduct"}, "x86_64")
    assert "nosubgroup" not in rows_for("vulkan", {"Convolution"})


def test_smaller_rows_come_smallest_first() -> None:
    assert list(smaller_rows("nopacking")) == []
    assert list(smaller_rows("fp16"))[:4] == ["fp16p", "fp16s", "fp16a", "fp16p-fp16s"]
    assert sorted(["bf16s-nopacking", "threads2", "fp16p"], key=row_order) == [
        "fp16p",
        "threads2",
        "bf16s-nopacking",
    ]


def test_twice_runs_twice_and_is_no_condition() -> None:
    assert (runs_of("threads2-twice"), runs_of("threads2")) == (2, 1)
    assert (condition_of("threads2-twice"), condition_of("twice")) == ("threads2", "")


@pytest.mark.parametrize(
    ("row", "precision"),
    [
        ("cpu:nopacking", Precision.FP32),
        ("cpu:fp16p", Precision.FP16),
        ("cpu:fp16", Precision.FP16),
        ("cpu:bf16s-nopacking", Precision.BF16),
        ("cpu:threads2-twice", Precision.FP32),
        ("vulkan:bf16p", Precision.VULKAN_BF16),
        ("vulkan:bf16p-nowinograd", Precision.BF16),
        ("vulkan:fp16p", Precision.FP16),
    ],
)
def test_every_row_computes_in_a_known_precision(row: str, precision: Precision) -> None:
    assert precision_of(Route.parse(f"pnnx:fp16=0/{row}")) is precision
