"""Run the command line with a display that tells when the first case was judged, and nothing else.

``python -m benchmarks.watched [--stop-early] OPTIONS OF fuzz``; prints ``first case at MONOTONIC-SECONDS``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from unittest import mock

from fuzzconv.campaign.display import QuietDisplay
from fuzzconv.campaign.messages import CandidateFound
from fuzzconv.campaign.tally import Tally
from fuzzconv.cli.main import main


class WatchingDisplay(QuietDisplay):
    """Tells of the first case.

    Args:
        stop_early: then end the campaign.
    """

    def __init__(self, *, stop_early: bool) -> None:
        self._told = False
        self._stop_early = stop_early

    def update(
        self, tally: Tally, findings: Sequence[Mapping[str, object]], pending: Sequence[CandidateFound]
    ) -> None:
        """Look for the first case."""
        if tally.cases and not self._told:
            self._told = True
            print(f"first case at {time.monotonic()}", flush=True)
            if self._stop_early:
                raise KeyboardInterrupt


if __name__ == "__main__":
    options = [option for option in sys.argv[1:] if option != "--stop-early"]
    display = WatchingDisplay(stop_early=len(options) < len(sys.argv) - 1)
    with mock.patch("fuzzconv.cli.fuzz.open_display", return_value=display):
        sys.exit(main(options))
