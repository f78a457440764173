"""compute_reference: expected outputs, what it refuses to judge and why, and how wide its bounds are."""

import dataclasses

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from reference_models import make_case, one_node

from fuzzconv.case import Case
from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.reference import UNRUNNABLE, Precision

RNG = np.random.default_rng(3)
NODE = helper.make_node


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def widest(case, precision=Precision.FP32, output="y"):
    """Largest bound of an output, relative to the output's largest magnitude."""
    reference = compute_reference(case, [precision])
    assert not reference.skip
    assert not reference.precision_skips
    bound = reference.bounds[precision][output]
    assert bound.shape == reference.outputs[output].shape
    assert bound.dtype == np.float64
    return float(bound.max() / np.abs(reference.outputs[output].astype(np.float64)).max())


def test_outputs_are_onnxruntimes_in_graph_order():
    x = np.array([[1.0, -2.0]], np.float32)
    nodes = [NODE("Relu", ["x"], ["b"]), NODE("MatMul", ["x", "w"], ["a"])]
    case = make_case(nodes, {"x": x}, {"w": np.array([[2.0], [3.0]], np.float32)}, ["a", "b"])
    reference = compute_reference(case, [Precision.FP32])
    assert list(reference.outputs) == ["a", "b"]
    assert reference.outputs["a"].tolist() == [[-4.0]]
    assert reference.outputs["b"].tolist() == [[1.0, 0.0]]


def test_equal_cases_have_equal_bounds():
    x, w = normal(1, 8), normal(8, 8)
    first, second = (
        compute_reference(make_case([NODE("MatMul", ["x", "w"], ["y"])], {"x": x}, {"w": w}), Precision)
        for _ in range(2)
    )
    for precision in Precision:
        assert np.array_equal(first.bounds[precision]["y"], second.bounds[precision]["y"])


def test_only_what_was_asked_for_is_computed():
    reference = compute_reference(one_node("Relu", normal(3)), [Precision.FP16])
    assert set(reference.bounds) == {Precision.FP16}


def test_the_model_is_not_changed():
    case = one_node("Exp", normal(3))
    before = case.model.SerializeToString()
    compute_reference(case, Precision)
    assert case.model.SerializeToString() == before


CONV = make_case(
    [NODE("Conv", ["x", "w", "b"], ["c"]), NODE("Relu", ["c"], ["y"])],
    {"x": normal(1, 3, 8, 8)},
    {"w": normal(4, 3, 3, 3), "b": normal(4)},
)


@pytest.mark.parametrize(
    ("precision", "low", "high"),
    [
        (Precision.FP32, 1e-6, 5e-4),
        (Precision.VULKAN_FP32, 1e-6, 5e-4),
        (Precision.FP16_WEIGHTS, 5e-4, 5e-3),
        (Precision.FP16, 2e-3, 1.5e-1),
        (Precision.BF16, 8e-3, 2e-1),
    ],
)
def test_bounds_grow_with_the_coarseness_of_the_format(precision, low, high):
    assert low < widest(CONV, precision) < high


def test_weights_alone_are_rounded_in_fp16_weights():
    x = normal(1, 16)
    assert widest(one_node("Tanh", x), Precision.FP16_WEIGHTS) == widest(one_node("Tanh", x))


def test_the_bound_follows_the_conditioning_of_the_computation():
    """1 / (x - 1) at x = 1.01 magnifies a relative error of x a hundredfold."""
    nodes = [NODE("Sub", ["x", "one"], ["d"]), NODE("Reciprocal", ["d"], ["y"])]
    near, far = (make_case(nodes, {"x": np.float32([x])}, {"one": np.float32([1])}) for x in (1.01, 3.0))
    assert 30 < widest(near) / widest(far) < 300


def test_a_mean_does_not_cancel_what_an_approximation_is_off():
    x = np.linspace(0.5, 0.9, 400, dtype=np.float32).reshape(1, 1, 20, 20)
    case = make_case([NODE("Asin", ["x"], ["a"]), NODE("GlobalAveragePool", ["a"], ["y"])], {"x": x})
    assert 4e-4 < widest(case, Precision.VULKAN_FP32) < 2e-3


