"""Processor time and memory of processes, read from ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Processor time of one process so far, its children's not included.

    Raises:
        OSError: it is gone.
    """
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS


def tree_memory(root: int) -> int:
    """Bytes of private and shared memory (PSS) that a process and all its descendants hold."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        total += _pss(pid)
    return total


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` from the state on (``proc(5)``: index 0 here is field 3 there)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _pss(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
