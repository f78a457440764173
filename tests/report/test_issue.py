from dataclasses import replace

import numpy as np
import pytest
from made_findings import finding, healthy, lost_axes, shifted_weights

from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.findings.finding import Blame
from fuzzconv.report.issue import code, fenced, issue_text, one_line
from fuzzconv.report.tolerance import tolerances
from fuzzconv.route import Route
from fuzzconv.runtime.execution import BlobRead, RunStatus, WeightTrace
from fuzzconv.verdict import Kind, Verdict

FORM = [
    "## error log | 日志或报错信息 | ログ",
    "## model | 模型 | モデル",
    "## how to reproduce | 复现步骤 | 再現方法",
    "## context | 编译/运行环境 | バックグラウンド",
    "## more | 其他 | その他",
]


def conversion(param: str, weights: bytes = b"", setting: str = "fp16=0") -> Conversion:
    run = ToolRun(Outcome.DONE, 0, "", "", 0.1)
    return Conversion("pnnx" if setting else "onnx2ncnn", setting, run, param, weights)


def wrong_values() -> str:
    expected = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    actual = expected.reshape(2, 3) + np.array([0, 0, 0.5], np.float32)
    actual[0, 0] = np.nan
    made = replace(
        finding(healthy(), Kind.DIVERGENCE, "pnnx:fp16=0/cpu"),
        expected={"z": expected},
        bounds={"z": np.full((1, 2, 3), 1e-5)},
        actual={"pnnx:fp16=0/cpu": {"z": actual}},
        conversions={"pnnx:fp16=0": conversion("7767517\nReduction r 1 1 a b 0=3\n")},
        blame=Blame("lowering to ncnn", ("pnnxsim.onnx is right",), "r"),
        tools={"pnnx": "20261020", "onnx2ncnn": "of 2023", "vulkan": "llvmpipe"},
        reproduced=(2, 3),
    )
    verdicts = (made.verdict, Verdict(Route.parse("onnx2ncnn/cpu"), Kind.OK))
    return issue_text(replace(made, verdicts=verdicts))


def test_upstreams_form_is_kept_in_order() -> None:
    text = wrong_values()
    assert [line for line in text.splitlines() if line.startswith("## ")] == FORM
    assert text.startswith("# pnnx breaks Add and Relu\n")


def test_expected_and_actual_stand_side_by_side() -> None:
    text = wrong_values()
    assert "Output `z`, expected float32[1, 2, 3]: 3 of 6 elements wrong." in text
    assert "| [0, 0, 0] | 0 | nan | nan | 1e-05 | **wrong** |" in text
    assert "| [0, 0, 1] | 1 | 1 | 0 | 1e-05 |  |" in text
    assert "| [0, 1, 2] | 5 | 5.5 | 0.5 | 1e-05 | **wrong** |" in text


def test_context_blame_and_param_are_there() -> None:
    text = wrong_values()
    assert "- pnnx: 20261020\n- vulkan: llvmpipe\n- CPU: " in text
    assert "lowering to ncnn, layer `r`\n- pnnxsim.onnx is right" in text
    assert "Reduction r 1 1 a b operation=3" in text
    assert "| `onnx2ncnn/cpu` | ok |  |" in text
    assert "Reproduced in 2 of 3 fresh processes (flaky)." in text
    assert "pnnx model.onnx fp16=0" in text


def test_a_shape_fault_shows_both_shapes() -> None:
    made = replace(
        finding(lost_axes(), Kind.SHAPE_MISMATCH, "pnnx:fp16=0/cpu"),
        expected={"y": np.array([[[3], [12]]], np.float32)},
        actual={"pnnx:fp16=0/cpu": {"y": np.zeros((1, 2, 3), np.float32)}},
    )
    assert "expected float32[1, 2, 1], actual [1, 2, 3]:" in issue_text(made)


def test_a_weight_fault_brings_its_byte_map() -> None:
    content = b"\xff" * 8 + bytes(4) + np.array([1, 2, 3, 4], np.float32).tobytes()
    reads = (BlobRead("axes", "MemoryData", 0, 1, None, 0, 4, np.zeros(1, np.float32)),)
    made = replace(
        finding(shifted_weights(), Kind.WEIGHT_SHIFT, "onnx2ncnn/cpu", "weights"),
        conversions={"onnx2ncnn": conversion("7767517\n", content, "")},
        traces={"onnx2ncnn": WeightTrace(RunStatus.DONE, reads, 4)},
    )
    text = issue_text(made)
    assert "ncnn reads 4 of 28 bytes." in text
    assert "w[0]                  (not read)  <--" in text


