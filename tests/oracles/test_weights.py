"""The weights oracle on real conversions and on hand-made traces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from weight_models import MODELS, case, weights

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Converter, Outcome, ToolRun
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.oracles.weights import WeightFault, judge_weights
from fuzzconv.oracles.weights.judge import MEANT, POSITION
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import RunStatus, WeightTrace
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx
from fuzzconv.toolchain.toolchain import Tool
from fuzzconv.verdict import Kind

Judge = Callable[[Case, Converter], WeightFault | None]


@pytest.fixture(scope="module")
def runtime() -> Iterator[NcnnRuntime]:
    with NcnnRuntime("cpu") as ncnn:
        yield ncnn


@pytest.fixture
def judged(runtime, tmp_path) -> Judge:
    """Convert for real, ask ncnn what it reads, judge."""

    def judge(model: Case, converter: Converter) -> WeightFault | None:
        conversion = converter.convert(model, tmp_path)
        assert conversion.param
        return judge_weights(model, conversion, runtime.trace(conversion.param, conversion.weights))

    return judge


def _path(tool: Tool) -> Path:
    if not tool.path:
        pytest.skip(f"{tool.name} is missing: {tool.missing}; get it with: {tool.remedy}")
    return tool.path


@pytest.fixture
def onnx2ncnn() -> Onnx2NcnnConverter:
    return Onnx2NcnnConverter(_path(find_onnx2ncnn()))


@pytest.fixture(params=[False, True], ids=["fp16=0", "fp16=1"])
def pnnx(request) -> PnnxConverter:
    return PnnxConverter(_path(find_pnnx()), fp16=request.param)


# ---------------------------------------------------------------- the incident


def incident() -> Case:
    """A negative int64 constant that stays in the graph, before weights without tags."""
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axes"], ["wide"]),
        helper.make_node("PRelu", ["wide", "slope"], ["y"]),
    ]
    constants = {"axes": np.array([-1], np.int64), "slope": weights(3, 1, 1)}
    return case(nodes, {"x": [1, 3, 8]}, constants, opset=13)


@pytest.mark.onnx2ncnn
def test_incident_negative_int64_shifts_all_weights_by_one(judged, onnx2ncnn):
    """Tencent/ncnn#5599: all weights one place late, the first NaN, the last lost."""
    fault = judged(incident(), onnx2ncnn)
    assert fault is not None
    assert fault.kind is Kind.WEIGHT_SHIFT
    assert fault.detail == (
        "MemoryData 'axes' holds ONNX constant 'axes' int64[1] = [-1], of which 8 bytes were written while "
        "ncnn reads 4; from PReLU 'y', blob 0 at byte 4 on, weights are shifted by +1 element (+4 bytes); "
        "the first value is NaN; the last value is lost (4 bytes are never read)"
    )
    assert fault.evidence == {
        "layer": "y", "layer_type": "PReLU", "blob": 0, "offset": 4, "file_size": 20, "consumed": 16,
        "shift_bytes": 4, "shift_elements": 1, "constant": "slope", "first_value": "nan", "lost_bytes": 4,
        "culprit": "axes", "culprit_type": "MemoryData", "culprit_constant": "'axes' int64[1] = [-1]",
        "culprit_written": 8, "culprit_read": 4,
    }  # fmt: skip


@pytest.mark.onnx2ncnn
def test_incident_before_a_convolution(judged, onnx2ncnn):
    """Weights with a tag: the constant's high word lands where the tag should be."""
    nodes = [
        helper.make_node("Unsqueeze", ["x", "axes"], ["wide"]),
        helper.make_node("Conv", ["wide", "w", "b"], ["y"], kernel_shape=[3, 1]),
    ]
    constants = {"axes": np.array([-1], np.int64), "w": weights(4, 3, 3, 1), "b": weights(4)}
    fault = judged(case(nodes, {"x": [1, 3, 8]}, constants, opset=13), onnx2ncnn)
    assert fault is not None
    assert (fault.kind, fault.evidence["shift_bytes"], fault.evidence["culprit"]) == (
        Kind.WEIGHT_SHIFT,
        4,
        "axes",
    )
    assert "Convolution 'y' finds 0xffffffff where its tag should be" in fault.detail


@pytest.mark.slow
@pytest.mark.pnnx
def test_incident_models_are_sound_through_pnnx(judged, pnnx):
    assert judged(incident(), pnnx) is None


# ---------------------------------------------------------------- known damage


@pytest.mark.onnx2ncnn
def test_an_int64_constant_at_the_end_leaves_bytes_unread(judged, onnx2ncnn):
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], keepdims=1)
    model = case([node], {"x": [1, 3, 8]}, {"axes": np.array([1, 2], np.int64)}, opset=18)
    fault = judged(model, onnx2ncnn)
    assert fault is not None
    assert fault.kind is Kind.WEIGHT_LOST
    assert (fault.evidence["lost_bytes"], fault.evidence["culprit"]) == (8, "axes")


