from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from small_cases import FED, array, case, judgement, node, verdict

from fuzzconv.findings.finding import Signature
from fuzzconv.findings.legacy import NOT_FLATTENED
from fuzzconv.findings.signature import (
    UNKNOWN_TORCH,
    coarse,
    covers,
    failures,
    normalise_message,
    same_cause,
    same_values,
    signature_of,
)
from fuzzconv.findings.title import title_of
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind

RELU = case([node("Relu", "x")], {"x": array(2)}, opset=14)
ROUTES = ("pnnx:fp16=0/cpu", "pnnx:fp16=1/cpu", "pnnx:fp16=0/vulkan", "pnnx:fp16=1/vulkan", "onnx2ncnn/cpu")


def judged(**kinds: Kind) -> list:
    """Verdicts on all routes: p0, p1 (CPU), v0, v1 (Vulkan), o; ``ok`` where not said."""
    names = dict(zip(("p0", "p1", "v0", "v1", "o"), ROUTES, strict=True))
    return [verdict(route, kinds.get(short, Kind.OK)) for short, route in names.items()]


@pytest.mark.parametrize(
    ("failing", "condition"),
    [
        (("p0", "p1", "v0", "v1"), ""),
        (("p0", "p1"), ""),
        (("v0", "v1"), "vulkan"),
        (("p1", "v1"), "fp16=1"),
        (("p1",), "fp16=1"),
        (("v1",), "fp16=1+vulkan"),
        (("p0", "v0"), ""),
    ],
)
def test_a_condition_is_what_all_failing_routes_share_and_a_plainer_passing_one_lacks(
    failing: tuple[str, ...], condition: str
) -> None:
    found = judgement(RELU, *judged(**dict.fromkeys(failing, Kind.DIVERGENCE)))
    (failure,) = failures(found)
    assert signature_of(found, failure).condition == condition


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("second", "alike"), [(3e38, True), (-3e38, False)])
def test_values_are_compared_up_to_the_end_of_the_range_of_float32(second: float, alike: bool) -> None:
    one, other = judged()[:2]
    outputs = [{"y": np.array([3e38], np.float32)}, {"y": np.array([second], np.float32)}]
    made = judgement(RELU, one, other, actual=dict(zip(ROUTES, outputs, strict=False)))
    assert same_values(made, one, other) is alike


def test_weight_faults_carry_no_device() -> None:
    found = judgement(RELU, *judged(v0=Kind.WEIGHT_SHIFT))
    assert signature_of(found, failures(found)[0]).condition == ""


@pytest.mark.parametrize(("stage", "condition"), [("compare", "fp16=1"), ("load", "")])
def test_weights_are_right_where_a_network_is_wrong_only_later(stage: str, condition: str) -> None:
    made = judgement(
        RELU,
        verdict(ROUTES[0], Kind.DIVERGENCE, stage, max_abs=1.0),
        verdict(ROUTES[1], Kind.WEIGHT_LOST, "weights", constant="w", flushed=1),
    )
    lost = next(failure for failure in failures(made) if failure.kind is Kind.WEIGHT_LOST)
    signature = signature_of(made, lost)
    assert (signature.operators, signature.condition) == (("subnormal fp16 weight",), condition)


def test_an_option_row_is_a_condition_when_the_plain_row_passes() -> None:
    rows = ["pnnx:fp16=0/cpu", "pnnx:fp16=0/cpu:bf16", "pnnx:fp16=0/cpu:fp16"]
    found = judgement(
        RELU,
        verdict(rows[0], Kind.OK),
        verdict(rows[1], Kind.DIVERGENCE),
        verdict(rows[2], Kind.OK),
    )
    signature = signature_of(found, failures(found)[0])
    assert (signature.condition, signature.converter) == ("bf16", "ncnn")


@pytest.mark.parametrize(("one", "other"), [(Kind.NAN, Kind.DIVERGENCE), (Kind.SHAPE_MISMATCH, Kind.NAN)])
def test_shape_nan_and_divergence_are_one_failure(one: Kind, other: Kind) -> None:
    found = judgement(RELU, *judged(p0=one, p1=other))
    (failure,) = failures(found)
    assert str(failure.route) == "pnnx:fp16=0/cpu"
    assert signature_of(found, failure).family == "result"


def test_a_crash_and_a_wrong_result_are_two_failures_silent_ones_first() -> None:
    found = judgement(
        RELU,
        verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE, warned="said so"),
        verdict("onnx2ncnn/cpu", Kind.CRASH, "convert"),
    )
    assert [f.kind for f in failures(found)] == [Kind.CRASH, Kind.DIVERGENCE]


