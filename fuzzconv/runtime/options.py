"""Rows of ncnn options a route can name, and the precision each row computes in.

Every row starts from ``BASELINE``, which switches off all reduced precision: what is left is fp32
arithmetic. Field names are those of ``ncnn.Option`` (ncnn's ``src/option.h``).
"""

from __future__ import annotations

from collections.abc import Mapping

BASELINE: Mapping[str, bool | int] = {
    "num_threads": 1,
    "use_fp16_packed": False,
    "use_fp16_storage": False,
    "use_fp16_arithmetic": False,
    "use_bf16_packed": False,
    "use_bf16_storage": False,
}

ROWS: Mapping[str, Mapping[str, bool | int]] = {
    "": {},
    "fp16": {"use_fp16_packed": True, "use_fp16_storage": True, "use_fp16_arithmetic": True},
    "bf16": {"use_bf16_packed": True, "use_bf16_storage": True},
    "nopacking": {"use_packing_layout": False},
    "nowinograd": {"use_winograd_convolution": False},
    "nosgemm": {"use_sgemm_convolution": False},
    "nosubgroup": {"use_subgroup_ops": False},
    "threads2": {"num_threads": 2},
    "nolightmode": {"lightmode": False},
}


def options_for(row: str, device: str) -> dict[str, bool | int]:
    """The complete option values of a row on a device."""
    return {**BASELINE, "use_vulkan_compute": device == "vulkan", **ROWS[row]}