@pytest.mark.onnx2ncnn
def test_half_constants_are_cut_short_by_onnx2ncnn(judged, onnx2ncnn):
    node = helper.make_node("Add", ["x", "c"], ["y"])
    model = case([node], {"x": [1, 3, 4, 5]}, {"c": weights(3, 4, 5).astype(np.float16)})
    fault = judged(model, onnx2ncnn)
    assert fault is not None
    assert fault.kind is Kind.WEIGHT_LOST
    assert (fault.evidence["culprit_written"], fault.evidence["culprit_read"]) == (120, 240)


@pytest.mark.slow
@pytest.mark.pnnx
def test_weights_beyond_half_precision_become_infinite(judged, pnnx):
    """pnnx stores 65520 and more as infinity when fp16=1 and prints nothing."""
    w = weights(5, 7)
    w[1, 2] = 65520.0
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1)
    fault = judged(case([node], {"x": [1, 7]}, {"w": w, "b": weights(5)}), pnnx)
    if pnnx.setting == "fp16=0":
        assert fault is None
    else:
        assert fault is not None
        assert (fault.kind, fault.evidence["constant"]) == (Kind.WEIGHT_NAN, "w")


@pytest.mark.slow
@pytest.mark.pnnx
def test_external_data_is_read_as_nothing_by_pnnx(judged, pnnx):
    """pnnx looks for ``MODEL.onnx.data`` only, whatever location the model names, and writes no weights."""
    node = helper.make_node("Concat", ["x", "c"], ["y"], axis=1)
    model = case([node], {"x": [1, 3]}, {"c": weights(1, 8)}, external_file="weights.data")
    fault = judged(model, pnnx)
    assert fault is not None
    assert (fault.kind, fault.evidence["constant"]) == (Kind.WEIGHT_LOST, "c")


# ---------------------------------------------------------------- sound files


SMALL = ("conv2d", "grouped_deconv", "lstm", "gru", "batch_norm", "gemm", "conv_and_norm")


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.parametrize("between", ["Dropout", "Identity"])
def test_a_norm_folded_into_a_weight_of_one_value_is_no_loss(judged, pnnx, between):
    """The fold transposes the weight, so its one value lies where the stored order has a zero."""
    sparse = np.zeros((4, 2), np.float32)
    sparse[3, 0] = 1
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["t"]),
        helper.make_node(between, ["t"], ["u"]),
        helper.make_node("BatchNormalization", ["u", "s", "b", "m", "v"], ["y"]),
    ]
    ones = {"s": np.ones(2, np.float32), "v": np.ones(2, np.float32)}
    constants = {"w": sparse, "b": np.zeros(2, np.float32), "m": np.float32([0, 1]), **ones}
    assert judged(case(nodes, {"x": [1, 4]}, constants), pnnx) is None


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.onnx2ncnn
@pytest.mark.parametrize("name", SMALL)
def test_reordered_folded_and_rounded_weights_are_recognised(judged, pnnx, onnx2ncnn, name):
    assert judged(MODELS[name](), pnnx) is None
    assert judged(MODELS[name](), onnx2ncnn) is None


@pytest.mark.slow
@pytest.mark.pnnx
def test_one_blob_explains_equal_constants(judged, pnnx):
    """``r`` is used under two names, and the zeros of an absent bias are not a lost ``alias``."""
    nodes = [
        helper.make_node("Identity", ["r"], ["alias"]),
        helper.make_node("RNN", ["x", "w", "alias", "", "", "alias"], ["raw"], hidden_size=1),
        helper.make_node("Squeeze", ["raw"], ["y"], axes=[1]),
    ]
    constants = {"w": weights(1, 1, 3), "r": weights(1, 1, 1)}
    assert judged(case(nodes, {"x": [2, 1, 3]}, constants), pnnx) is None


# ---------------------------------------------------------------- hand-made files

CONV = """7767517
2 2
Input x 0 1 x
Convolution y 1 1 x y 0=6 1=2 11=3 5=1 6=144
"""
W, B = weights(6, 4, 3, 2), weights(6)


def judge_bin(runtime: NcnnRuntime, content: bytes, w=W, b=B, **fields) -> WeightFault | None:
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], kernel_shape=[3, 2])
    model = case([node], {"x": [1, 4, 7, 8]}, {"w": w, "b": b})
    run = ToolRun(Outcome.DONE, 0, "", "", 0.0)
    conversion = Conversion("pnnx", "fp16=1", run, CONV, content, **fields)
    return judge_weights(model, conversion, runtime.trace(CONV, content))


def single(w=W, b=B) -> bytes:
    return bytes(4) + w.tobytes() + b.tobytes()


def half(w=W, b=B) -> bytes:
    with np.errstate(over="ignore"):
        return (0x01306B47).to_bytes(4, "little") + w.astype(np.float16).tobytes() + b.tobytes()


def test_exact_and_half_files_are_sound(runtime):
    assert judge_bin(runtime, single()) is None
    assert judge_bin(runtime, half()) is None


def test_transposed_weights_are_left_to_the_outputs(runtime):
    assert judge_bin(runtime, single(np.ascontiguousarray(W.transpose(1, 0, 3, 2)))) is None