def test_inexact_shader_functions_widen_vulkans_bound_alone():
    case = one_node("Asin", np.linspace(-0.9, 0.9, 20, dtype=np.float32))
    assert widest(case) < 3e-5
    assert 4e-4 < widest(case, Precision.VULKAN_FP32) < 2e-3


def test_a_half_graph_gets_a_half_bound_in_every_precision():
    half = one_node("Tanh", np.linspace(-1, 1, 9).astype(np.float16))
    assert 5e-4 < widest(half) < 2e-2
    assert compute_reference(half, [Precision.FP32]).outputs["y"].dtype == np.float16


@pytest.mark.parametrize("stored", [np.float16, np.float64])
def test_a_weight_stored_in_another_type_keeps_the_fp32_bound(stored):
    nodes = [NODE("Cast", ["w"], ["f"], to=1), NODE("Mul", ["x", "f"], ["y"])]
    case = make_case(nodes, {"x": normal(4)}, {"w": np.array([0.5, 2, 3, 4], stored)})
    assert widest(case) < 1e-5


def test_a_double_graph_is_bounded_as_fp32():
    case = one_node("Exp", np.linspace(-1, 1, 9))
    assert widest(case) < 1e-5
    assert compute_reference(case, [Precision.FP32]).outputs["y"].dtype == np.float64


def test_integer_outputs_are_exact_or_wrong():
    reference = compute_reference(one_node("ArgMax", np.float32([1, 5, 2]), axis=0), [Precision.FP32])
    assert reference.outputs["y"].tolist() == [1]
    assert 0 < reference.bounds[Precision.FP32]["y"].max() < 0.5


def test_scalars_have_bounds_too():
    reference = compute_reference(one_node("Neg", np.array(2, np.float32)), [Precision.FP32])
    assert reference.bounds[Precision.FP32]["y"].shape == ()


def test_names_may_clash_with_our_own():
    nodes = [NODE("Neg", ["noise0"], ["noise0_sum"]), NODE("Exp", ["noise0_sum"], ["noise1"])]
    reference = compute_reference(
        make_case(nodes, {"noise0": normal(3)}, outputs=["noise1"]), [Precision.FP32]
    )
    assert not reference.skip


def test_the_sign_of_zero_survives_the_probe():
    """1 / -0 is -inf: a noise of +0 would flip it, and Clip would show it."""
    nodes = [
        NODE("Neg", ["x"], ["n"]),
        NODE("Reciprocal", ["n"], ["r"]),
        NODE("Clip", ["r", "lo", "hi"], ["y"]),
    ]
    limits = {"lo": np.float32(-5), "hi": np.float32(5)}
    reference = compute_reference(make_case(nodes, {"x": np.zeros(2, np.float32)}, limits), [Precision.FP32])
    assert reference.outputs["y"].tolist() == [-5, -5]
    assert reference.bounds[Precision.FP32]["y"].max() < 0.01


def _subgraph(name, operator):
    node = NODE(operator, ["x"], [name])
    return helper.make_graph([node], name, [], [helper.make_tensor_value_info(name, 1, [2])])


def test_subgraphs_read_the_outer_tensors():
    node = NODE("If", ["c"], ["y"], then_branch=_subgraph("a", "Neg"), else_branch=_subgraph("b", "Exp"))
    case = make_case([node], {"x": np.float32([1, 2])}, {"c": np.array(True)})
    assert compute_reference(case, [Precision.FP32]).outputs["y"].tolist() == [-1, -2]


SKIPS = {
    "non-finite reference": one_node("Log", np.float32([-1.0, 2.0])),
    "onnxruntime can't run": one_node("MatMul", normal(2, 3), normal(2, 3)),
    "integers beyond 2^24": one_node("Add", np.int64([2**24]), np.int64([3])),
    "end of fp32's range": one_node("Mul", np.float32([1e20]), np.float32([1e15])),
}


@pytest.mark.parametrize("reason", SKIPS)
def test_a_case_that_cannot_be_judged_says_why(reason):
    reference = compute_reference(SKIPS[reason], Precision)
    assert reason in reference.skip
    assert not reference.bounds


