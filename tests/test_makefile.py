"""What make does with a command's exit code and with its own variables."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def make(tmp_path: Path, *arguments: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the real Makefile on an interpreter that prints its arguments and ends with ``exit_code``."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for script, text in (("setup.sh", ""), (".venv/bin/python", f'echo "$@"\nexit {exit_code}\n')):
        path = tmp_path / script
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}")
        path.chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("exit_code", "succeeds"), [(0, True), (1, True), (2, False), (3, False), (70, False), (130, False)]
)
def test_new_findings_are_no_failure_of_make_fuzz(tmp_path: Path, exit_code: int, succeeds: bool) -> None:
    done = make(tmp_path, "fuzz", exit_code=exit_code)
    assert (done.returncode == 0) == succeeds
    assert succeeds or f"Error {exit_code}" in done.stderr


@pytest.mark.parametrize("target", ["test", "check", "bench", "doctor"])
def test_every_other_target_fails_with_its_command(tmp_path: Path, target: str) -> None:
    assert make(tmp_path, target, exit_code=1).returncode != 0
    assert make(tmp_path, target, exit_code=0).returncode == 0


def test_variables_become_options(tmp_path: Path) -> None:
    assert make(tmp_path, "fuzz").stdout.split() == ["-m", "fuzzconv", "fuzz", "--budget", "1m"]
    done = make(tmp_path, "fuzz", "BUDGET=2h", "JOBS=2", "SEED=7", "ARGS=--quiet --routes cpu")
    assert done.stdout.split() == (
        [
            "-m",
            "fuzzconv",
            "fuzz",
            "--budget",
            "2h",
            "--jobs",
            "2",
            "--seed",
            "7",
            "--quiet",
            "--routes",
            "cpu",
        ]
    )
