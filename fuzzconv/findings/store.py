"""The run folder's SQLite store (WAL): what a campaign did, kept so that a kill -9 loses nothing found.

One writer, the coordinator; readers (reports, ``--resume``, ``merge``) open it at any time. Candidates
(failing cases waiting for reduction) and findings are committed at once, counters once a flush.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fuzzconv.errors import StorageError, UsageError
from fuzzconv.findings.finding import Signature

STORE_FILE = "campaign.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS rounds (
    number INTEGER PRIMARY KEY, seed INTEGER, worker INTEGER NOT NULL, started REAL NOT NULL,
    seconds REAL NOT NULL, cases INTEGER NOT NULL, executions INTEGER NOT NULL, shrink_seconds REAL NOT NULL);
CREATE TABLE IF NOT EXISTS steering (round INTEGER PRIMARY KEY, masked TEXT NOT NULL, favoured TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cases (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (
    route TEXT, kind TEXT, count INTEGER NOT NULL, PRIMARY KEY (route, kind));
CREATE TABLE IF NOT EXISTS cells (
    operator TEXT, opset INTEGER, dtype TEXT, rank INTEGER, route TEXT, kind TEXT, count INTEGER NOT NULL,
    PRIMARY KEY (operator, opset, dtype, rank, route, kind));
CREATE TABLE IF NOT EXISTS features (
    feature TEXT PRIMARY KEY, generated INTEGER NOT NULL, compared INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS curve (
    elapsed REAL NOT NULL, cases INTEGER NOT NULL, signatures INTEGER NOT NULL, operators INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS candidates (
    signature TEXT PRIMARY KEY, folder TEXT NOT NULL, status TEXT NOT NULL, hits INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS findings (
    slug TEXT PRIMARY KEY, signature TEXT NOT NULL, summary TEXT NOT NULL, hits INTEGER NOT NULL DEFAULT 1);
CREATE TABLE IF NOT EXISTS variants (signature TEXT PRIMARY KEY, slug TEXT NOT NULL, parts TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reductions (
    slug TEXT NOT NULL, seconds REAL NOT NULL, nodes_before INTEGER NOT NULL, nodes_after INTEGER NOT NULL,
    judged INTEGER NOT NULL);
"""


class MatrixCell(NamedTuple):
    """How often an operator in one form met one verdict kind on one route."""

    operator: str
    opset: int
    dtype: str
    rank: int
    route: str
    kind: str
    cases: int


class CurvePoint(NamedTuple):
    """Progress at one moment: seconds since the start, and totals so far."""

    elapsed: float
    cases: int
    signatures: int
    operators: int


class RoundRecord(NamedTuple):
    """A finished search round: its seed, its worker, its start (seconds into the run), what it took.

    ``masked`` and ``favoured`` name, separated by commas, the operators whose odds were lowered and the
    features that cases aimed at. With the seed they fix the round's cases.
    """

    number: int
    seed: int | None
    worker: int
    started: float
    seconds: float
    cases: int
    executions: int
    shrink_seconds: float
    masked: str = ""
    favoured: str = ""


@dataclass(frozen=True)
class Candidate:
    """A failing case on disk that waits for its reduction.

    Attributes:
        signature: its signature before reduction, as text.
        folder: the case's folder below the run folder.
        status: ``waiting``, ``reduced``, ``duplicate`` (after reduction) or ``unreproducible``.
    """

    signature: str
    folder: str
    status: str