HALVES = make_case(
    [NODE("Mul", ["x", "three"], ["m"]), NODE("Round", ["m"], ["y"])],
    {"x": np.float32([0.5, 1.5])},
    {"three": np.float32([1])},
)
CANCELLING = make_case(
    [NODE("Add", ["x", "big"], ["s"]), NODE("Sub", ["s", "big"], ["y"])],
    {"x": normal(4)},
    {"big": np.float32([1e6])},
)

PRECISION_SKIPS = [
    (HALVES, Precision.FP32, "discontinuous"),
    (CANCELLING, Precision.FP32, "ill-conditioned"),
    (
        make_case([NODE("MatMul", ["x", "w"], ["y"])], {"x": normal(1, 1)}, {"w": np.float32([[7e4]])}),
        Precision.FP16_WEIGHTS,
        "weight overflows",
    ),
    (one_node("Mul", np.float32([300]), np.float32([300])), Precision.FP16, "overflow in half"),
    (one_node("Softplus", np.float32([12.0])), Precision.FP16, "overflow in half"),
]


@pytest.mark.parametrize(("case", "precision", "reason"), PRECISION_SKIPS)
def test_a_precision_that_cannot_be_judged_says_why(case, precision, reason):
    reference = compute_reference(case, [precision])
    assert not reference.skip
    assert reason in reference.precision_skips[precision]
    assert precision not in reference.bounds


def test_away_from_the_jump_a_step_function_is_judged():
    assert widest(one_node("Round", np.float32([0.2, 1.7, -2.3]))) < 1e-5


def test_one_element_at_a_jump_is_left_out_and_the_rest_is_judged():
    x = np.float32([0.3, 1.3, 2.3, 3.3, 4.3, 5.3, 6.3, 2.5])
    bound = compute_reference(one_node("Round", x), [Precision.FP32]).bounds[Precision.FP32]["y"]
    assert np.isinf(bound).tolist() == [False] * 7 + [True]
    assert bound[:7].max() < 1e-3


def test_a_bound_does_not_depend_on_what_else_is_asked_for():
    alone = compute_reference(CONV, [Precision.FP16_WEIGHTS]).bounds
    together = compute_reference(CONV, reversed(Precision)).bounds
    assert np.array_equal(alone[Precision.FP16_WEIGHTS]["y"], together[Precision.FP16_WEIGHTS]["y"])


def test_weights_that_are_computed_are_rounded_too():
    """x · w cancels to 0.05: a common error of the scale would not show it, errors of each weight do."""
    nodes = [NODE("DequantizeLinear", ["q", "s"], ["w"]), NODE("MatMul", ["x", "w"], ["y"])]
    weights = {"q": np.int8([[100], [-99], [64], [-64]]), "s": np.float32(0.05)}
    case = make_case(nodes, {"x": np.ones((1, 4), np.float32)}, weights)
    reference = compute_reference(case, [Precision.FP32, Precision.FP16_WEIGHTS])
    assert set(reference.bounds) == {Precision.FP32}
    assert "ill-conditioned" in reference.precision_skips[Precision.FP16_WEIGHTS]


def test_a_negative_base_keeps_its_integer_exponent():
    """Disturbing the exponent would make a NaN of every negative base."""
    x = np.float32([-2, -1, 3])
    case = make_case([NODE("Pow", ["x", "two"], ["y"])], {"x": x}, {"two": np.float32(2)})
    assert widest(case) < 1e-5


@pytest.mark.parametrize(("mode", "judged"), [("nearest", True), ("linear", False)])
def test_coordinates_that_the_specification_leaves_open_are_not_judged(mode, judged):
    graph = helper.make_graph(
        [helper.make_node("Upsample", ["x", "s"], ["y"], mode=mode)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 4])],
        [numpy_helper.from_array(np.float32([1, 1, 2]), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 9)], ir_version=8)
    reference = compute_reference(Case(model, {"x": np.float32([[[1, 3]]])}), [Precision.FP32])
    assert (reference.skip == "") is judged
    assert judged or "leaves the coordinates" in reference.skip


