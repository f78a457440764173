"""What fails a build: findings that are new and were seen again in a fresh process, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from fuzzconv.report.finding_record import FindingRecord


class Standing(Enum):
    """A finding before the gate."""

    FAILS = "new"
    KNOWN = "known"
    UNREPRODUCED = "not reproduced"


def standing_of(record: FindingRecord) -> Standing:
    """Known before anything else; then whether a fresh process showed it at least once."""
    if record.known:
        return Standing.KNOWN
    hits = next(iter(record.facts.get("reproduced") or (0,)))
    return Standing.FAILS if hits else Standing.UNREPRODUCED


def failing(records: Iterable[FindingRecord]) -> tuple[FindingRecord, ...]:
    """The findings that make the exit code 1."""
    return tuple(record for record in records if standing_of(record) is Standing.FAILS)
