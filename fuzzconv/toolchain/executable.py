"""Executables: whether a file is native, whether it starts, how to name one in a command for people."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

_START_SECONDS = 30
_SHELL_CODES_FOR_NOT_RUN = (126, 127)  # what the dynamic loader returns for a missing library, too


def is_elf(path: Path) -> bool:
    """Whether ``path`` is a native binary (Linux); False for a script or an unreadable file."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"\x7fELF"
    except OSError:
        return False


def is_pip_script(path: Path, package: str) -> bool:
    """Whether ``path`` is the Python script that pip writes for a package's command."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    return head.startswith(b"#!") and f"from {package} import".encode() in head


def start_problem(path: Path) -> str:
    """Run ``path`` without arguments; why it doesn't start, empty when it does (whatever its exit status).

    A tool that can't start (a library gone, another architecture) must not look like a bug of the tool.
    """
    try:
        done = subprocess.run(
            [str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{path} doesn't end when run without arguments"
    except OSError as error:
        return f"{path} can't be run: {error.strerror}"
    if done.returncode >= 0 and done.returncode not in _SHELL_CODES_FOR_NOT_RUN:
        return ""
    return f"{path} {how_it_ended(done)}"


def how_it_ended(done: subprocess.CompletedProcess[str]) -> str:
    """One clause on a child's end: its signal or status, and the last line it printed to stderr."""
    last_line = (done.stderr.strip().splitlines() or [""])[-1]
    if done.returncode < 0:
        how = f"died of {signal.Signals(-done.returncode).name}"
    else:
        how = f"ended with status {done.returncode}"
    return f"{how} ({last_line})" if last_line else how


def python_command() -> str:
    """The running Python as a user would type it: relative to the current directory when it lies below."""
    executable = Path(sys.executable)
    if executable.is_relative_to(Path.cwd()):
        return str(executable.relative_to(Path.cwd()))
    return str(executable)


def apt_command(*packages: str) -> str:
    """The command that installs Debian packages, for this user."""
    prefix = "" if os.geteuid() == 0 else "sudo "
    return f"{prefix}apt-get install -y {' '.join(packages)}"
