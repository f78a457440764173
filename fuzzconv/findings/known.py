"""Known bugs: one folder each in ``corpus/``, matched against new failures and replayed.

An entry is ``corpus/<slug>/`` with ``model.onnx``, ``inputs.npz`` and ``finding.toml``. Its exact signature
covers later failures of the same cause (``matching``); ``replay`` takes the case down the road again and
tells whether the bug is still there, fixed, or has changed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from fuzzconv.case import INPUTS_FILE, MODEL_FILE, Case, read_arrays
from fuzzconv.errors import UsageError
from fuzzconv.findings.finding import Blame, Signature
from fuzzconv.findings.rows import with_row
from fuzzconv.findings.signature import covers, failures, is_among, signature_of
from fuzzconv.judgement import Judge
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

TOML_FILE = "finding.toml"
UNREPORTED = "unreported"


class Status(Enum):
    """Whether a known bug is there: what an entry records, and what a replay finds."""

    STILL = "still"
    FIXED = "fixed"
    CHANGED = "changed"
    NOT_RUN = "not run"


@dataclass(frozen=True)
class KnownBug:
    """One entry of the corpus.

    Attributes:
        slug: its folder's name.
        signature: exact.
        title, kind, blame: as in ``Finding``.
        route: id of the route that shows it.
        case: model and inputs.
        tools: tool name → versions it was seen with.
        upstream: the link to its report, or ``unreported``.
        status: what the last look found: ``still`` or ``fixed``.
    """

    slug: str
    signature: Signature
    title: str
    kind: Kind
    route: str
    case: Case
    blame: Blame = field(default_factory=Blame)
    tools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    upstream: str = UNREPORTED
    status: Status = Status.STILL


@dataclass(frozen=True)
class Replayed:
    """What a replay of an entry found, and the sentence to tell it; falsy when the record is out of date."""

    known: KnownBug
    status: Status
    told: str
    verdicts: tuple[Verdict, ...] = ()

    def __bool__(self) -> bool:
        return self.status in (self.known.status, Status.NOT_RUN)


def default_corpus() -> Path:
    """The corpus in the current directory, else the one beside the package's sources."""
    here = Path("corpus")
    return here if here.is_dir() else Path(__file__).parents[2] / "corpus"


def load_corpus(corpus: Path) -> tuple[KnownBug, ...]:
    """All entries of a corpus folder, by name; a folder that isn't there holds none.

    Raises:
        UsageError: an entry can't be read.
    """
    return tuple(load_known(path.parent) for path in sorted(corpus.glob(f"*/{TOML_FILE}")))


def load_known(folder: Path) -> KnownBug:
    """Read one entry.

    Raises:
        UsageError: a file is missing or damaged.
    """
    try:
        record = tomllib.loads((folder / TOML_FILE).read_text(encoding="utf-8"))
        blame = record["blame"]
        return KnownBug(
            slug=folder.name,
            signature=Signature(**{**record["signature"], "operators": _strings(record["signature"])}),
            title=record["title"],
            kind=Kind(record["kind"]),
            route=record["route"],
            case=_read_case(folder, record.get("case", {})),
            blame=Blame(blame["stage"], tuple(blame["evidence"]), blame["layer"]),
            tools={name: tuple(versions) for name, versions in record.get("tools", {}).items()},
            upstream=record.get("upstream", UNREPORTED),
            status=Status(record.get("status", Status.STILL.value)),
        )
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise UsageError(f"can't read the known bug in {folder}: {error}") from error


def write_known(known: KnownBug, corpus: Path) -> Path:
    """Write an entry into ``corpus``, in place of an older one of its slug; returns its folder.

    Raises:
        OSError: the folder can't be written.
    """
    folder = corpus / known.slug
    folder.mkdir(parents=True, exist_ok=True)
    known.case.write(folder)
    known.case.write_inputs(folder)
    (folder / TOML_FILE).write_text("\n".join(_toml(known)) + "\n", encoding="utf-8")
    return folder