def test_hostile_text_stays_text() -> None:
    assert one_line("a | b `c` <img>\n## x\u202e") == r"a \| b \`c\` \<img\> \#\# x"
    assert fenced("x\n```\n\x1b[31mred\x00").splitlines() == ["````", "x", "```", "red�", "````"]
    assert code("a`|b") == "`a'\\|b`"


def test_one_tolerance_is_written_when_it_tells_right_from_wrong() -> None:
    made = replace(
        finding(healthy(), Kind.DIVERGENCE, "pnnx:fp16=0/cpu"),
        expected={"z": np.zeros((1, 2), np.float32)},
        bounds={"z": np.array([[1.2341e-5, 1e-6]])},
        actual={"pnnx:fp16=0/cpu": {"z": np.array([[0, 1]], np.float32)}},
    )
    assert tolerances(made) == {"z": 1.24e-5}
    close = {"pnnx:fp16=0/cpu": {"z": np.array([[0, 5e-6]], np.float32)}}
    kept = tolerances(replace(made, actual=close))["z"]
    assert np.array_equal(kept, [[1.2341e-5, 1e-6]])  # only the element's own bound shows this fault


def test_a_tolerance_is_never_absurdly_small_unless_the_fault_is() -> None:
    made = replace(
        finding(healthy(), Kind.DIVERGENCE, "pnnx:fp16=0/cpu"),
        expected={"z": np.array([[0, 200]], np.float32)},
        bounds={"z": np.full((1, 2), 7.5e-37)},
        actual={"pnnx:fp16=0/cpu": {"z": np.array([[0.9, 200]], np.float32)}},
    )
    assert tolerances(made) == {"z": pytest.approx(2e-4, rel=0.01)}  # 1e-6 of 200
    tiny = {"pnnx:fp16=0/cpu": {"z": np.array([[1e-5, 200]], np.float32)}}
    assert tolerances(replace(made, actual=tiny)) == {"z": 7.5e-37}


def test_weights_beside_the_model_are_told_and_saved_so() -> None:
    made = finding(healthy(), Kind.CRASH, "pnnx:fp16=0/cpu")
    inside = issue_text(made)
    beside = issue_text(replace(made, case=replace(made.case, external_data=True)))
    assert "external data" not in inside
    assert "onnx.save(" not in inside
    assert "its weights beside it in `model.onnx.data` (external data)" in beside
    save = 'onnx.save(build_model(), "model.onnx", save_as_external_data=True, size_threshold=0, location='
    assert save in beside
    assert "import onnx\n" in beside


def test_routes_with_one_outcome_share_a_row() -> None:
    made = finding(healthy(), Kind.CRASH, "pnnx:fp16=0/cpu")
    routes = ("pnnx:fp16=0/cpu", "pnnx:fp16=0/vulkan", "onnx2ncnn/cpu")
    verdicts = tuple(Verdict(Route.parse(r), Kind.CRASH, f"{r[:4]} died") for r in routes)
    text = issue_text(replace(made, verdicts=verdicts))
    assert "| `pnnx:fp16=0/cpu`, `pnnx:fp16=0/vulkan` | crash | pnnx died |" in text
    assert "| `onnx2ncnn/cpu` | crash | onnx died |" in text


def test_the_log_begins_where_the_tool_begins_to_work() -> None:
    made = finding(healthy(), Kind.CRASH, "pnnx:fp16=0/cpu")
    said = "pnnxparam = m.pnnx.param\nfp16 = 0\n############# pass_level0 onnx\nCheck failed: a == b"
    text = issue_text(replace(made, verdict=replace(made.verdict, evidence={"stderr": said})))
    assert "```\n############# pass_level0 onnx\nCheck failed: a == b\n```" in text


def test_the_operator_at_every_stage_is_shown_with_the_blame() -> None:
    text = wrong_values()
    told = text.partition("### where it goes wrong")[2]
    assert told.index("pnnxsim.onnx is right") < told.index("ONNX        ")
