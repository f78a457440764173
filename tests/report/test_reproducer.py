import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_findings import finding, healthy, lost_axes, model, shifted_weights, too_new_ir
from onnx import helper

from fuzzconv.case import Case, read_arrays
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.findings.finding import Finding
from fuzzconv.oracles.weights.judge import MEANT
from fuzzconv.report.reproducer import plain, write_reproducer
from fuzzconv.report.script import inputshape, reproduce_script
from fuzzconv.testing import judge
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx
from fuzzconv.verdict import Kind

PNNX = find_pnnx()
ONNX2NCNN = find_onnx2ncnn()
needs_pnnx = pytest.mark.skipif(not PNNX.found, reason=f"pnnx: {PNNX.missing}")
needs_onnx2ncnn = pytest.mark.skipif(not ONNX2NCNN.found, reason=f"onnx2ncnn: {ONNX2NCNN.missing}")

STAGES = {
    Kind.REFUSED: "convert",
    Kind.LOAD_FAILURE: "load",
    Kind.HANG: "convert",
    Kind.CRASH: "run",
    Kind.WEIGHT_LOST: "weights",
    Kind.WEIGHT_SHIFT: "weights",
    Kind.WEIGHT_NAN: "weights",
}
BAD_KINDS = [kind for kind in Kind if kind.is_bad]
ROUTES = ["pnnx:fp16=1/vulkan:fp16", "onnx2ncnn/cpu"]


def run(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    tools = {"PNNX": str(PNNX.path), "ONNX2NCNN": str(ONNX2NCNN.path)}
    return subprocess.run(
        [sys.executable, folder / "reproduce.py"],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **tools, **environment},
    )


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", BAD_KINDS)
def test_every_kind_yields_a_short_script_that_compiles(kind: Kind, route: str) -> None:
    source = reproduce_script(finding(healthy(), kind, route, STAGES.get(kind, "compare")))
    compile(source, "reproduce.py", "exec")
    assert "{{" not in source
    assert "fuzzconv" not in source
    assert source.count("\n") < 235
    assert max(map(len, source.splitlines())) <= 120


def test_hostile_text_can_not_break_out_of_the_docstring() -> None:
    made = finding(healthy(), Kind.DIVERGENCE, "pnnx:fp16=0/cpu")
    for title in ['"""\nraise SystemExit(77)\n"""', 'ends in a quote "', "\\", "\u202egnp\x00\r", '\\"""']:
        source = reproduce_script(replace(made, title=title))
        docstring = compile(source, "reproduce.py", "exec").co_consts[0]
        assert "Exit:  1 the bug is there" in docstring
        assert "\u202e" not in source


def test_the_folder_is_complete_and_readable(tmp_path: Path) -> None:
    made = replace(
        finding(lost_axes(), Kind.SHAPE_MISMATCH, "pnnx:fp16=0/cpu", evidence={"max_error": np.float32(3)}),
        expected={"y": np.array([[[3], [12]]], np.float32)},
        bounds={"y": np.full((1, 2, 1), 1e-6)},
        actual={"pnnx:fp16=0/cpu": {"y": np.zeros((2, 3), np.float32)}, "onnx2ncnn/cpu": {"y": None}},
        original=healthy(),
    )
    run_ = ToolRun(Outcome.DONE, 0, "out", "todo X\n", 0.1)
    made = replace(
        made, conversions={"pnnx:fp16=0": Conversion("pnnx", "fp16=0", run_, "7767517\n", b"\x01")}
    )
    folder = write_reproducer(made, tmp_path)
    assert folder == tmp_path / made.slug
    assert onnx.load(folder / "model.onnx") == made.case.model
    assert read_arrays(folder / "inputs.npz")["x"].tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert read_arrays(folder / "actual" / "pnnx-fp16=0__cpu.npz")["y"].shape == (2, 3)
    assert read_arrays(folder / "bounds.npz")["y"].max() == 1e-6
    assert (folder / "converted" / "pnnx-fp16=0" / "m.ncnn.bin").read_bytes() == b"\x01"
    assert "y = ReduceSum(x, axes)" in (folder / "model.txt").read_text()
    record = json.loads((folder / "finding.json").read_text())
    assert record["kind"] == "shape_mismatch"
    assert record["verdict"]["evidence"] == {"max_error": 3.0}
    assert record["empty_outputs"] == {"pnnx:fp16=0/cpu": [], "onnx2ncnn/cpu": ["y"]}
    assert [p.name for p in tmp_path.iterdir()] == [made.slug]


