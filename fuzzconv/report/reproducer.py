"""The folder of one finding: everything a maintainer needs, and everything a report is rebuilt from.

``write_reproducer`` writes ``findings/<slug>/`` under a temporary name and renames it, so that a folder
that is there is complete:

model.onnx (+ its .data)      the reduced model           original/     the case as it was found
model.txt                     the same, readable          expected.npz  reference outputs
inputs.npz                    what to feed                bounds.npz    allowed error per element
reproduce.py                  shows the bug               actual/       outputs by route
ISSUE.md                      ready for upstream          converted/    .param, .bin and logs by converter
finding.json                  all of it for machines
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from fuzzconv.case import Array, Case, write_arrays
from fuzzconv.converters.conversion import Conversion
from fuzzconv.findings.finding import Finding
from fuzzconv.report.issue import issue_text
from fuzzconv.report.machine import machine
from fuzzconv.report.model_text import case_text, node_text
from fuzzconv.report.script import reproduce_script
from fuzzconv.report.tolerance import element_bounds
from fuzzconv.runtime.execution import BlobRead
from fuzzconv.verdict import Verdict

FINDING_FILE = "finding.json"
SCRIPT_FILE = "reproduce.py"
ISSUE_FILE = "ISSUE.md"
KEPT_FILES = {"pnnx.param": "m.pnnx.param", "ncnn.py": "m_ncnn.py"}
"""What a folder keeps of ``Conversion.files``, and under which name."""
SUMMARY_KEYS = (
    *("slug", "signature", "title", "kind", "silent", "converter", "device", "operators", "nodes"),
    *("max_dim", "reduce_s", "known", "reproduced"),
)
"""Fields of ``summary``, which ``finding.json`` holds too."""


def write_reproducer(finding: Finding, findings_dir: Path) -> Path:
    """Write the finding's folder into ``findings_dir``, in place of an older one; returns its path.

    Raises:
        OSError: the folder can't be written.
    """
    findings_dir.mkdir(parents=True, exist_ok=True)
    folder = findings_dir / finding.slug
    unfinished = Path(tempfile.mkdtemp(prefix=f".{finding.slug}-", dir=findings_dir))
    try:
        unfinished.chmod(0o755)
        _write_files(finding, unfinished)
        if folder.exists():
            shutil.rmtree(folder)
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return folder


def file_name(identity: str) -> str:
    """A route or conversion id as a file name: ``pnnx:fp16=0/cpu`` → ``pnnx-fp16=0__cpu``."""
    return identity.replace("/", "__").replace(":", "-")


def summary(finding: Finding) -> dict[str, object]:
    """The finding's entry in ``run.json``."""
    route = finding.verdict.route
    return {
        "slug": finding.slug,
        "signature": str(finding.signature),
        "title": finding.title,
        "kind": finding.verdict.kind.value,
        "silent": finding.verdict.silent,
        "converter": route.converter,
        "device": "" if finding.verdict.kind.is_weight_fault else route.device,
        "operators": list(finding.case.operators),
        "nodes": len(finding.case.model.graph.node),
        "max_dim": finding.max_dim,
        "reduce_s": round(finding.reduce_seconds, 2),
        "known": finding.known,
        "reproduced": list(finding.reproduced),
    }


def _write_files(finding: Finding, folder: Path) -> None:
    finding.case.write(folder)
    finding.case.write_inputs(folder)
    (folder / "model.txt").write_text(case_text(finding.case), encoding="utf-8")
    write_arrays(folder / "expected.npz", finding.expected)
    write_arrays(folder / "bounds.npz", element_bounds(finding))
    for route, outputs in finding.actual.items():
        (folder / "actual").mkdir(exist_ok=True)
        there = {name: array for name, array in outputs.items() if array is not None}
        write_arrays(folder / "actual" / f"{file_name(route)}.npz", there)
    for identity, conversion in finding.conversions.items():
        _write_conversion(conversion, folder / "converted" / file_name(identity))
    if finding.original is not None:
        _write_original(finding.original, folder / "original")
    (folder / SCRIPT_FILE).write_text(reproduce_script(finding), encoding="utf-8")
    (folder / ISSUE_FILE).write_text(issue_text(finding), encoding="utf-8")
    text = json.dumps(_record(finding), indent=2, ensure_ascii=False)
    (folder / FINDING_FILE).write_text(text + "\n", encoding="utf-8")


def _write_original(case: Case, folder: Path) -> None:
    folder.mkdir()
    case.write(folder)
    case.write_inputs(folder)


def _write_conversion(conversion: Conversion, folder: Path) -> None:
    folder.mkdir(parents=True)
    if conversion.param is not None:
        (folder / "m.ncnn.param").write_text(conversion.param, encoding="utf-8")
    if conversion.weights is not None:
        (folder / "m.ncnn.bin").write_bytes(conversion.weights)
    for name, kept in KEPT_FILES.items():
        if name in conversion.files:
            (folder / kept).write_bytes(conversion.files[name])
    (folder / "stdout.txt").write_text(conversion.run.stdout, encoding="utf-8")
    (folder / "stderr.txt").write_text(conversion.run.stderr, encoding="utf-8")


def _record(finding: Finding) -> dict[str, object]:
    signature, blame = finding.signature, finding.blame
    return {
        **summary(finding),
        "route": str(finding.verdict.route),
        "detail": finding.verdict.detail,
        "warned": finding.verdict.warned,
        "opset": finding.case.opset,
        "nodes_text": [node_text(node) for node in finding.case.model.graph.node],
        "signature_parts": {
            "family": signature.family,
            "converter": signature.converter,
            "stage": signature.stage,
            "operators": list(signature.operators),
            "condition": signature.condition,
            "message": signature.message,
        },
        "blame": {"stage": blame.stage, "evidence": list(blame.evidence), "layer": blame.layer},
        "verdict": _verdict(finding.verdict),
        "verdicts": [_verdict(verdict) for verdict in finding.verdicts],
        "conversions": {
            identity: {
                "outcome": conversion.run.outcome.value,
                "exit_status": conversion.run.exit_status,
                "unsupported": list(conversion.unsupported),
                "warnings": list(conversion.warnings),
                "folder": f"converted/{file_name(identity)}",
                "feedings": [asdict(feeding) for feeding in conversion.feedings],
            }
            for identity, conversion in finding.conversions.items()
        },
        "weight_reads": {
            identity: {"consumed": trace.consumed, "blobs": [_blob(blob) for blob in trace.blobs]}
            for identity, trace in finding.traces.items()
        },
        "machine": machine(),
        "empty_outputs": {
            route: [name for name, array in outputs.items() if array is None]
            for route, outputs in finding.actual.items()
        },
        "external_data": finding.case.external_data,
        "external_file": finding.case.external_file,
        "declare_inputshape": finding.case.declare_inputshape,
        "tools": dict(finding.tools),
    }


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "route": str(verdict.route),
        "kind": verdict.kind.value,
        "detail": verdict.detail,
        "warned": verdict.warned,
        "stage": verdict.stage,
        "evidence": plain(verdict.evidence),
    }


def _blob(blob: BlobRead) -> dict[str, object]:
    return {
        "layer": blob.layer,
        "layer_type": blob.layer_type,
        "index": blob.index,
        "load_type": blob.load_type,
        "tag": blob.tag,
        "offset": blob.offset,
        "size": blob.size,
        "complete": blob.values is not None,
    }


def plain(value: object) -> object:
    """``value`` in JSON's own types: numpy scalars and arrays become numbers and lists, the rest text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(_listed(value))
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _listed(array: Array) -> object:
    return array.tolist()