def test_half_overflow_is_named(runtime):
    w = W.copy()
    w[0, 0, 0, 1] = 70000.0
    fault = judge_bin(runtime, half(w), w)
    assert fault is not None
    assert (fault.kind, fault.evidence["index"], fault.evidence["values"]) == (Kind.WEIGHT_NAN, 1, 1)
    assert "became infinite when stored as fp16 (largest magnitude 70000" in fault.detail


def test_half_subnormals_flushed_to_zero_are_rounding_beside_large_weights(runtime):
    w = W.copy()
    w[0, 0, 0, 0] = 1e-6
    flushed = w.copy()
    flushed[0, 0, 0, 0] = 0
    assert judge_bin(runtime, half(flushed), w) is None


def test_half_subnormals_flushed_to_zero_are_lost_among_small_weights(runtime):
    """Not more than 2**-14 = 6.1e-5 is flushed; 2e-8 is nothing in half, flushed or not."""
    w = np.where(np.arange(W.size).reshape(W.shape) % 2, np.float32(1e-3), np.float32(3e-5))
    w[0, 0, 0, 1] = 2e-8
    lost = np.where(w < 2**-14, np.float32(0), w)
    fault = judge_bin(runtime, half(lost), w)
    assert fault is not None
    assert (fault.kind, fault.evidence["constant"], fault.evidence["flushed"]) == (
        Kind.WEIGHT_LOST,
        "w",
        (W.size + 1) // 2,
    )
    assert "became zero when stored as fp16 (largest of them 3e-05" in fault.detail
    assert judge_bin(runtime, half(w), w) is None


def test_nan_that_onnx_holds_is_no_fault(runtime):
    w = W.copy()
    w[1] = np.nan
    assert judge_bin(runtime, single(w), w) is None


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (single() + b"1234", Kind.WEIGHT_LOST, "4 are never read"),
        (single()[:-4], Kind.WEIGHT_LOST, "the file ends after"),
        (b"1234" + single(), Kind.WEIGHT_SHIFT, "shifted by +1 element (+4 bytes)"),
        (single()[:4] + b"abcde" + single()[4:], Kind.WEIGHT_SHIFT, "shifted by +5 bytes"),
        (single()[:4] + single()[12:], Kind.WEIGHT_SHIFT, "shifted by -2 elements (-8 bytes)"),
        (b"\x01" + single()[1:], Kind.WEIGHT_SHIFT, "0x00000001"),
        (single(np.roll(W, 1)), Kind.WEIGHT_SHIFT, "have changed places"),
        (single(np.concatenate([[9], W.ravel()[:-1]]).astype("f4")), Kind.WEIGHT_SHIFT, "+1 element"),
        (single(W * 0), Kind.WEIGHT_LOST, "144 of its 144 values are zero"),
        (
            single(b=B * np.array([1, 1, 0, 1, 1, 1], np.float32)),
            Kind.WEIGHT_LOST,
            "1 of its 6 values are wrong, the first is 0",
        ),
        (single(b=np.where(B[2] == B, np.float32(np.nan), B)), Kind.WEIGHT_NAN, "value 2 is nan"),
        (single(b=B[[0, 2, 1, 3, 4, 5]]), Kind.WEIGHT_SHIFT, "2 of its 6 values have changed places"),
    ],
)
def test_damage_is_named(runtime, content, kind, said):
    fault = judge_bin(runtime, content)
    assert fault is not None
    assert (fault.kind, said in fault.detail) == (kind, True), fault.detail


def test_what_a_damaged_blob_may_hold_is_told_where_it_is_little(runtime):
    fault = judge_bin(runtime, single(b=B[[0, 2, 1, 3, 4, 5]]))
    assert (fault.evidence[POSITION], fault.evidence[MEANT]) == (1, [B.tolist()])
    assert MEANT not in judge_bin(runtime, single(W * 0)).evidence


def test_zeros_are_lost_only_where_no_order_has_them(runtime):
    sparse = np.zeros_like(W)
    sparse[5, 3, 2, 1] = 2
    moved = sparse.transpose(3, 2, 1, 0).copy()
    assert judge_bin(runtime, single(moved * np.float32(0.99)), w=sparse) is None
    lost = judge_bin(runtime, single(sparse * 0), w=sparse)
    assert lost is not None
    assert "1 of its 144 values are zero" in lost.detail


def test_unrelated_values_are_left_to_the_outputs(runtime):
    """A blob that resembles nothing may be a fold nobody listed."""
    assert judge_bin(runtime, single(W * 3 + 1)) is None


def test_what_ncnn_could_not_read_is_not_judged():
    node = helper.make_node("Relu", ["x"], ["y"])
    model = case([node], {"x": [1]}, {})
    conversion = Conversion("pnnx", "fp16=0", ToolRun(Outcome.DONE, 0, "", "", 0.0), CONV, b"1234")
    assert judge_weights(model, conversion, WeightTrace(RunStatus.CRASHED, signal=11)) is None
    assert judge_weights(model, conversion, WeightTrace(RunStatus.DONE, untraced=("y",))) is None
