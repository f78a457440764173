"""Rows of ncnn options a route can name, what each sets, and on which device each has an effect.

Every row starts from ``BASELINE``, which switches off all reduced precision: what is left is fp32
arithmetic. A row's name is one or more *switches* joined by ``-``; a switch sets a single field of
``ncnn.Option`` (ncnn's ``src/option.h``), so the smallest row that shows a failure names the options to blame.
``twice`` sets nothing: it asks for the same network to be run again and compared with itself.

    row_name({"nosgemm", "fp16s"})       # "fp16s-nosgemm"
    options_for("nopacking", "cpu")      # {..., "use_packing_layout": False}
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

from fuzzconv.errors import UsageError

BASELINE: Mapping[str, bool | int] = {
    "num_threads": 1,
    "use_fp16_packed": False,
    "use_fp16_storage": False,
    "use_fp16_arithmetic": False,
    "use_bf16_packed": False,
    "use_bf16_storage": False,
}

SWITCHES: Mapping[str, Mapping[str, bool | int]] = {
    "fp16p": {"use_fp16_packed": True},
    "fp16s": {"use_fp16_storage": True},
    "fp16a": {"use_fp16_arithmetic": True},
    "bf16p": {"use_bf16_packed": True},
    "bf16s": {"use_bf16_storage": True},
    "nopacking": {"use_packing_layout": False},
    "nowinograd": {"use_winograd_convolution": False},
    "nowinograd23": {"use_winograd23_convolution": False},
    "nowinograd43": {"use_winograd43_convolution": False},
    "nowinograd63": {"use_winograd63_convolution": False},
    "nosgemm": {"use_sgemm_convolution": False},
    "nosubgroup": {"use_subgroup_ops": False},
    "tensorstorage": {"use_tensor_storage": True},
    "threads2": {"num_threads": 2},
    "nolightmode": {"lightmode": False},
    "twice": {},
}
"""In the order in which a row's name lists them: the precision comes first."""

_SETS: Mapping[str, tuple[str, ...]] = {
    "fp16": ("fp16p", "fp16s", "fp16a"),
    "bf16": ("bf16p", "bf16s"),
}
"""Short names for the switches of one precision together."""

_NO_OPTION = frozenset({"twice"})

_CPU_ROWS = (
    *("nopacking", "nowinograd", "nowinograd23", "nowinograd43", "nowinograd63", "nosgemm"),
    *("nowinograd43-nowinograd63", "nowinograd23-nowinograd63", "nowinograd23-nowinograd43"),
    *("nowinograd-nosgemm", "nopacking-nowinograd-nosgemm", "threads2", "threads2-twice", "nolightmode"),
    *("fp16", "fp16s", "bf16s", "bf16s-nopacking"),
)
_VULKAN_ROWS = (
    *("nopacking", "nowinograd", "nowinograd23", "nowinograd43", "nosgemm", "nosubgroup", "nolightmode"),
    *("twice", "fp16p", "fp16s", "fp16", "bf16p", "bf16"),
)
_ON_X86 = {"fp16": "on x86 only use_fp16_storage has an effect: the same as fp16s"}
_VULKAN_IGNORES = "ncnn's Vulkan layers do not read it"
_WITHOUT_EFFECT: Mapping[str, Mapping[str, str]] = {
    "cpu": {
        "fp16p": "read by Vulkan alone",
        "fp16a": "nothing without fp16s, which fp16 has",
        "bf16p": "read by Vulkan alone",
        "nosubgroup": "read by Vulkan alone",
        "tensorstorage": "no layer of ncnn reads it",
    },
    "vulkan": {
        "fp16a": "ncnn switches it off without fp16p or fp16s; fp16 has it",
        "bf16s": "needs a driver with bf16 storage; bf16 has it where there is one",
        "nowinograd63": _VULKAN_IGNORES,
        "threads2": _VULKAN_IGNORES,
        "tensorstorage": "no layer of ncnn reads it",
    },
}


def options_for(row: str, device: str) -> dict[str, bool | int]:
    """The complete option values of a row on a device.

    Raises:
        UsageError: there is no such row.
    """
    values = {**BASELINE, "use_vulkan_compute": device == "vulkan"}
    for switch in switches_of(row):
        values |= SWITCHES[switch]
    return values


def switches_of(row: str) -> tuple[str, ...]:
    """The switches a row's name stands for; none for the baseline.

    Raises:
        UsageError: there is no such switch.
    """
    switches = tuple(s for word in row.split("-") if word for s in _SETS.get(word, (word,)))
    unknown = [switch for switch in switches if switch not in SWITCHES]
    if unknown:
        known = ", ".join((*_SETS, *SWITCHES))
        raise UsageError(f"no option row {unknown[0]!r}; a row is one or more, joined by '-', of: {known}")
    return switches


def row_name(switches: Iterable[str]) -> str:
    """The name of the row that has these switches, always the same for the same switches."""
    left = set(switches)
    words = []
    for name, members in _SETS.items():
        if left >= set(members):
            words.append(name)
            left -= set(members)
    return "-".join(words + [switch for switch in SWITCHES if switch in left])


def rows_for(device: str, machine: str = "") -> tuple[str, ...]:
    """The rows worth a run on a device: those that can make ncnn compute in another way there.

    Args:
        device: as in route ids.
        machine: processor type as ``platform.machine`` has it; this machine's when empty.
    """
    rows = _VULKAN_ROWS if device == "vulkan" else _CPU_ROWS
    return tuple(row for row in rows if row not in rows_left_out(device, machine))


def rows_left_out(device: str, machine: str = "") -> dict[str, str]:
    """Rows of single switches (and sets of them) that change nothing on a device, with the reason."""
    reasons = dict(_WITHOUT_EFFECT.get(device, {}))
    if device != "vulkan" and (machine or platform.machine()) in ("x86_64", "AMD64", "i686"):
        reasons |= _ON_X86
    return reasons


def smaller_rows(row: str) -> Iterator[str]:
    """Rows made of some of a row's switches, smallest first; the row itself and the baseline are not."""
    switches = switches_of(row)
    for size in range(1, len(switches)):
        for chosen in combinations(switches, size):
            yield row_name(chosen)


def row_order(row: str) -> tuple[int, tuple[int, ...]]:
    """A sort key: fewer switches first, then the order of ``SWITCHES``."""
    names = list(SWITCHES)
    switches = switches_of(row)
    return len(switches), tuple(names.index(switch) for switch in switches)


def runs_of(row: str) -> int:
    """How often a network is run under this row."""
    return 2 if "twice" in switches_of(row) else 1


def condition_of(row: str) -> str:
    """What a row sets, as a word of a finding's condition; empty where it sets no option."""
    return row_name(set(switches_of(row)) - _NO_OPTION)


ROWS: Mapping[str, Mapping[str, bool | int]] = {"": {}, **SWITCHES}
"""Every row of at most one switch, with what it sets."""
