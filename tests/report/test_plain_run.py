from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_findings import finding, healthy, lost_axes

from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.findings.finding import Blame, Finding
from fuzzconv.report.issue import issue_text
from fuzzconv.report.plain_run import plain_run
from fuzzconv.report.reload import load_finding
from fuzzconv.report.reproducer import write_reproducer
from fuzzconv.report.side_by_side import side_by_side
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx
from fuzzconv.verdict import FEEDING, Kind

PNNX = find_pnnx()
ONNX2NCNN = find_onnx2ncnn()
PNNX_PARAM = "7767517\n3 2\npnnx.Input in0 0 1 0\ntorch.sum s 1 1 0 1 dim=2\npnnx.Output out0 1 0 1\n"


def converted(feedings: int = 1, converter: str = "pnnx", setting: str = "fp16=0") -> Conversion:
    return Conversion(
        converter,
        setting,
        ToolRun(Outcome.DONE, 0, "", "", 0.1),
        "7767517\n2 2\nInput in0 0 1 in0\nReduction s 1 1 in0 out0 0=0\n",
        b"",
        (Feeding((Binding("x", "in0", 0),), (Binding("y", "out0", 0),)),) * feedings,
        files={"pnnx.param": PNNX_PARAM.encode()},
    )


def wrong(conversion: Conversion) -> Finding:
    route = f"{conversion.converter}:{conversion.setting}".rstrip(":")
    return replace(
        finding(lost_axes(), Kind.SHAPE_MISMATCH, f"{route}/cpu"),
        conversions={route: conversion},
        expected={"y": np.array([[[3], [12]]], np.float32)},
        actual={f"{route}/cpu": {"y": np.zeros((1, 2, 3), np.float32)}},
        tools={"pnnx": "20261020", "onnx2ncnn": "source of 2023-05-29"},
        blame=Blame(
            evidence=("torch is not installed, so pnnx's own passes were not checked", "nothing helps")
        ),
    )


def test_the_lines_say_how_to_feed_what_comes_and_what_should() -> None:
    made = wrong(converted())
    lines = plain_run(made, made.conversions["pnnx:fp16=0"]).splitlines()
    assert "x0 = np.arange(6, dtype=np.float32).reshape(1, 2, 3)" in lines
    assert '    ex.input("in0", ncnn.Mat(x0, batch_index=0).clone())' in lines
    assert lines[-3:] == [
        '    _, out = ex.extract("out0")',
        "    print(out.numpy(batch_index=0))",
        "    # expected float32[1, 2, 1]: [[[ 3.], [12.]]]",
    ]
    assert len(lines) < 20


def test_an_empty_blob_and_a_lost_input_are_said() -> None:
    made = wrong(replace(converted(), feedings=(Feeding((), (Binding("y", "out0"),)),)))
    made = replace(made, actual={"pnnx:fp16=0/cpu": {"y": None}})
    source = plain_run(made, made.conversions["pnnx:fp16=0"])
    assert "# pnnx left no input to feed" in source
    assert "print(out.empty())  # True: nothing comes out" in source


def test_nothing_is_shown_when_it_is_unknown_how_to_feed() -> None:
    made = wrong(converted(feedings=0))
    assert plain_run(made, made.conversions["pnnx:fp16=0"]) == ""
    assert plain_run(made, None) == ""
    assert "3. Run:" not in issue_text(made)


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.skipif(not PNNX.found, reason=f"pnnx: {PNNX.missing}")
def test_the_lines_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = healthy()
    conversion = PnnxConverter(PNNX.path, False).convert(case, tmp_path)
    made = replace(finding(case, Kind.DIVERGENCE, "pnnx:fp16=0/cpu"), conversions={"pnnx:fp16=0": conversion})
    monkeypatch.chdir(tmp_path)
    exec(plain_run(made, conversion), {})
    expected = np.maximum(case.inputs["x"] + np.array([1.5, -2, 3], np.float32), 0)
    printed = capsys.readouterr().out.replace("[", " ").replace("]", " ").split()
    assert np.array_equal(np.array(printed, np.float32), expected.ravel())


