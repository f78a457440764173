"""Failing cases of one signature: when the reduction of one shows nothing, another one may.

A crash that comes and goes, a case that onnxruntime can't run once it is small, a worker that died: the
cause has not been seen then, and its signature must not stay closed for the rest of the campaign.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzzconv.findings.finding import Signature

MOST_WITNESSES = 3
UNSEEN = frozenset({"doubtful", "unreproducible", "worker died"})
"""Ends of a reduction that say little about the cause, and only something about the case."""


@dataclass
class Witnesses:
    """How many cases of each candidate's signature have been reduced in vain."""

    _in_vain: Counter[Signature] = field(default_factory=Counter)

    def another_may_come(self, candidate: Signature, status: str) -> bool:
        """Note the end of a reduction; whether the next case of that signature is worth another one."""
        if status not in UNSEEN:
            return False
        self._in_vain[candidate] += 1
        return self._in_vain[candidate] < MOST_WITNESSES

    def put_aside(self, candidate: Signature, folder: Path) -> Path:
        """Rename the folder of a case that showed nothing, to have its place for the next; the new path.

        Raises:
            OSError: it can't be renamed.
        """
        return folder.rename(folder.with_name(f"{folder.name}-witness-{self._in_vain[candidate]}"))
