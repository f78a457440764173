import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from made_findings import finding, lost_axes, shifted_weights, too_new_ir

from fuzzconv.cli.main import main
from fuzzconv.findings.store import RunStore
from fuzzconv.report.gate import Standing, failing, standing_of
from fuzzconv.report.junit import junit_text
from fuzzconv.report.reproducer import write_reproducer
from fuzzconv.report.run_report import RunReport, load_run_report
from fuzzconv.report.sarif import sarif_text
from fuzzconv.report.step_summary import append_step_summary, step_summary
from fuzzconv.verdict import Kind

HOSTILE = "a\x00\x1b[31m|`<b>&\ufffe\u202e\n## heading"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """One new, one known and one unreproduced finding; one route skipped; one known bug fixed."""
    store = RunStore(tmp_path, create=True)
    facts = {
        "elapsed_s": 12.5,
        "cases": 40,
        "seed": 3,
        "tools": {"pnnx": "20261020"},
        "skipped": {"onnx2ncnn/vulkan": HOSTILE},
        "replayed": [
            {"slug": "old", "status": "fixed", "detail": "right now"},
            {"slug": "older", "status": "still", "detail": HOSTILE},
        ],
    }
    store.set_facts(facts)
    store.add_counts([], {("pnnx:fp16=0/cpu", "ok"): 39, ("pnnx:fp16=0/cpu", "crash"): 1}, {}, {})
    store.close()
    made = [
        replace(
            finding(lost_axes(), Kind.SHAPE_MISMATCH, "pnnx:fp16=0/cpu"), reproduced=(3, 3), title=HOSTILE
        ),
        replace(
            finding(shifted_weights(), Kind.WEIGHT_SHIFT, "onnx2ncnn/cpu", "weights"),
            reproduced=(3, 3),
            known="Tencent-ncnn-5599",
        ),
        replace(finding(too_new_ir(), Kind.REFUSED, "pnnx:fp16=0/cpu", "convert"), reproduced=(0, 3)),
    ]
    for one in made:
        write_reproducer(one, tmp_path / "findings")
    return tmp_path


@pytest.fixture
def report(run: Path) -> RunReport:
    return load_run_report(run)


def test_only_new_and_reproduced_findings_fail_a_build(report: RunReport) -> None:
    assert {record.kind.value: standing_of(record) for record in report.findings} == {
        "shape_mismatch": Standing.FAILS,
        "weight_shift": Standing.KNOWN,
        "refused": Standing.UNREPRODUCED,
    }
    assert [record.kind for record in failing(report.findings)] == [Kind.SHAPE_MISMATCH]


def test_junit_counts_agree_with_its_cases(report: RunReport) -> None:
    root = ET.fromstring(junit_text(report))
    cases = list(root.iter("testcase"))
    assert root.attrib["tests"] == str(len(cases)) == "7"
    assert root.attrib["failures"] == str(len(list(root.iter("failure")))) == "1"
    assert root.attrib["skipped"] == str(len(list(root.iter("skipped")))) == "4"
    assert [suite.attrib["name"] for suite in root] == ["routes", "findings", "known bugs"]
    assert root.find(".//failure").attrib["type"] == "shape_mismatch"
    messages = [skipped.attrib["message"] for skipped in root.iter("skipped")]
    assert "known: Tencent-ncnn-5599" in messages


TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
LEVEL = {"enum": ["none", "note", "warning", "error"]}
RULE = {
    "type": "object",
    "required": ["id"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "shortDescription": TEXT,
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}},
    },
}
LOCATION = {
    "type": "object",
    "required": ["physicalLocation"],
    "properties": {
        "physicalLocation": {
            "type": "object",
            "required": ["artifactLocation"],
            "additionalProperties": False,
            "properties": {
                "artifactLocation": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "uri": {"type": "string", "pattern": "^[a-z0-9_./-]+$"},
                        "uriBaseId": {"const": "RUN"},
                    },
                },
                "region": {"type": "object", "properties": {"startLine": {"type": "integer", "minimum": 1}}},
            },
        }
    },
}
RESULT = {
    "type": "object",
    "required": ["message"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": -1},
        "level": LEVEL,
        "message": TEXT,
        "locations": {"type": "array", "items": LOCATION},
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "baselineState": {"enum": ["new", "unchanged", "updated", "absent"]},
        "suppressions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"enum": ["inSource", "external"]}},
            },
        },
        "properties": {"type": "object"},
    },
}
# The rules of the official 2.1.0 schema for every object that is written, and no others. The output was
# also held against the official schema itself, which is too large to keep here.
SARIF_RULES = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {"type": "array", "uniqueItems": True, "items": RULE},
                                },
                            }
                        },
                    },
                    "automationDetails": {"type": "object", "properties": {"id": {"type": "string"}}},
                    "originalUriBaseIds": {"type": "object"},
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "results": {"type": "array", "items": RESULT},
                    "properties": {"type": "object"},
                },
            },
        },
    },
}


