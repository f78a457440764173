"""Does a fresh process show a finding too? ``confirmed`` runs its reproducer and says what that told."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.findings.finding import Finding
from fuzzconv.findings.title import UNDEFINED, title_of
from fuzzconv.report.reproducer import SCRIPT_FILE, write_reproducer
from fuzzconv.toolchain.toolchain import Toolchain

CONFIRMATIONS = 2
STILL_THERE = 1
LOG_FILE = "reproduce.log"
DIFFERS = "the wrong values are others in another process: ncnn gives what nothing has written"
_SECONDS = 90.0
_ACTUAL = ": actual "


def confirmed(finding: Finding, settings: CampaignSettings) -> Finding:
    """Write the reproducer, run it in fresh processes at once, and write it again with what they showed.

    A finding that no fresh process shows loses its folder again.
    """
    folder = write_reproducer(finding, settings.findings)
    logs = [folder / LOG_FILE, *(folder / f"{LOG_FILE}.{again}" for again in range(1, CONFIRMATIONS))]
    with ThreadPoolExecutor(CONFIRMATIONS) as pool:
        ended = list(pool.map(lambda log: run_reproducer(folder, settings.toolchain, log), logs))
    told = [log.read_text(errors="replace") for log in logs]
    for log in logs[1:]:
        log.unlink()
    hits = ended.count(STILL_THERE)
    finding = replace(finding, reproduced=(hits, CONFIRMATIONS))
    if hits == CONFIRMATIONS and _differ(told):
        finding = _undefined(finding)
    if hits:
        write_reproducer(finding, settings.findings)
        (folder / LOG_FILE).write_text(told[ended.index(STILL_THERE)])
    else:
        aside = settings.candidates / f"unreproducible-{folder.name}"
        shutil.rmtree(aside, ignore_errors=True)  # another case of the same signature went the same way
        folder.rename(aside)
    return finding


def run_reproducer(folder: Path, toolchain: Toolchain, log: Path) -> int:
    """Run a finding's ``reproduce.py`` with the tools under test; returns its exit status (-1: no end).

    Its output is written to ``log``.
    """
    environment = dict(os.environ)
    for name, tool in (("PNNX", toolchain.pnnx), ("ONNX2NCNN", toolchain.onnx2ncnn)):
        if tool.path is not None:
            environment[name] = str(tool.path)
    if toolchain.ncnn.origin == "--ncnn" and toolchain.ncnn.path is not None:
        environment["PYTHONPATH"] = str(toolchain.ncnn.path)
    with log.open("w") as output:
        try:
            return subprocess.run(
                [sys.executable, SCRIPT_FILE],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            return -1


def _differ(logs: Sequence[str]) -> bool:
    """Whether the processes printed different actual values."""
    values = {log[log.index(_ACTUAL) :] for log in logs if _ACTUAL in log}
    return len(values) > 1


def _undefined(finding: Finding) -> Finding:
    """The finding with word that its numbers mean nothing."""
    verdict = replace(finding.verdict, evidence={**finding.verdict.evidence, UNDEFINED: True})
    blame = finding.blame
    return replace(
        finding,
        title=title_of(finding.signature, verdict),
        verdict=verdict,
        blame=replace(blame, evidence=(*blame.evidence, DIFFERS)),
    )