def test_an_older_folder_is_replaced_whole(tmp_path: Path) -> None:
    made = finding(healthy(), Kind.CRASH, "pnnx:fp16=0/cpu", "convert")
    stale = tmp_path / made.slug / "stale"
    stale.parent.mkdir()
    stale.write_text("old")
    write_reproducer(made, tmp_path)
    assert not stale.exists()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    made = replace(healthy(), inputs={"x": np.array([object()])})
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        write_reproducer(finding(made, Kind.CRASH, "pnnx:fp16=0/cpu", "convert"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_external_data_is_kept_and_rebuilt(tmp_path: Path) -> None:
    made = finding(replace(shifted_weights(), external_data=True), Kind.CRASH, "pnnx:fp16=0/cpu", "convert")
    folder = write_reproducer(made, tmp_path)
    assert (folder / "model.onnx.data").stat().st_size == 24
    source = (folder / "reproduce.py").read_text()
    assert "save_as_external_data=True" in source
    scope: dict[str, object] = {"__file__": str(folder / "reproduce.py"), "__name__": "imported"}
    exec(compile(source, "reproduce.py", "exec"), scope)
    assert scope["build_model"]() == scope["stored_model"]() == shifted_weights().model


def test_inputshape_is_in_the_notation_of_pnnx() -> None:
    inputs = {"x": np.zeros((1, 3, 9), np.float32), "i": np.zeros(2, np.int64)}
    assert inputshape(inputs) == "[1,3,9]f32,[2]i64"


def test_evidence_becomes_plain_json() -> None:
    given = {"a": np.int64(3), "b": (np.array([1.5]), float("nan")), 4: {Kind.OK}}
    assert json.dumps(plain(given)) == '{"a": 3, "b": [[1.5], "nan"], "4": ["Kind.OK"]}'


def lost_axes_finding() -> Finding:
    return replace(
        finding(lost_axes(), Kind.SHAPE_MISMATCH, "pnnx:fp16=0/cpu"),
        expected={"y": np.array([[[3], [12]]], np.float32)},
        bounds={"y": np.full((1, 2, 1), 1e-6)},
    )


@pytest.mark.slow
@pytest.mark.pnnx
@needs_pnnx
def test_a_wrong_result_is_shown(tmp_path: Path) -> None:
    done = run(write_reproducer(lost_axes_finding(), tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "y: expected float32[1, 2, 1]\n[[[ 3.]\n  [12.]]]" in done.stdout
    assert "BUG: the shape is wrong" in done.stdout


@pytest.mark.slow
@pytest.mark.pnnx
@needs_pnnx
def test_a_converter_crash_is_shown(tmp_path: Path) -> None:
    done = run(write_reproducer(finding(too_new_ir(), Kind.CRASH, "pnnx:fp16=0/cpu", "convert"), tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Unsupported model IR version: 14" in done.stdout
    assert "BUG: pnnx was killed by signal 11 (SIGSEGV)" in done.stdout


@pytest.mark.slow
@pytest.mark.onnx2ncnn
@needs_onnx2ncnn
def test_a_weight_shift_is_shown(tmp_path: Path) -> None:
    evidence = {"constant": "w"}
    made = finding(shifted_weights(), Kind.WEIGHT_SHIFT, "onnx2ncnn/cpu", "weights", evidence=evidence)
    done = run(write_reproducer(made, tmp_path))
    assert done.returncode == 1, done.stdout + done.stderr
    # axes: int64 -1 is eight bytes FF; four are read, the other four are taken for the tag of w's blob
    assert "no ncnn layer reads the weight 'w' with its values [1. 2. 3. 4.]" in done.stdout


@pytest.mark.slow
@pytest.mark.onnx2ncnn
@needs_onnx2ncnn
def test_weights_in_a_wrong_order_are_shown(tmp_path: Path) -> None:
    """The values are all there, so that the order alone tells; and a right order is no bug."""
    values = np.arange(1, 17, dtype=np.float32).reshape(4, 2, 2)
    nodes = [helper.make_node("ConvTranspose", ["x", "w"], ["y"], kernel_shape=[2])]
    case = Case(
        model(nodes, {"x": (1, 4, 1)}, {"y": (1, 2, 2)}, {"w": values}), {"x": values[None, :, 0, :1]}
    )
    (verdict,) = judge(case, "onnx2ncnn/cpu").verdicts
    assert verdict.kind is Kind.WEIGHT_SHIFT
    made = finding(case, verdict.kind, "onnx2ncnn/cpu", "weights", evidence=dict(verdict.evidence))
    done = run(write_reproducer(made, tmp_path / "wrong"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert (
        "BUG: blob 0 should hold [1. 2. 3. 4. 5. 6. 7. 8.], ncnn reads [ 1.  2.  3.  4.  9. 10."
        in done.stdout
    )
    written = [*range(1, 5), *range(9, 13), *range(5, 9), *range(13, 17)]
    evidence = {**verdict.evidence, MEANT: [*verdict.evidence[MEANT], list(map(float, written))]}
    done = run(
        write_reproducer(finding(case, verdict.kind, "onnx2ncnn/cpu", "weights", evidence=evidence), tmp_path)
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_small_sums_that_became_zero_are_shown(tmp_path: Path) -> None:
    """What ncnn has is the sum of two biases, and neither of them."""
    bias = np.full((2, 6), 1e-3, np.float32)
    bias[0, 0], bias[0, 3] = 3e-5, 1e-6
    nodes = [
        helper.make_node(
            "GRU",
            ["x", "w", "r", "b"],
            ["a", "h"],
            hidden_size=1,
            linear_before_reset=1,
            direction="bidirectional",
        ),
        helper.make_node("Transpose", ["a"], ["c"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["c", "s"], ["y"]),
    ]
    ones = np.ones((2, 3, 1), np.float32)
    weights = {"w": ones, "r": ones, "b": bias, "s": np.array([0, 0, -1])}
    case = Case(model(nodes, {"x": (1, 1, 1)}, {"y": (1, 1, 2)}, weights), {"x": ones[:1, :1]})
    (verdict,) = judge(case, "pnnx:fp16=1/cpu").verdicts
    assert verdict.kind is Kind.WEIGHT_LOST
    made = finding(case, verdict.kind, "pnnx:fp16=1/cpu", "weights", evidence=dict(verdict.evidence))
    done = run(write_reproducer(made, tmp_path / "lost"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "should hold [3.1e-05" in done.stdout


HEALTHY_RUNS = [
    (Kind.DIVERGENCE, "pnnx:fp16=1/cpu", "compare"),
    (Kind.NONDETERMINISM, "onnx2ncnn/cpu", "compare"),
    (Kind.DIVERGENCE, "onnx2ncnn/cpu", "compare"),
    (Kind.CRASH, "pnnx:fp16=0/cpu", "run"),
    (Kind.CRASH, "pnnx:fp16=0/cpu", "convert"),
    (Kind.REFUSED, "onnx2ncnn/cpu", "convert"),
    (Kind.LOAD_FAILURE, "onnx2ncnn/cpu", "load"),
    (Kind.WEIGHT_SHIFT, "pnnx:fp16=1/cpu", "weights"),
]


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.onnx2ncnn
@needs_pnnx
@needs_onnx2ncnn
@pytest.mark.parametrize(("kind", "route", "stage"), HEALTHY_RUNS)
def test_a_bug_that_is_gone_exits_0(kind: Kind, route: str, stage: str, tmp_path: Path) -> None:
    case = healthy()
    expected = {"z": np.maximum(case.inputs["x"] + np.array([1.5, -2, 3], np.float32), 0)}
    made = finding(case, kind, route, stage, evidence={"constant": "b"}, expected=expected)
    done = run(write_reproducer(made, tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gone: " in done.stdout


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.onnx2ncnn
@needs_pnnx
@needs_onnx2ncnn
@pytest.mark.parametrize("route", ["pnnx:fp16=0/cpu:bf16s-nopacking", "onnx2ncnn/cpu:bf16s-nopacking"])
def test_rows_are_compared_without_a_reference(route: str, tmp_path: Path) -> None:
    """bf16 differs by less than is worth telling: gone; by more than nothing: there."""
    case = replace(healthy(), inputs={"x": np.full_like(healthy().inputs["x"], 1 / 3)})
    made = finding(case, Kind.DIVERGENCE, route, evidence={"compared_with": "the baseline row"})
    folder = write_reproducer(made, tmp_path)
    done = run(folder)
    assert (done.returncode, "gone: both give the same" in done.stdout) == (0, True), (
        done.stdout + done.stderr
    )
    script = folder / "reproduce.py"
    source = script.read_text()
    script.write_text(source.replace("SHARE = 0.01", "SHARE = 0.0").replace("FLOOR = 0.0001", "FLOOR = 0"))
    done = run(folder)
    assert (done.returncode, "BUG: z differs by more than 0" in done.stdout) == (1, True), done.stdout


@pytest.mark.slow
def test_a_missing_converter_exits_3_and_names_the_command(tmp_path: Path) -> None:
    made = finding(healthy(), Kind.REFUSED, "onnx2ncnn/cpu", "convert")
    done = run(write_reproducer(made, tmp_path), ONNX2NCNN="", PATH="/nonexistent")
    assert (done.returncode, done.stderr) == (3, "")
    assert "onnx2ncnn is missing; get it with: " in done.stdout


@pytest.mark.slow
def test_a_model_that_was_changed_is_no_verdict(tmp_path: Path) -> None:
    folder = write_reproducer(finding(healthy(), Kind.REFUSED, "onnx2ncnn/cpu", "convert"), tmp_path)
    Case(lost_axes().model, {}).write(folder)
    assert run(folder).returncode == 2


NEW_DIALECT = (
    '            ex.input("in0", ncnn.Mat(in0.numpy(), batch_index=233).clone())\n\n'
    '            _, out0 = ex.extract("out0")\n'
    "            out.append(torch.from_numpy(out0.numpy(batch_index=233)))\n"
)
OLD_DIALECT = (
    '            ex.input("in0", ncnn.Mat(in0.squeeze(0).numpy()).clone())\n\n'
    '            _, out0 = ex.extract("out0")\n'
    "            out.append(torch.from_numpy(np.array(out0)).unsqueeze(0))\n"
)
STAND_IN = """#!/bin/sh
printf '7767517\\n2 2\\nInput in0 0 1 in0\\nReLU r 1 1 in0 out0\\n' > model.ncnn.param
: > model.ncnn.bin
cat > model_ncnn.py <<'END'
{script}END
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code"), [(NEW_DIALECT, 0), (OLD_DIALECT, 0), ('ex.input("in0", what(in0))\n', 2)]
)
def test_both_dialects_of_pnnxs_script_are_followed(script: str, code: int, tmp_path: Path) -> None:
    """With a stand-in for pnnx, since older releases than the installed one write the other dialect."""
    made = Case(
        model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 2, 3)}, {"y": (1, 2, 3)}),
        {"x": np.arange(6, dtype=np.float32).reshape(1, 2, 3) - 2},
    )
    expected = {"y": np.maximum(made.inputs["x"], 0)}
    folder = write_reproducer(finding(made, Kind.NAN, "pnnx:fp16=0/cpu", expected=expected), tmp_path)
    source = (folder / "reproduce.py").read_text()
    (folder / "reproduce.py").write_text(source.replace('read(2) != b"#!"', 'read(2) == b"#!"'))
    stand_in = tmp_path / "pnnx"
    stand_in.write_text(STAND_IN.format(script=script))
    stand_in.chmod(0o755)
    done = run(folder, PNNX=str(stand_in))
    assert done.returncode == code, done.stdout + done.stderr