def test_sarif_keeps_to_the_rules_of_2_1_0(report: RunReport) -> None:
    log = json.loads(sarif_text(report))
    jsonschema.validate(log, SARIF_RULES)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"])


def test_sarif_levels_follow_the_gate(report: RunReport) -> None:
    (run,) = json.loads(sarif_text(report))["runs"]
    told = {result["ruleId"]: result for result in run["results"]}
    assert {rule: result["level"] for rule, result in told.items()} == {
        "shape_mismatch": "error",
        "weight_shift": "note",
        "refused": "note",
    }
    assert told["weight_shift"]["suppressions"] == [
        {"kind": "external", "justification": "known bug Tencent-ncnn-5599"}
    ]
    assert told["shape_mismatch"]["baselineState"] == "new"


def test_sarif_fingerprints_tell_findings_apart_and_stay(report: RunReport) -> None:
    def prints() -> list[str]:
        (run,) = json.loads(sarif_text(report))["runs"]
        return [result["partialFingerprints"]["fuzzconvSignature/v1"] for result in run["results"]]

    assert prints() == prints()
    assert len(set(prints())) == 3


def test_the_summary_is_one_screen_of_markdown(report: RunReport, tmp_path: Path) -> None:
    text = step_summary(report)
    assert text.startswith("## fuzzconv: 1 new finding\n\n40 cases in 12 s")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == [
        "## fuzzconv: 1 new finding",
        "### New, reproduced in a fresh process",
        "### Not reproduced (do not fail the build)",
        "### Known bugs met",
        "### Known bugs, replayed",
        "### Routes",
    ]
    assert "| `old` | fixed | right now |" in text
    assert "\u202e" not in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith(" |") for line in tables)
    path = tmp_path / "summary"
    path.write_text("before\n")
    append_step_summary(report, path)
    assert path.read_text() == "before\n" + text


def test_nothing_new_is_said_so(tmp_path: Path) -> None:
    RunStore(tmp_path, create=True).close()
    report = load_run_report(tmp_path)
    assert step_summary(report).startswith("## fuzzconv: Nothing new\n")
    assert ET.fromstring(junit_text(report)).attrib["tests"] == "0"
    jsonschema.validate(json.loads(sarif_text(report)), SARIF_RULES)


def test_reports_are_rebuilt_from_the_run_folder(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = sorted(path.parent for path in run.glob("findings/*/ISSUE.md"))
    before = [(folder / name).read_text() for folder in folders for name in ("ISSUE.md", "reproduce.py")]
    for folder in folders:
        (folder / "ISSUE.md").unlink()
        (folder / "reproduce.py").write_text("old")
    junit = run / "elsewhere" / "out.xml"
    assert main(["report", str(run), "--junit", str(junit)]) == 0
    after = [(folder / name).read_text() for folder in folders for name in ("ISSUE.md", "reproduce.py")]
    assert after == before
    assert len(folders) == 3
    printed = capsys.readouterr().out.split()
    assert printed == [str(run / "report.html"), str(junit)] + [
        str(run / name) for name in ("findings.sarif", "summary.md", "matrix.csv")
    ]
    assert all(Path(path).stat().st_size for path in printed)


def test_a_damaged_folder_does_not_stop_the_rest(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = next(run.glob("findings/result-*"))
    (broken / "model.onnx").unlink()
    assert main(["report", str(run)]) == 0
    assert f"{broken} holds no readable model" in capsys.readouterr().err


def test_matrix_prints_both_forms(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["matrix", str(run), "--csv"]) == 0
    assert (
        capsys.readouterr().out == "operator,opset,dtype,rank,route,wrong,warned,unsupported,right,untested\n"
    )
    assert main(["matrix", str(run)]) == 0
    assert capsys.readouterr().out.startswith("# Support matrix\n")


@pytest.mark.parametrize("command", ["report", "matrix"])
def test_a_folder_that_is_no_run_is_a_usage_error(command: str, tmp_path: Path) -> None:
    assert main([command, str(tmp_path)]) == 2