def test_equal_wrong_values_of_both_converters_are_ncnns() -> None:
    wrong = {"y": np.array([7, 8], np.float32)}
    same = {ROUTES[0]: wrong, ROUTES[4]: {"y": wrong["y"].reshape(1, 2)}}
    both = judgement(RELU, *judged(p0=Kind.DIVERGENCE, o=Kind.DIVERGENCE), actual=same)
    (failure,) = failures(both)
    assert signature_of(both, failure).converter == "ncnn"
    different = {**same, ROUTES[4]: {"y": np.array([7, 9], np.float32)}}
    apart = judgement(RELU, *judged(p0=Kind.DIVERGENCE, o=Kind.DIVERGENCE), actual=different)
    assert [signature_of(apart, f).converter for f in failures(apart)] == ["pnnx", "onnx2ncnn"]


POOLING = "7767517\n3 3\nInput in0 0 1 in0\n{}Pooling p 1 1 in0 out0 0=1\n"


def test_what_a_converter_is_known_to_write_wrongly_is_its_own_bug_whatever_the_other_writes() -> None:
    made = case([node("Softmax", "x")], {"x": array(1, 2, 2)}, opset=11)
    network = "7767517\n2 2\nInput x 0 1 x\nSoftmax y 1 1 x y 0=0\n"
    conversions = {
        "pnnx:fp16=0": SimpleNamespace(converter="pnnx", param=network, feedings=FED, files={}),
        "onnx2ncnn": SimpleNamespace(converter="onnx2ncnn", param=network, feedings=FED, files={}),
    }
    wrong = {"y": np.ones((1, 2, 2), np.float32)}
    actual = {ROUTES[0]: wrong, ROUTES[4]: wrong}
    bad = judged(p0=Kind.DIVERGENCE, o=Kind.DIVERGENCE)
    found = judgement(made, *bad, actual=actual, conversions=conversions)
    signatures = [signature_of(found, failure) for failure in failures(found)]
    assert [(s.converter, s.message) for s in signatures] == [("pnnx", ""), ("onnx2ncnn", NOT_FLATTENED)]
    one_for_all = judgement(replace(made, model=RELU.model), *bad, actual=actual, conversions=conversions)
    assert len(failures(one_for_all)) == 1


@pytest.mark.parametrize(
    ("before", "culprits"),
    [("", ["ncnn"]), ("Reshape r 1 1 in0 1\n", ["ncnn"]), ("Padding q 1 1 in0 1\n", ["pnnx", "onnx2ncnn"])],
)
def test_equal_wrong_values_of_other_layers_are_two_bugs(before: str, culprits: list[str]) -> None:
    wrong = {"y": np.array([7, 8], np.float32)}
    conversions = {
        "pnnx:fp16=0": SimpleNamespace(converter="pnnx", param=POOLING.format(before), feedings=(), files={}),
        "onnx2ncnn": SimpleNamespace(converter="onnx2ncnn", param=POOLING.format(""), feedings=(), files={}),
    }
    both = judgement(
        RELU,
        *judged(p0=Kind.DIVERGENCE, o=Kind.DIVERGENCE),
        actual={ROUTES[0]: wrong, ROUTES[4]: wrong},
        conversions=conversions,
    )
    assert [signature_of(both, failure).converter for failure in failures(both)] == culprits


@pytest.mark.parametrize(("theirs", "culprit"), [(7.0001, "ncnn"), (7.005, "pnnx")])
def test_values_are_alike_only_when_far_nearer_to_each_other_than_to_the_right_ones(
    theirs: float, culprit: str
) -> None:
    actual = {ROUTES[0]: {"y": np.array([7], np.float32)}, ROUTES[4]: {"y": np.array([theirs], np.float32)}}
    reference = Reference({"y": np.array([7.01], np.float32)})
    verdicts = (verdict(ROUTES[0], Kind.DIVERGENCE), verdict(ROUTES[4], Kind.DIVERGENCE))
    found = Judgement(RELU, reference, verdicts, actual=actual)
    assert signature_of(found, failures(found)[0]).converter == culprit


def test_only_results_of_the_same_device_are_compared() -> None:
    wrong = {"y": np.array([7, 8], np.float32)}
    found = judgement(
        RELU,
        *judged(p0=Kind.OK, p1=Kind.OK, v0=Kind.DIVERGENCE, v1=Kind.DIVERGENCE, o=Kind.DIVERGENCE),
        actual={ROUTES[2]: wrong, ROUTES[3]: wrong, ROUTES[4]: wrong},
    )
    assert {str(f.route) for f in failures(found)} == {ROUTES[2], ROUTES[4]}
    cpu = next(f for f in failures(found) if f.route.device == "cpu")
    assert signature_of(found, cpu).converter == "onnx2ncnn"


def test_what_only_vulkan_does_wrong_is_ncnns_whoever_converted() -> None:
    found = judgement(RELU, *judged(v0=Kind.DIVERGENCE, v1=Kind.DIVERGENCE))
    signature = signature_of(found, failures(found)[0])
    assert (signature.converter, signature.condition) == ("ncnn", "vulkan")


