"""Rows of ncnn options a route can name, what each sets, and on which device each has an effect.

Every row starts from ``BASELINE``, which switches off all reduced precision: what is left is fp32
arithmetic. A row's name is one or more *switches* joined by ``-``; a switch sets a single field of
``ncnn.Option`` (ncnn's ``src/option.h``), so the smallest row that shows a failure names the options to
blame. ``twice`` sets nothing: it asks for the same network to be run again and compared with itself.

    row_name({"nosgemm", "fp16s"})       # "fp16s-nosgemm"
    options_for("nopacking", "cpu")      # {..., "use_packing_layout": False}
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Iterator, Mapping
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

_POSITIONS = {switch: position for position, switch in enumerate(SWITCHES)}

_SETS: Mapping[str, tuple[str, ...]] = {
    "fp16": ("fp16p", "fp16s", "fp16a"),
    "bf16": ("bf16p", "bf16s"),
}
"""Short names for the switches of one precision together."""

_NO_OPTION = frozenset({"twice"})

_CPU_ROWS = (
    *(
        "nopacking",
        "nowinograd",
        "nowinograd63",
        "nowinograd43-nowinograd63",
        "nosgemm",
        "nowinograd-nosgemm",
    ),
    *("nopacking-nowinograd-nosgemm", "threads2", "threads2-twice", "nolightmode"),
    *("fp16", "fp16s", "bf16s", "bf16s-nopacking"),
)
_VULKAN_ROWS = (
    *("nopacking", "nowinograd", "nowinograd43", "nosgemm", "nosubgroup", "nolightmode", "twice"),
    *("fp16p", "fp16s", "fp16", "bf16p", "bf16p-nowinograd"),
)
_ONLY_VULKAN = "only Vulkan layers read it"
_NOT_VULKAN = "no Vulkan layer reads it"
_NO_READER = "no layer reads it"
_LEFT_OUT: Mapping[str, Mapping[str, str]] = {
    "cpu": {
        "fp16p": _ONLY_VULKAN,
        "fp16a": "nothing without fp16s; the row fp16 has both",
        "bf16p": _ONLY_VULKAN,
        "bf16": "bf16p changes nothing, so it is bf16s",
        "nowinograd23": "F(2,3) is the last resort: nowinograd43-nowinograd63 leads to it, this one nowhere",
        "nowinograd43": "F(4,3) is the default above 32 channels alone, which cases seldom have",
        "nosubgroup": _ONLY_VULKAN,
        "tensorstorage": _NO_READER,
    },
    "vulkan": {
        "fp16a": "ncnn switches it off without fp16p or fp16s; the row fp16 has all",
        "bf16s": "needs a driver with bf16 storage, which Mesa's lavapipe lacks",
        "bf16": "needs a driver with bf16 storage; without it is bf16p",
        "nowinograd23": "used only where nowinograd43 leads to it",
        "nowinograd63": _NOT_VULKAN,
        "threads2": "for layers without a shader alone, which the CPU rows test",
        "tensorstorage": _NO_READER,
    },
}
_LEFT_OUT_ON_X86 = {"fp16": "on x86 it is fp16s: there is no half arithmetic"}
_X86 = frozenset({"x86_64", "AMD64", "i686"})

_CONVOLUTION = frozenset({"Convolution"})
_READERS: Mapping[str, Mapping[str, frozenset[str]]] = {
    "cpu": {
        "nowinograd": _CONVOLUTION,
        "nowinograd23": _CONVOLUTION,
        "nowinograd43": _CONVOLUTION,
        "nowinograd63": _CONVOLUTION,
        "nosgemm": frozenset({"Convolution", "Deconvolution", "DeformableConv2D"}),
    },
    "vulkan": {
        "nowinograd": _CONVOLUTION,
        "nowinograd23": _CONVOLUTION,
        "nowinograd43": _CONVOLUTION,
        "nosgemm": frozenset({"Convolution", "Convolution1D", "Deconvolution"}),
        "nosubgroup": frozenset({"Gemm", "MultiHeadAttention", "SDPA"}),
        "nopacking": frozenset({"Convolution", "ConvolutionDepthWise", "Reshape", "Unfold"}),
    },
}
_READERS_ON_X86 = {"fp16s": frozenset({"InnerProduct", "MultiHeadAttention"})}
"""Layer types that read a switch, where not all do (ncnn's ``src/layer``)."""


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


def rows_for(device: str, layers: Collection[str] | None = None, machine: str = "") -> tuple[str, ...]:
    """The rows worth a run on a device: those that can make ncnn compute in another way there.

    Args:
        device: as in route ids.
        layers: types of the layers of a network, which leaves rows out that none of them reads.
        machine: processor type as ``platform.machine`` has it; this machine's when empty.
    """
    left_out = rows_left_out(device, machine)
    readers = dict(_READERS.get(device, {}))
    if device == "cpu" and _is_x86(machine):
        readers |= _READERS_ON_X86
    return tuple(
        row
        for row in (_VULKAN_ROWS if device == "vulkan" else _CPU_ROWS)
        if row not in left_out
        and (layers is None or all((readers.get(s) or set(layers)) & set(layers) for s in switches_of(row)))
    )


def rows_left_out(device: str, machine: str = "") -> dict[str, str]:
    """Switches, and sets of them, that are not run by themselves on a device, each with the reason."""
    reasons = dict(_LEFT_OUT.get(device, {}))
    return reasons | _LEFT_OUT_ON_X86 if device == "cpu" and _is_x86(machine) else reasons


def _is_x86(machine: str) -> bool:
    return (machine or platform.machine()) in _X86


def smaller_rows(row: str) -> Iterator[str]:
    """Rows made of some of a row's switches, smallest first; the row itself and the baseline are not."""
    switches = switches_of(row)
    for size in range(1, len(switches)):
        for chosen in combinations(switches, size):
            yield row_name(chosen)


def row_order(row: str) -> tuple[int, tuple[int, ...]]:
    """A sort key: fewer switches first, then the order of ``SWITCHES``."""
    switches = switches_of(row)
    return len(switches), tuple(_POSITIONS[switch] for switch in switches)


def is_reduced(row: str) -> bool:
    """Whether a row computes in less than fp32."""
    return any(switch.startswith(("fp16", "bf16")) for switch in switches_of(row))


def runs_of(row: str) -> int:
    """How often a network is run under this row."""
    return 2 if "twice" in switches_of(row) else 1


def condition_of(row: str) -> str:
    """What a row sets, as a word of a finding's condition; empty where it sets no option."""
    return row_name(set(switches_of(row)) - _NO_OPTION)


ROWS: Mapping[str, Mapping[str, bool | int]] = {"": {}, **SWITCHES}
"""Every row of at most one switch, with what it sets."""