def from_finding(folder: Path, *, upstream: str = UNREPORTED) -> KnownBug:
    """A finding's reproducer folder as an entry.

    Raises:
        UsageError: the folder holds no finding.
    """
    try:
        record = json.loads((folder / "finding.json").read_text(encoding="utf-8"))
        parts = record["signature_parts"]
        signature = Signature(**{**parts, "operators": _strings(parts)})
        blame = record["blame"]
        return KnownBug(
            slug=signature.slug,
            signature=signature,
            title=record["title"],
            kind=Kind(record["kind"]),
            route=record["route"],
            case=_read_case(folder, record),
            blame=Blame(blame["stage"], tuple(blame["evidence"]), blame["layer"]),
            tools={name: (version,) for name, version in record["tools"].items()},
            upstream=upstream,
        )
    except (OSError, ValueError, KeyError, TypeError, DecodeError) as error:
        raise UsageError(f"{folder} is not a finding's folder: {error}") from error


def matching(signature: Signature, corpus: Iterable[KnownBug]) -> KnownBug | None:
    """The known bug whose signature covers ``signature``, the most exact one first."""
    fitting = [known for known in corpus if covers(known.signature, signature)]
    return max(fitting, key=lambda known: len(str(known.signature)), default=None)


def replay(known: KnownBug, judge: Judge, routes: Sequence[Route]) -> Replayed:
    """Take an entry's case down the road again, on those of ``routes`` that its converter has."""
    wanted = Route.parse(known.route)
    mine = [r for r in routes if known.signature.converter in ("ncnn", r.converter)]
    if replace(wanted, options="") in mine:
        mine = list(with_row(mine, wanted))
    if wanted not in mine:
        return Replayed(known, Status.NOT_RUN, f"route {known.route} is not among those that run")
    judgement = judge.judge(known.case, mine)
    found = [(failure, signature_of(judgement, failure)) for failure in failures(judgement)]
    for failure, signature in found:
        if covers(known.signature, signature) or is_among(known.signature, signature):
            return Replayed(known, Status.STILL, failure.detail, judgement.verdicts)
    if found:
        failure, signature = found[0]
        return Replayed(known, Status.CHANGED, f"{signature.family}: {failure.detail}", judgement.verdicts)
    verdict = next(v for v in judgement.verdicts if v.route == wanted)
    if verdict.kind is Kind.OK:
        return Replayed(known, Status.FIXED, f"{known.route} is right", judgement.verdicts)
    return Replayed(known, Status.CHANGED, f"{verdict.kind.value}: {verdict.detail}", judgement.verdicts)


def _read_case(folder: Path, options: Mapping[str, object]) -> Case:
    return Case(
        onnx.load(folder / MODEL_FILE),
        read_arrays(folder / INPUTS_FILE),
        external_data=bool(options.get("external_data")),
        declare_inputshape=bool(options.get("declare_inputshape")),
        external_file=str(options.get("external_file") or ""),
    )


def _strings(parts: Mapping[str, object]) -> tuple[str, ...]:
    operators = parts["operators"]
    if not isinstance(operators, list):
        raise ValueError("operators is no list")
    return tuple(map(str, operators))


def _toml(known: KnownBug) -> Iterator[str]:
    yield from _table(
        title=known.title,
        kind=known.kind.value,
        route=known.route,
        status=known.status.value,
        upstream=known.upstream,
    )
    yield "\n[signature]"
    yield from _table(**vars(known.signature))
    yield "\n[blame]"
    blame = known.blame
    yield from _table(stage=blame.stage, evidence=blame.evidence, layer=blame.layer)
    yield "\n[tools]"
    yield from _table(**known.tools)
    case = known.case
    if case.external_data or case.declare_inputshape:
        yield "\n[case]"
        yield from _table(
            external_data=case.external_data,
            declare_inputshape=case.declare_inputshape,
            external_file=case.external_file,
        )


def _table(**values: object) -> Iterator[str]:
    """Lines of a TOML table; JSON's strings, booleans and lists of strings are TOML's too."""
    for name, value in values.items():
        yield f"{name} = {json.dumps(value, ensure_ascii=False)}"
