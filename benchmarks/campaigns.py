"""Real campaigns, run through the command line and watched from outside (``run_campaign``)."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 1.0
_LATEST_SECONDS = 60.0


@dataclass(frozen=True)
class Watched:
    """One campaign.

    Attributes:
        run: its ``run.json``.
        first_case: seconds from the start of the process to the first judged case, None if there was none.
        samples: (seconds since the start, what ``sample`` gave) about once a second.
    """

    run: Mapping[str, object]
    first_case: float | None
    samples: Sequence[tuple[float, float]]

    def number(self, name: str) -> float:
        """A number of ``run.json``."""
        return float(str(self.run[name]))


def run_campaign(
    options: Sequence[str],
    seconds: float,
    sample: Callable[[int], float] | None = None,
    *,
    first_only: bool = False,
) -> Watched:
    """Run one campaign with an empty corpus folder in a run folder of its own, which is removed.

    Args:
        options: of ``fuzz``, beside budget and folders.
        seconds: the budget.
        sample: measures the coordinator's process (its number is given) while the campaign runs.
        first_only: stop it after the first case.

    Raises:
        RuntimeError: it ended in any other way than with or without findings.
    """
    with tempfile.TemporaryDirectory(prefix="bench-campaign-") as out:
        folders = ["--out", out, "--corpus", f"{out}/no-corpus"]
        command = [sys.executable, "-m", "benchmarks.watched", *(["--stop-early"] if first_only else [])]
        started = time.monotonic()
        with (Path(out) / "output").open("w+") as output:
            process = subprocess.Popen(
                [*command, "--budget", f"{seconds}s", *folders, *options],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            samples = _watch(process, started, seconds, sample)
            output.seek(0)
            text = output.read()
        found = [line for line in text.splitlines() if line.startswith("first case at ")]
        if process.returncode not in (0, 1, 130) or not list(Path(out).glob("*/run.json")):
            raise RuntimeError(f"a campaign ended with {process.returncode}:\n{text[-2000:]}")
        run = json.loads(next(Path(out).glob("*/run.json")).read_text())
    return Watched(run, float(found[0].split()[-1]) - started if found else None, samples)


def _watch(
    process: subprocess.Popen[bytes], started: float, seconds: float, sample: Callable[[int], float] | None
) -> list[tuple[float, float]]:
    samples = []
    while process.poll() is None:
        elapsed = time.monotonic() - started
        if elapsed > seconds + _LATEST_SECONDS:
            process.kill()
        if sample and elapsed < seconds:
            samples.append((elapsed, sample(process.pid)))
        time.sleep(_SAMPLE_SECONDS if sample else 0.05)
    return samples
