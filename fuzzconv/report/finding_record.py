"""A finding as its folder tells it: what reports are rebuilt from, long after the run.

Everything that may be missing (an interrupted write by hand, an older version's folder) reads as empty.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from fuzzconv.case import INPUTS_FILE, MODEL_FILE, Array, read_arrays
from fuzzconv.errors import UsageError
from fuzzconv.report.ranking import Rank, rank
from fuzzconv.report.reproducer import FINDING_FILE, ISSUE_FILE, SCRIPT_FILE, file_name
from fuzzconv.runtime.execution import BlobRead
from fuzzconv.verdict import Kind

_UNREADABLE = (OSError, ValueError, zipfile.BadZipFile)


@dataclass(frozen=True)
class FindingRecord:
    """One ``findings/<slug>/`` folder.

    Attributes:
        folder: where it is.
        facts: content of ``finding.json``.
    """

    folder: Path
    facts: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path) -> FindingRecord:
        """Read a folder.

        Raises:
            UsageError: there is no readable ``finding.json``, or it is of an unknown verdict kind.
        """
        try:
            facts = json.loads((folder / FINDING_FILE).read_text(encoding="utf-8"))
            Kind(facts["kind"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder / FINDING_FILE} is no finding: {error}") from error
        return cls(folder, facts)

    @property
    def slug(self) -> str:
        """Its folder's name."""
        return self.folder.name

    @property
    def kind(self) -> Kind:
        """Its verdict's kind."""
        return Kind(self.facts["kind"])

    @property
    def rank(self) -> Rank:
        """Its place in the order of interest."""
        operators = self.facts.get("operators", [])
        silent = bool(self.facts.get("silent"))
        parts = self.facts.get("signature_parts") or {}
        return rank(
            self.kind,
            silent=silent,
            operators=operators,
            known=bool(self.known),
            converter=str(parts.get("converter") or self.text("converter")),
            slug=self.slug,
        )

    @property
    def known(self) -> str:
        """The known bug that it is, else empty."""
        return str(self.facts.get("known") or "")

    def text(self, name: str) -> str:
        """A fact as text."""
        return str(self.facts.get(name) or "")

    @property
    def conversion(self) -> str:
        """``CONVERTER[:SETTING]`` of its route."""
        return self.text("route").partition("/")[0]

    @cached_property
    def model(self) -> onnx.ModelProto | None:
        """The reduced model."""
        try:
            return onnx.load(self.folder / MODEL_FILE)
        except (OSError, ValueError, DecodeError):
            return None

    @cached_property
    def inputs(self) -> Mapping[str, Array]:
        """What to feed."""
        return _arrays(self.folder / INPUTS_FILE)

    @cached_property
    def expected(self) -> Mapping[str, Array]:
        """Reference outputs."""
        return _arrays(self.folder / "expected.npz")

    @cached_property
    def bounds(self) -> Mapping[str, Array]:
        """Allowed absolute error per element."""
        return _arrays(self.folder / "bounds.npz")

    @cached_property
    def actual(self) -> Mapping[str, Array]:
        """What came out on the finding's own route."""
        return _arrays(self.folder / "actual" / f"{file_name(self.text('route'))}.npz")

    @cached_property
    def weights(self) -> bytes:
        """The ``.bin`` that the finding's converter wrote."""
        path = self.folder / "converted" / file_name(self.conversion) / "m.ncnn.bin"
        return path.read_bytes() if path.is_file() else b""

    @cached_property
    def reads(self) -> tuple[BlobRead, ...]:
        """What ncnn reads from ``weights``; the values themselves are not kept."""
        trace = self.facts.get("weight_reads", {}).get(self.conversion, {})
        return tuple(read_blob(entry) for entry in trace.get("blobs", []))

    @cached_property
    def param(self) -> str:
        """The ``.param`` that the finding's converter wrote."""
        return self.file(f"converted/{file_name(self.conversion)}/m.ncnn.param")

    @cached_property
    def script(self) -> str:
        """``reproduce.py``."""
        return self.file(SCRIPT_FILE)

    @cached_property
    def issue(self) -> str:
        """``ISSUE.md``."""
        return self.file(ISSUE_FILE)

    def file(self, name: str) -> str:
        """A text file of the folder, empty when it is not there."""
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def load_findings(findings_dir: Path) -> tuple[tuple[FindingRecord, ...], tuple[str, ...]]:
    """All findings below a folder, most interesting first, and a sentence for each unreadable one."""
    records, problems = [], []
    for path in sorted(findings_dir.glob(f"*/{FINDING_FILE}")):
        try:
            records.append(FindingRecord.load(path.parent))
        except UsageError as error:
            problems.append(str(error))
    return tuple(sorted(records, key=lambda record: record.rank)), tuple(problems)


def _arrays(path: Path) -> Mapping[str, Array]:
    try:
        return read_arrays(path)
    except _UNREADABLE:
        return {}


def read_blob(entry: Mapping[str, Any]) -> BlobRead:
    """One read of the ``.bin`` as ``finding.json`` tells it, without its values."""
    values = np.zeros(0, np.float32) if entry["complete"] else None
    return BlobRead(
        entry["layer"],
        entry["layer_type"],
        entry["index"],
        entry["load_type"],
        entry["tag"],
        entry["offset"],
        entry["size"],
        values,
    )