class RunStore:
    """The store of one run.

    Raises:
        UsageError: ``create`` is False and there is no store, or the file is not one of ours.
        StorageError: the file can't be written.
    """

    def __init__(self, run: Path, *, create: bool = False) -> None:
        path = run / STORE_FILE
        if not create and not path.is_file():
            raise UsageError(f"{run} is not a run folder (it has no {STORE_FILE})")
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.OperationalError as error:
            raise StorageError(f"can't write {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path} is not a campaign store: {error}") from error

    def close(self) -> None:
        """Close the file; everything written is already on disk."""
        self._db.close()

    def set_facts(self, facts: Mapping[str, object]) -> None:
        """Keep named facts of the run (budget, seed, tools …) as JSON."""
        rows = [(name, json.dumps(value)) for name, value in facts.items()]
        self._db.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", rows)

    def facts(self) -> dict[str, object]:
        """All facts of the run."""
        return {name: json.loads(value) for name, value in self._db.execute("SELECT * FROM facts")}

    def add_round(self, record: RoundRecord) -> None:
        """Record a finished search round."""
        steering = (record.number, record.masked, record.favoured)
        self._db.execute("INSERT OR REPLACE INTO rounds VALUES (?, ?, ?, ?, ?, ?, ?, ?)", record[:8])
        self._db.execute("INSERT OR REPLACE INTO steering VALUES (?, ?, ?)", steering)

    def rounds(self) -> list[RoundRecord]:
        """All finished rounds, in order."""
        query = (
            "SELECT rounds.*, coalesce(masked, ''), coalesce(favoured, '') FROM rounds"
            " LEFT JOIN steering ON round = number ORDER BY number"
        )
        return [RoundRecord(*row) for row in self._db.execute(query)]

    def add_counts(
        self,
        keys: Iterable[str],
        verdicts: Counter[tuple[str, str]],
        cells: Counter[tuple[str, int, str, int, str, str]],
        features: Mapping[str, tuple[int, int]],
    ) -> None:
        """Add keys of distinct cases and counters: (route, kind), cells, feature → (generated, compared)."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO cases VALUES (?)", [(key,) for key in keys])
        self._db.executemany(
            "INSERT INTO verdicts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, count) for key, count in verdicts.items()],
        )
        self._db.executemany(
            "INSERT INTO cells VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, count) for key, count in cells.items()],
        )
        self._db.executemany(
            "INSERT INTO features VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
            " generated = generated + excluded.generated, compared = compared + excluded.compared",
            [(name, *counts) for name, counts in features.items()],
        )
        self._db.execute("COMMIT")

    def case_keys(self) -> set[str]:
        """Keys of all distinct cases."""
        return {key for (key,) in self._db.execute("SELECT key FROM cases")}

    def verdicts(self) -> dict[str, dict[str, int]]:
        """Route → kind → count."""
        table: dict[str, dict[str, int]] = {}
        for route, kind, count in self._db.execute("SELECT * FROM verdicts ORDER BY route, kind"):
            table.setdefault(route, {})[kind] = count
        return table

    def matrix(self) -> list[MatrixCell]:
        """Every counted cell of the support matrix."""
        order = "operator, opset, dtype, rank, route, kind"
        return [MatrixCell(*row) for row in self._db.execute(f"SELECT * FROM cells ORDER BY {order}")]

    def features(self) -> dict[str, tuple[int, int]]:
        """Feature → (cases generated, cases compared on a PNNX route)."""
        return {name: (g, c) for name, g, c in self._db.execute("SELECT * FROM features ORDER BY feature")}

    def add_curve_point(self, point: CurvePoint) -> None:
        """Append a point of the progress curve."""
        self._db.execute("INSERT INTO curve VALUES (?, ?, ?, ?)", point)

    def curve(self) -> list[CurvePoint]:
        """Progress over time."""
        return [CurvePoint(*row) for row in self._db.execute("SELECT * FROM curve ORDER BY elapsed")]

    def add_candidate(self, signature: str, folder: str) -> bool:
        """Store a failing case; returns False (and counts a hit) when its signature is already there."""
        known = self._db.execute("SELECT 1 FROM candidates WHERE signature = ?", (signature,)).fetchone()
        self._db.execute(
            "INSERT INTO candidates (signature, folder, status) VALUES (?, ?, 'waiting')"
            " ON CONFLICT DO UPDATE SET hits = hits + 1",
            (signature, folder),
        )
        return known is None

    def move_candidate(self, signature: str, folder: str, status: str) -> None:
        """Let a candidate stand for the case in another folder."""
        self._db.execute(
            "UPDATE candidates SET folder = ?, status = ? WHERE signature = ?", (folder, status, signature)
        )

    def count_hit(self, signature: str) -> None:
        """Count one more case with a candidate's signature."""
        self._db.execute("UPDATE candidates SET hits = hits + 1 WHERE signature = ?", (signature,))

    def set_candidate_status(self, signature: str, status: str) -> None:
        """Mark a candidate ``reduced``, ``duplicate`` or ``unreproducible``."""
        self._db.execute("UPDATE candidates SET status = ? WHERE signature = ?", (status, signature))

    def candidates(self) -> list[Candidate]:
        """All candidates in the order they were found."""
        query = "SELECT signature, folder, status FROM candidates ORDER BY rowid"
        return [Candidate(*row) for row in self._db.execute(query)]

    def add_finding(self, slug: str, signature: str, summary: Mapping[str, object]) -> None:
        """Store a finding's summary (its entry in ``run.json``)."""
        self._db.execute(
            "INSERT INTO findings (slug, signature, summary) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET summary = excluded.summary, hits = hits + 1",
            (slug, signature, json.dumps(summary)),
        )

    def add_variant(self, slug: str, signature: Signature) -> None:
        """Note a variant of a finding: the same bug under another signature."""
        row = self._db.execute("SELECT summary FROM findings WHERE slug = ?", (slug,)).fetchone()
        if row:
            summary = json.loads(row[0])
            summary["variants"] = sorted({*summary.get("variants", []), str(signature)})
            self._db.execute("UPDATE findings SET summary = ? WHERE slug = ?", (json.dumps(summary), slug))
        parts = json.dumps(vars(signature))
        self._db.execute("INSERT OR IGNORE INTO variants VALUES (?, ?, ?)", (str(signature), slug, parts))

    def variants(self) -> list[tuple[str, Signature]]:
        """Slug and signature of every variant, in the order they were found."""
        query = "SELECT slug, parts FROM variants ORDER BY rowid"
        return [(slug, Signature.from_parts(json.loads(parts))) for slug, parts in self._db.execute(query)]

    def findings(self) -> list[dict[str, object]]:
        """The summaries of all findings, in the order they were found."""
        query = "SELECT summary, hits FROM findings ORDER BY rowid"
        return [{**json.loads(summary), "hits": hits} for summary, hits in self._db.execute(query)]

    def add_reduction(
        self, slug: str, *, seconds: float, nodes_before: int, nodes_after: int, judged: int
    ) -> None:
        """Record one reduction."""
        row = (slug, seconds, nodes_before, nodes_after, judged)
        self._db.execute("INSERT INTO reductions VALUES (?, ?, ?, ?, ?)", row)


def merge_features(pairs: Iterable[tuple[str, bool]]) -> dict[str, tuple[int, int]]:
    """Count (feature, compared) pairs into feature → (generated, compared)."""
    generated: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    for feature, was_compared in pairs:
        generated[feature] += 1
        compared[feature] += was_compared
    return {name: (count, compared[name]) for name, count in generated.items()}