def test_an_empty_output_is_not_judged():
    graph = helper.make_graph(
        [helper.make_node("Slice", ["x", "a", "a"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [0])],
        [numpy_helper.from_array(np.int64([1]), "a")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert "is empty" in compute_reference(Case(model, {"x": np.float32([1, 2])}), [Precision.FP32]).skip


def test_a_tensor_within_that_is_empty_is_not_judged():
    case = make_case(
        [NODE("Slice", ["x", "two", "two"], ["nothing"]), NODE("Concat", ["nothing", "x"], ["y"], axis=0)],
        {"x": np.float32([1, 2])},
        {"two": np.int64([2])},
    )
    assert (
        compute_reference(case, [Precision.FP32]).skip == "tensor 'nothing' is empty: ncnn has no such blobs"
    )


def test_an_empty_list_of_sizes_is_no_data():
    nodes = [
        NODE("Shape", ["x"], ["s"]),
        NODE("Slice", ["s", "zero", "zero"], ["none"]),
        NODE("Concat", ["none", "all"], ["t"], axis=0),
        NODE("Reshape", ["x", "t"], ["y"]),
    ]
    case = make_case(nodes, {"x": np.float32([[1, 2]])}, {"zero": np.int64([0]), "all": np.int64([-1])})
    assert compute_reference(case, [Precision.FP32]).skip == ""


def test_settings_of_no_elements_are_no_empty_tensors():
    case = make_case(
        [NODE("ReduceSum", ["x", "axes"], ["y"], noop_with_empty_axes=1)],
        {"x": np.float32([1, 2])},
        {"axes": np.int64([])},
    )
    assert compute_reference(case, [Precision.FP32]).skip == ""


@pytest.mark.parametrize(
    ("operator", "operand", "skipped"),
    [("Mul", np.float32([3, 4]), False), ("Reshape", np.int64([2, 1]), True)],
)
def test_files_that_onnxruntime_refuses_are_not_judged(operator, operand, skipped):
    """It infers no shape from an operand that lies beside the model, and ends there."""
    case = make_case([NODE(operator, ["x", "w"], ["y"])], {"x": np.float32([1, 2])}, {"w": operand})
    assert compute_reference(case, [Precision.FP32]).skip == ""
    beside = dataclasses.replace(case, external_data=True)
    assert compute_reference(beside, [Precision.FP32]).skip.startswith(UNRUNNABLE) is skipped


def test_what_is_computed_from_a_constant_that_cant_be_read_is_a_constant():
    """Its rounding to half is bounded as that of any weight."""
    stored = helper.make_tensor("b", TensorProto.BFLOAT16, [1, 2], [0.5, -3.0])
    nodes = [
        NODE("Constant", [], ["b"], value=stored),
        NODE("Cast", ["b"], ["w"], to=TensorProto.FLOAT),
        NODE("Mul", ["x", "w"], ["y"]),
    ]
    case = make_case(nodes, {"x": np.float32([[1, 1]])})
    reference = compute_reference(case, [Precision.FP32, Precision.FP16_WEIGHTS])
    half, single = (reference.bounds[p]["y"] for p in (Precision.FP16_WEIGHTS, Precision.FP32))
    assert np.all(half - single >= np.abs([[0.5, -3.0]]) * 2.0**-11)


@pytest.mark.parametrize(("behind", "output"), [((), "y"), ((NODE("Neg", ["y"], ["z"]),), "z")])
def test_intermediate_layers_are_stored_in_a_narrow_format_too(behind, output):
    """pnnx writes 1/6 · x as hardsigmoid(x - 3): x - 3 = -2.947 has steps of 2^-6 in bfloat16."""
    nodes = [NODE("HardSigmoid", ["x"], ["y"], alpha=1 / 6, beta=0.0), *behind]
    case = make_case(nodes, {"x": np.float32([[[2.9]]])}, outputs=(output,))
    bound = compute_reference(case, [Precision.BF16]).bounds[Precision.BF16][output].item()
    assert 2.0**-9 / 2 < bound < 0.1
    tiny = make_case(nodes, {"x": np.float32([[[0.05263715]]])}, outputs=(output,))
    assert Precision.BF16 in compute_reference(tiny, [Precision.BF16]).precision_skips
