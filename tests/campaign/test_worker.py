"""A worker's own limits."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("megabytes", "fits"), [(64, True), (9000, False)])
def test_a_worker_that_wants_all_memory_gets_an_error(megabytes: int, fits: bool) -> None:
    code = f"from fuzzconv.campaign.worker import limit_memory; limit_memory(); bytes({megabytes} << 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is fits
    assert fits or done.stderr.strip().endswith("MemoryError")
