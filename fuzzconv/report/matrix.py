"""The support matrix: operator × opset × dtype × rank × route, and how it compares with what pnnx claims.

Every verdict falls into one of five answers: right, wrong (a fault no tool said a word about), warned (a
fault that a tool announced), unsupported (a tool said it can't), untested (could not be judged).
"""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

from fuzzconv.findings.store import MatrixCell
from fuzzconv.route import is_baseline
from fuzzconv.verdict import Kind

WARNED_PREFIX = "warned "
_CLAIMS = "pnnx_supported_operators.tsv"


class Answer(Enum):
    """What a cell says of an operator on a route; the worst one seen is a cell's headline."""

    WRONG = "wrong"
    WARNED = "warned"
    UNSUPPORTED = "unsupported"
    RIGHT = "right"
    UNTESTED = "untested"


def answer_of(kind: str) -> Answer:
    """The answer a verdict kind gives (``warned divergence``: a bad verdict the tool gave word about)."""
    if kind.startswith(WARNED_PREFIX):
        return Answer.WARNED
    verdict = Kind(kind)
    if verdict is Kind.OK:
        return Answer.RIGHT
    if verdict is Kind.SKIPPED:
        return Answer.UNTESTED
    if verdict is Kind.UNSUPPORTED:
        return Answer.UNSUPPORTED
    # These two are words of a tool by nature: a non-zero exit status or return code.
    return Answer.WARNED if verdict in (Kind.REFUSED, Kind.LOAD_FAILURE) else Answer.WRONG


Counts = Counter[Answer]
Form = tuple[int, str, int]


@dataclass(frozen=True)
class Matrix:
    """Counts by operator, form (opset, dtype, rank) and route.

    Attributes:
        routes: column order.
        cells: operator → form → route → answer counts.
    """

    routes: tuple[str, ...]
    cells: Mapping[str, Mapping[Form, Mapping[str, Counts]]]

    @property
    def operators(self) -> tuple[str, ...]:
        """Row order."""
        return tuple(sorted(self.cells))

    @property
    def shown(self) -> tuple[str, ...]:
        """The columns for people: plain routes. Option rows, of which there are many, are in the CSV."""
        return tuple(route for route in self.routes if is_baseline(route))

    def total(self, operator: str, route: str) -> Counts:
        """All forms of an operator on one route."""
        return sum((by_route.get(route, Counter()) for by_route in self.cells[operator].values()), Counter())


def build_matrix(cells: Iterable[MatrixCell]) -> Matrix:
    """Sum counted cells up."""
    table: dict[str, dict[Form, dict[str, Counts]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(Counter))
    )
    routes = set()
    for cell in cells:
        form = (cell.opset, cell.dtype, cell.rank)
        table[cell.operator][form][cell.route][answer_of(cell.kind)] += cell.cases
        routes.add(cell.route)
    return Matrix(tuple(sorted(routes)), table)


def headline(counts: Counts) -> Answer:
    """The worst answer seen, save that right beats unsupported: some form works."""
    order = (Answer.WRONG, Answer.WARNED, Answer.RIGHT, Answer.UNSUPPORTED)
    return next((answer for answer in order if counts[answer]), Answer.UNTESTED)


@dataclass(frozen=True)
class Claim:
    """A line of pnnx's own table: whether it says the operator reaches ncnn, and its reservation."""

    operator: str
    to_ncnn: bool
    note: str = ""


@cache
def pnnx_claims() -> Mapping[str, Claim]:
    """pnnx's published "Supported ONNX operator status" (``templates/`` names its source)."""
    text = (resources.files("fuzzconv.report") / "templates" / _CLAIMS).read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {row[0]: Claim(row[0], row[2] == "yes", row[3] if len(row) > 3 else "") for row in rows}


@dataclass(frozen=True)
class ClaimCheck:
    """pnnx's claim about one operator against what was seen on its routes.

    Attributes:
        verdict: ``claimed but wrong``, ``claimed but unsupported``, ``unclaimed but working``,
            ``as claimed`` or ``not judged``.
    """

    operator: str
    claim: Claim | None
    seen: Counts
    verdict: str


def check_claims(matrix: Matrix) -> tuple[ClaimCheck, ...]:
    """Compare every operator that was generated with pnnx's table."""
    routes = [route for route in matrix.routes if route.startswith("pnnx")]
    checks = []
    for operator in matrix.operators:
        claim = pnnx_claims().get(operator)
        seen: Counts = sum((matrix.total(operator, route) for route in routes), Counter())
        checks.append(ClaimCheck(operator, claim, seen, _judge(claim, seen)))
    return tuple(checks)


def _judge(claim: Claim | None, seen: Counts) -> str:
    claimed = claim is not None and claim.to_ncnn
    bad = seen[Answer.WRONG] + seen[Answer.WARNED]
    if not (bad or seen[Answer.RIGHT] or seen[Answer.UNSUPPORTED]):
        return "not judged"
    if claimed and bad:
        return "claimed but wrong"
    if claimed and not seen[Answer.RIGHT]:
        return "claimed but unsupported"
    return "unclaimed but working" if not claimed and seen[Answer.RIGHT] and not bad else "as claimed"


def matrix_csv(matrix: Matrix) -> str:
    """One line per operator, opset, dtype, rank and route."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["operator", "opset", "dtype", "rank", "route", *(a.value for a in Answer)])
    for operator in matrix.operators:
        for (opset, dtype, rank), by_route in sorted(matrix.cells[operator].items()):
            for route in matrix.routes:
                if route not in by_route and not is_baseline(route):
                    continue
                counts = by_route.get(route, Counter())
                numbers = [counts[answer] for answer in Answer]
                writer.writerow([operator, opset, dtype, rank, route, *numbers])
    return out.getvalue()


def matrix_markdown(matrix: Matrix) -> str:
    """Operators against routes, worst answer and counts in each cell, then the claims that do not hold."""
    lines = ["# Support matrix", "", "Each cell: the worst answer seen, then right cases of judged ones.", ""]
    lines += _table(
        ["operator", *(f"`{route}`" for route in matrix.shown)],
        [[op, *(cell_text(matrix.total(op, route)) for route in matrix.shown)] for op in matrix.operators],
    )
    checks = [c for c in check_claims(matrix) if c.verdict not in ("as claimed", "not judged")]
    lines += ["", "# Against pnnx's published table", ""]
    if not checks:
        lines.append("Nothing seen speaks against it.")
        return "\n".join(lines) + "\n"
    rows = [
        [c.operator, c.verdict, c.claim.note if c.claim else "", cell_text(c.seen)]
        for c in sorted(checks, key=lambda c: (c.verdict, c.operator))
    ]
    lines += _table(["operator", "verdict", "pnnx's note", "seen"], rows)
    return "\n".join(lines) + "\n"


def judged(counts: Counts) -> int:
    """How many cases gave an answer that is right or wrong."""
    return counts[Answer.RIGHT] + counts[Answer.WRONG] + counts[Answer.WARNED]


def cell_text(counts: Counts) -> str:
    """``wrong 3/10``: the headline, then right cases of judged ones; the headline alone when none was."""
    answer = headline(counts).value
    return f"{answer} {counts[Answer.RIGHT]}/{judged(counts)}" if judged(counts) else answer


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    escaped = ([cell.replace("|", "\\|") for cell in row] for row in rows)
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return lines + ["| " + " | ".join(row) + " |" for row in escaped]
