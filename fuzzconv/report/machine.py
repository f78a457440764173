"""The machine a report was made on, as far as a bug report needs it."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def machine() -> dict[str, str]:
    """``cpu`` (model and core count), ``os`` and ``python``, as text."""
    cores = os.cpu_count() or 1
    return {
        "cpu": f"{_cpu_model()}, {cores} core{'s' if cores > 1 else ''}",
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
