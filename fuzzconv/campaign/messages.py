"""What coordinator and workers say to each other: tasks one way, events the other; all of it picklable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

from fuzzconv.findings.finding import Signature
from fuzzconv.findings.signature import coarse, covers

CANDIDATE_FILE = "candidate.json"
"""In a candidate's folder: what a ``CandidateFound`` says, for a later ``--resume``."""


@dataclass(frozen=True)
class NoNews:
    """What a search round need not report; frozen for the round.

    Attributes:
        found: exact signatures of findings and known bugs; what they cover is a hit on them.
        settled: wide signatures of candidates that were dealt with, whatever became of them.
        waiting: signatures, operator names only, of candidates that wait for reduction: until it is known
            which of their traits matter, nothing of the same operators can be called new.
    """

    found: frozenset[Signature] = frozenset()
    settled: frozenset[Signature] = frozenset()
    waiting: frozenset[Signature] = frozenset()

    def hit(self, wide: Signature) -> Signature | None:
        """The signature that makes ``wide`` no news, None when it is news."""
        covering = (exact for exact in self.found if covers(exact, wide))
        same = (known for known in (wide, coarse(wide)) if known in self.settled or known in self.waiting)
        return next(chain(covering, same), None)

    def and_waiting(self, wide: Signature) -> NoNews:
        """The same with one more candidate waiting."""
        return replace(self, waiting=self.waiting | {coarse(wide)})


@dataclass(frozen=True)
class SearchTask:
    """Run one Hypothesis round.

    Attributes:
        number: the round's number within the run; file names derive from it.
        seed: the round's seed; None replays the Hypothesis example database and searches unseeded.
        until: moment (``time.monotonic``) at which the round must stop.
        no_news: what need not be reported.
        odds: operator → factor in (0, 1] that lowers its odds: triggers of bugs found already.
        favoured: features that half of the cases aim at: those compared too rarely so far.

    Seed, odds and favoured features fix the cases; store and log keep them, so that a round can be rerun.
    """

    number: int
    seed: int | None
    until: float
    no_news: NoNews
    odds: Mapping[str, float] = field(default_factory=dict)
    favoured: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundBug:
    """A finding of this run or a known bug: its exact signature, the kind of its verdict, its slug."""

    signature: Signature
    kind: str
    slug: str


@dataclass(frozen=True)
class ReduceTask:
    """Reduce a candidate, confirm it in a fresh process and write its reproducer.

    Attributes:
        signature: the candidate's signature before reduction.
        folder: absolute path of the candidate's folder.
        route: id of the route whose verdict stands for it.
        until: moment at which the result must be written, reduced or not.
        found: findings and known bugs: another of them is a duplicate.
    """

    signature: Signature
    folder: str
    route: str
    until: float
    found: frozenset[FoundBug]


@dataclass(frozen=True)
class ReplayTask:
    """Replay the corpus.

    Attributes:
        until: moment at which it must stop, done or not.
    """

    until: float


Task = SearchTask | ReduceTask | ReplayTask


@dataclass(frozen=True)
class WorkerReady:
    """The worker has its tools open and waits for tasks."""


@dataclass(frozen=True)
class CaseJudged:
    """One case (or a later part of its routes) was judged.

    Attributes:
        key: the case's key; empty when these are further routes of a case already told.
        verdicts: route id → kind.
        cells: support-matrix cells (operator, opset, dtype, rank, route, kind) that this case counts for.
        features: the case's feature tags.
        operators: distinct operators of the case.
        compared: whether a PNNX route reached a comparison.
        known: signatures of ``NoNews`` that this case showed.
    """

    key: str
    verdicts: Mapping[str, str]
    cells: tuple[tuple[str, int, str, int, str, str], ...] = ()
    features: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    compared: bool = False
    known: tuple[Signature, ...] = ()


@dataclass(frozen=True)
class VulkanLeftOut:
    """A case that passed on the CPU did not go through Vulkan, and why."""

    reason: str


@dataclass(frozen=True)
class CandidateFound:
    """A failing case with a signature that is not known; its folder is already on disk."""

    signature: Signature
    folder: str
    route: str
    title: str


@dataclass(frozen=True)
class RoundEnded:
    """A search round is over.

    Attributes:
        number: the round.
        seconds: its wall time; ``shrink_seconds`` of them were shrinking and localising.
        cases: cases judged; ``executions``: every tool run, shrinking included.
    """

    number: int
    seconds: float
    shrink_seconds: float
    cases: int
    executions: int


@dataclass(frozen=True)
class ReductionEnded:
    """A candidate was dealt with.

    Attributes:
        status: ``reduced``, ``duplicate``, ``variant``, ``doubtful`` (the references disagree) or
            ``unreproducible``.
        signature: its final signature.
        summary: the finding's entry for ``run.json`` (empty unless ``reduced``).
        variant_of: slug of the finding that it is a variant of, else empty.
        seconds, nodes_before, nodes_after, judged: what the reduction took and gave.
        executions: every tool run.
    """

    status: str
    signature: Signature
    summary: Mapping[str, object] = field(default_factory=dict)
    variant_of: str = ""
    seconds: float = 0.0
    nodes_before: int = 0
    nodes_after: int = 0
    judged: int = 0
    executions: int = 0


@dataclass(frozen=True)
class CorpusReplayed:
    """The corpus was replayed: what became of each known bug (``slug, status, recorded, title, detail``)."""

    entries: tuple[Mapping[str, str], ...]
    executions: int


@dataclass(frozen=True)
class TaskFailed:
    """A task ended with an error of ours (a full disk, a bug of this program); what it had found is kept.

    Attributes:
        error: one line.
        traceback: for ``errors.log``.
    """

    error: str
    traceback: str


Event = (
    WorkerReady
    | CaseJudged
    | VulkanLeftOut
    | CandidateFound
    | RoundEnded
    | ReductionEnded
    | CorpusReplayed
    | TaskFailed
)
