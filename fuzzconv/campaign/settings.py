"""What a campaign was asked to do, and where it keeps what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fuzzconv.findings.known import KnownBug, load_corpus
from fuzzconv.route import Route
from fuzzconv.toolchain.toolchain import Toolchain


@dataclass(frozen=True)
class CampaignSettings:
    """One campaign's parameters; picklable, every worker gets a copy.

    Attributes:
        seconds: the time budget, reduction and reports included.
        jobs: number of worker processes.
        seed: the run's seed; round ``n`` uses a seed derived from it and ``n``.
        routes: routes that will run.
        skipped: route id → why it won't.
        folder: the run folder (absolute).
        toolchain: the tools under test.
        replay_database: start with an unseeded round that replays the Hypothesis example database; off when
            the user gave a seed, because such a round is not repeatable.
        corpus: folder of known bugs.
        reduce_seconds: most time one reduction may take.
        against: base versions; a finding that they show too is counted as known.
    """

    seconds: float
    jobs: int
    seed: int
    routes: tuple[Route, ...]
    skipped: dict[str, str]
    folder: Path
    toolchain: Toolchain
    replay_database: bool
    corpus: Path
    reduce_seconds: float = 60.0
    against: Toolchain | None = None

    @property
    def database(self) -> Path:
        """The Hypothesis example database, kept beside the runs so that the next one replays it."""
        return self.folder.parent / ".hypothesis-examples"

    @cached_property
    def known_bugs(self) -> tuple[KnownBug, ...]:
        """The corpus.

        Raises:
            UsageError: an entry can't be read.
        """
        return load_corpus(self.corpus)

    @property
    def candidates(self) -> Path:
        """Failing cases as found."""
        return self.folder / "candidates"

    @property
    def findings(self) -> Path:
        """Reduced findings with their reproducers."""
        return self.folder / "findings"
