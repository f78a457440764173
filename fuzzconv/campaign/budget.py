"""Time budgets: reading them, and the moments a campaign's phases end."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from fuzzconv.errors import UsageError

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")


def parse_duration(text: str) -> float:
    """Seconds in ``90s``, ``10m``, ``1h30m`` or a bare number of seconds.

    Raises:
        UsageError: not a duration, or not above zero.
    """
    match = _DURATION.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    total = 3600 * hours + 60 * minutes + seconds
    if total <= 0:
        raise UsageError(f"not a duration: {text!r} (try 90s, 10m or 1h30m)")
    return total


@dataclass(frozen=True)
class Budget:
    """The clock of one campaign; all moments are on ``time.monotonic``, which all processes share.

    Attributes:
        started: the start.
        seconds: how long it may take, reduction and reports included.
    """

    started: float
    seconds: float

    @classmethod
    def start(cls, seconds: float, already_spent: float = 0.0) -> Budget:
        """A budget that starts now, or that started ``already_spent`` seconds ago (a resumed run)."""
        return cls(time.monotonic() - already_spent, seconds)

    @property
    def end(self) -> float:
        """When everything has to be over."""
        return self.started + self.seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def closing(self) -> float:
        """When no search goes on while candidates wait: the last eighth, 8 s to 3 min, is for reduction."""
        return self.end - min(max(self.seconds / 8, 8.0), 180.0, self.seconds / 2)

    @property
    def over(self) -> bool:
        """Whether the end has come."""
        return time.monotonic() >= self.end
