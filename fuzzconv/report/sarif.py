"""A run's findings as SARIF 2.1.0, for code-scanning services.

One rule per verdict kind, one result per finding; the fingerprint is the signature, so that a service tells
the same bug of two runs from two bugs. Locations are paths below the run folder (base ``RUN``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version

from fuzzconv.report.finding_record import FindingRecord
from fuzzconv.report.gate import Standing, standing_of
from fuzzconv.report.ranking import harm
from fuzzconv.report.reproducer import SCRIPT_FILE
from fuzzconv.report.run_report import RunReport
from fuzzconv.verdict import Kind

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "fuzzconvSignature/v1"
_BASE = "RUN"
_RULES = {
    Kind.REFUSED: "The converter refuses a valid model",
    Kind.LOAD_FAILURE: "ncnn can't load what the converter wrote",
    Kind.HANG: "A tool does not end",
    Kind.CRASH: "A tool crashes",
    Kind.SHAPE_MISMATCH: "An output has the wrong shape",
    Kind.NAN: "An output is not finite where it should be",
    Kind.DIVERGENCE: "An output has wrong values",
    Kind.NONDETERMINISM: "The same input gives different outputs",
    Kind.WEIGHT_LOST: "Weights get lost in conversion",
    Kind.WEIGHT_SHIFT: "Weights are read from the wrong place",
    Kind.WEIGHT_NAN: "Weights are read as values that are not finite",
}


def sarif_text(report: RunReport) -> str:
    """The log file's text."""
    kinds = sorted({record.kind for record in report.findings}, key=lambda kind: kind.rank)
    driver = {
        "name": "fuzzconv",
        "version": version("fuzzconv"),
        "rules": [_rule(kind) for kind in kinds],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"fuzzconv/{report.name}"},
        "originalUriBaseIds": {_BASE: {"description": {"text": "The run's folder"}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(record, kinds) for record in report.findings],
        "properties": {"tools": report.facts.get("tools", {}), "seed": report.facts.get("seed")},
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _rule(kind: Kind) -> dict[str, object]:
    return {
        "id": kind.value,
        "shortDescription": {"text": _RULES[kind]},
        "defaultConfiguration": {"level": _level(kind)},
    }


def _level(kind: Kind) -> str:
    return "warning" if harm(kind) == 2 else "error"


def _result(record: FindingRecord, kinds: Sequence[Kind]) -> dict[str, object]:
    standing = standing_of(record)
    script = f"findings/{record.slug}/{SCRIPT_FILE}"
    said = (record.text("title"), record.text("detail"), f"Reproduce: python {script}")
    location = {
        "artifactLocation": {"uri": script, "uriBaseId": _BASE},
        "region": {"startLine": 1},
    }
    result: dict[str, object] = {
        "ruleId": record.kind.value,
        "ruleIndex": kinds.index(record.kind),
        "level": _level(record.kind) if standing is Standing.FAILS else "note",
        "message": {"text": "\n\n".join(said)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {_FINGERPRINT: hashlib.sha256(record.text("signature").encode()).hexdigest()},
        "baselineState": "unchanged" if standing is Standing.KNOWN else "new",
        "properties": {
            "route": record.text("route"),
            "silent": bool(record.facts.get("silent")),
            "operators": record.facts.get("operators", []),
            "blame": record.facts.get("blame", {}).get("stage", ""),
            "standing": standing.value,
        },
    }
    if standing is Standing.KNOWN:
        justification = f"known bug {record.known}"
        result["suppressions"] = [{"kind": "external", "justification": justification}]
    return result