def test_a_crash_carries_its_last_message_without_what_varies() -> None:
    told = "loading /tmp/a1/m.onnx\n what(): no 'conv_12' in /tmp/a1/m.onnx, 0x55ab12, 17\n"
    assert normalise_message(told) == "what(): no NAME in PATH, ADDRESS, N"
    found = judgement(RELU, verdict(ROUTES[0], Kind.CRASH, "convert", signal="SIGABRT", message=told))
    message = signature_of(found, failures(found)[0]).message
    assert message == "SIGABRT: what(): no NAME in PATH, ADDRESS, N"


def test_an_unknown_layer_is_named() -> None:
    found = judgement(RELU, verdict(ROUTES[0], Kind.LOAD_FAILURE, "load", unknown_layer="Gelu"))
    assert signature_of(found, failures(found)[0]).message == "unknown layer Gelu"


NUMBER = node("Constant", "", "s", value_float=1.0)


@pytest.mark.parametrize(
    ("constants", "weights", "said", "operators"),
    [
        ([NUMBER], {}, "Unknown data type 0", ("constants(numbers of a Constant node)",)),
        ([], {"s": np.float16(1)}, "Unknown data type 10", ("Clip",)),
    ],
)
def test_a_number_that_no_tensor_holds_is_not_one_of_a_type_that_is_unknown(
    constants: list, weights: dict, said: str, operators: tuple[str, ...]
) -> None:
    made = case([*constants, node("Clip", "x s")], {"x": array(2)}, weights)
    found = judgement(made, verdict("onnx2ncnn/cpu", Kind.CRASH, "convert", message=said))
    assert signature_of(found, failures(found)[0], ()).operators == operators


@pytest.mark.parametrize("operator", ["Pow", "Mul"])
def test_a_fault_of_the_weight_writer_is_one_whatever_operator_shows_it(operator: str) -> None:
    made = case([node(operator, "x w")], {"x": array(2)}, {"w": array(1)})
    told = {"culprit_type": "MemoryData", "culprit_constant": "'w' int64[1] = [-1]", "culprit_written": 8}
    found = judgement(made, verdict("onnx2ncnn/cpu", Kind.WEIGHT_LOST, "weights", **told))
    assert signature_of(found, failures(found)[0]).operators == ("MemoryData(not float32)",)


def pool(words: str, **changes: str) -> Signature:
    frame = {"family": "result", "converter": "pnnx", "stage": "compare", **changes}
    return Signature(**frame, operators=(f"AveragePool({words})" if words else "AveragePool",))


def test_an_exact_signature_covers_a_wide_one_with_its_traits() -> None:
    exact = pool("ceil_mode=1")
    assert covers(exact, pool("ceil_mode=1,large,pads,rank=4"))
    assert covers(pool(""), pool("pads"))
    assert not covers(exact, pool("pads"))
    assert not covers(exact, pool("ceil_mode=1", condition="vulkan"))
    assert not covers(exact, pool("ceil_mode=1", family="crash"))
    assert not covers(exact, pool("ceil_mode=1", converter="onnx2ncnn"))


def test_ncnn_stands_for_either_converter() -> None:
    assert same_cause(pool("pads", converter="ncnn"), pool("pads"))
    assert same_cause(pool("pads"), pool("pads", converter="ncnn"))
    assert not same_cause(pool("pads", converter="onnx2ncnn"), pool("pads"))


def test_coarse_forgets_traits() -> None:
    assert coarse(pool("ceil_mode=1,pads")) == pool("")


def crashed(*operators: str, family: str = "crash", message: str = "map::at") -> Signature:
    return Signature(family, "pnnx", "convert", operators, "", message)


def test_a_storage_cause_covers_whatever_operator_has_constants_stored_so() -> None:
    external = crashed("constants(external data)")
    assert covers(external, crashed("Conv(external data,large,pads)", "Relu"))
    assert covers(external, external)
    assert not covers(external, crashed("Conv(large,pads)"))
    assert not covers(external, crashed("Conv(external data)", message="another"))
    assert covers(crashed("constant(float64)"), crashed("Add(float64,other constant)"))
    lost = crashed("constant(float64)", family="weights")
    assert not covers(lost, crashed("Add(float64,other constant)", family="weights"))


@pytest.mark.parametrize("operator", ["Less", "Where"])
def test_operators_that_stay_torchs_are_one_cause(operator: str) -> None:
    made = case([node(operator, "x x")], {"x": array(2)})
    bad = verdict("pnnx:fp16=0/cpu", Kind.LOAD_FAILURE, "load", unknown_layer=f"torch.{operator.lower()}")
    signature = signature_of(judgement(made, bad), bad)
    assert (signature.operators, signature.message) == ((), UNKNOWN_TORCH)
    assert title_of(signature, bad) == (
        f"pnnx: an operator that stays torch's can't be run by ncnn (unknown layer torch.{operator.lower()})"
    )
    other = verdict("pnnx:fp16=0/cpu", Kind.LOAD_FAILURE, "load", unknown_layer="F.linear")
    assert signature_of(judgement(made, other), other).message == "unknown layer F.linear"