@pytest.mark.slow
@pytest.mark.onnx2ncnn
@pytest.mark.skipif(not ONNX2NCNN.found, reason=f"onnx2ncnn: {ONNX2NCNN.missing}")
def test_onnx2ncnns_lines_run_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = healthy()
    conversion = Onnx2NcnnConverter(ONNX2NCNN.path).convert(case, tmp_path)
    made = replace(finding(case, Kind.DIVERGENCE, "onnx2ncnn/cpu"), conversions={"onnx2ncnn": conversion})
    (tmp_path / "model.ncnn.param").write_text(conversion.param or "")
    (tmp_path / "model.ncnn.bin").write_bytes(conversion.weights or b"")
    monkeypatch.chdir(tmp_path)
    exec(plain_run(made, conversion), {})
    expected = np.maximum(case.inputs["x"] + np.array([1.5, -2, 3], np.float32), 0)
    printed = capsys.readouterr().out.replace("[", " ").replace("]", " ").split()
    assert np.array_equal(np.array(printed, np.float32), expected.ravel())


def test_every_stage_stands_under_the_other() -> None:
    made = wrong(converted())
    assert side_by_side(made.case.model, made.conversions["pnnx:fp16=0"]).splitlines() == [
        "ONNX        axes = int64[1] [2]",
        "ONNX        y = ReduceSum(x, axes)",
        "pnnx.param  torch.sum s 1 1 0 1 dim=2",
        "ncnn.param  Reduction s 1 1 in0 out0 operation=0",
    ]


def test_stages_take_the_place_of_checks_that_found_nothing() -> None:
    text = issue_text(wrong(converted()))
    assert "Compare what each stage has:\n\n```\nONNX        axes" in text
    assert "torch is not installed" not in text
    assert "nothing helps" not in text
    blamed = replace(wrong(converted()), blame=Blame("lowering to ncnn", ("pnnxsim.onnx is right",)))
    assert "lowering to ncnn\n- pnnxsim.onnx is right" in issue_text(blamed)


def test_onnx2ncnn_is_introduced() -> None:
    text = issue_text(wrong(converted(2, "onnx2ncnn", "")))
    assert "ncnn's `tools/onnx`, which upstream calls legacy" in text
    assert "this was seen with source of 2023-05-29" in text
    assert "`reproduce.py` (attached, needs `$ONNX2NCNN`)" in text
    assert "with the first axis kept, it is wrong as well" in text
    assert "`$ONNX2NCNN`" not in issue_text(wrong(converted()))


def test_a_folder_read_back_yields_the_same_issue(tmp_path: Path) -> None:
    folder = write_reproducer(wrong(converted()), tmp_path)
    assert issue_text(load_finding(folder)) == (folder / "ISSUE.md").read_text(encoding="utf-8")
    assert "ex.input" in (folder / "ISSUE.md").read_text(encoding="utf-8")


def test_what_was_seen_is_fed_as_it_was() -> None:
    """The shape that is fed tells which of the two feedings it is."""
    squeezed = converted(2, "onnx2ncnn", "")
    whole, rest = squeezed.feedings[0], squeezed.feedings[1:]
    without = replace(whole, inputs=(Binding("x", "in0", None, squeeze_axis=0),))
    conversion = replace(squeezed, feedings=(without, *rest))
    made = wrong(conversion)
    second = replace(made, verdict=replace(made.verdict, evidence={FEEDING: 1}))
    assert "x0 = np.arange(6, dtype=np.float32).reshape(2, 3)" in plain_run(made, conversion)
    assert "x0 = np.arange(6, dtype=np.float32).reshape(1, 2, 3)" in plain_run(second, conversion)
