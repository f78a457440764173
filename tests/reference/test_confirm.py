"""The second reference: it confirms what is right, and its formulas are the specification's."""

from dataclasses import replace

import numpy as np
import pytest
from reference_models import one_node

from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.confirm import confirm_reference, second_outputs
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.reference.specification import CORRECTIONS, corrections

X = np.arange(1, 13, dtype=np.float32).reshape(1, 2, 6) / 4


def test_a_right_reference_is_confirmed():
    case = one_node("Softplus", X)
    assert confirm_reference(case, compute_reference(case, [Precision.FP32])) == ""


def test_a_wrong_reference_is_not():
    case = one_node("Softplus", X)
    reference = compute_reference(case, [Precision.FP32])
    wrong = reference.outputs["y"].copy()
    wrong[0, 1, 2] += np.float32(0.01)
    reason = confirm_reference(case, replace(reference, outputs={"y": wrong}))
    assert reason.startswith("references disagree on output 'y': at [0, 1, 2] onnxruntime has")


def test_a_reference_of_another_shape_is_not():
    case = one_node("Softplus", X)
    reference = compute_reference(case, [Precision.FP32])
    turned = {"y": reference.outputs["y"].reshape(2, 6)}
    assert "shape" in confirm_reference(case, replace(reference, outputs=turned))


def test_the_strictest_bound_there_is_decides():
    case = one_node("Softplus", X)
    reference = compute_reference(case, [Precision.FP32, Precision.BF16])
    wrong = reference.outputs["y"] * np.float32(1.001)
    assert confirm_reference(case, replace(reference, outputs={"y": wrong}))
    loose = replace(
        reference, outputs={"y": wrong}, bounds={Precision.BF16: reference.bounds[Precision.BF16]}
    )
    assert confirm_reference(case, loose) == ""


def test_what_is_skipped_needs_no_confirmation():
    assert confirm_reference(one_node("Softplus", X), Reference(skip="why")) == ""


def test_where_there_is_no_second_reference_it_says_so():
    assert "onnx.reference" in second_outputs(one_node("MaxPool", X, outputs=2, kernel_shape=[2]))


def second(operator, *inputs, opset=13, **attributes):
    outputs = second_outputs(one_node(operator, *inputs, opset=opset, **attributes))
    assert not isinstance(outputs, str), outputs
    return outputs["y"]


def test_softmax_below_13_flattens_from_the_axis_on():
    x = np.zeros((1, 2, 4), np.float32)
    assert np.allclose(second("Softmax", x, opset=11), 1 / 8)
    assert np.allclose(second("Softmax", x, opset=13), 1 / 4)
    assert np.allclose(second("LogSoftmax", x, opset=11, axis=-1), -np.log(4))
    assert second("Hardmax", x, opset=11).ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("opset", [7, 9, 13, 15])
def test_batch_normalization_uses_the_given_statistics(opset):
    scale, bias, mean, var = np.float32([[2, 3], [1, -1], [1, 0], [4, 1]])
    x = np.float32([[[3], [5]]])
    got = second("BatchNormalization", x, scale, bias, mean, var, opset=opset, epsilon=0.0)
    assert np.allclose(got.ravel(), [(3 - 1) / 2 * 2 + 1, 5 * 3 - 1])


def test_lrn_sums_over_neighbouring_channels():
    x = np.float32([[[1], [2], [3]]])
    got = second("LRN", x, size=3, alpha=3.0, beta=1.0, bias=0.0)
    assert np.allclose(got.ravel(), [1 / (1 + 4), 2 / (1 + 4 + 9), 3 / (4 + 9)])


def test_an_even_lrn_window_reaches_further_up():
    x = np.float32([[[1], [2], [3]]])
    got = second("LRN", x, size=2, alpha=2.0, beta=1.0, bias=0.0)
    assert np.allclose(got.ravel(), [1 / (1 + 4), 2 / (4 + 9), 3 / 9])


def test_global_pools():
    x = np.float32([[[3, -4], [1, 2]]])
    assert second("GlobalMaxPool", x).ravel().tolist() == [3, 2]
    assert second("GlobalLpPool", x).ravel().tolist() == [5, pytest.approx(5**0.5)]
    assert second("GlobalLpPool", x, p=1).ravel().tolist() == [7, 3]


LINE = np.float32([[[1, 5, 2, 4, 3]]])


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kernel_shape": [2]}, [5, 5, 4, 4]),
        ({"kernel_shape": [2], "strides": [2]}, [5, 4]),
        ({"kernel_shape": [2], "strides": [2], "ceil_mode": 1}, [5, 4, 3]),
        ({"kernel_shape": [2], "dilations": [2]}, [2, 5, 3]),
        ({"kernel_shape": [3], "pads": [1, 1], "strides": [2]}, [5, 5, 4]),
        ({"kernel_shape": [2], "auto_pad": "SAME_UPPER"}, [5, 5, 4, 4, 3]),
        ({"kernel_shape": [2], "auto_pad": "SAME_LOWER"}, [1, 5, 5, 4, 4]),
        ({"kernel_shape": [2], "auto_pad": "SAME_UPPER", "strides": [2]}, [5, 4, 3]),
        # the window that would start in the end padding is left out
        ({"kernel_shape": [1], "strides": [3], "pads": [0, 2], "ceil_mode": 1}, [1, 4]),
    ],
)
def test_max_pool(attributes, expected):
    assert second("MaxPool", LINE, opset=12, **attributes).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"kernel_shape": [2]}, [3, 3.5, 3, 3.5]),
        ({"kernel_shape": [2], "pads": [1, 0], "strides": [3]}, [1, 3]),
        ({"kernel_shape": [2], "pads": [1, 0], "strides": [3], "count_include_pad": 1}, [0.5, 3]),
        ({"kernel_shape": [2], "strides": [2], "ceil_mode": 1}, [3, 3, 3]),
        ({"kernel_shape": [2], "strides": [2], "ceil_mode": 1, "count_include_pad": 1}, [3, 3, 3]),
    ],
)
def test_average_pool(attributes, expected):
    assert second("AveragePool", LINE, opset=19, **attributes).ravel().tolist() == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({}, [1, 12, 23, 30]),
        ({"strides": [2]}, [1, 10, 2, 20, 3, 30]),
        ({"strides": [3]}, [1, 10, 0, 2, 20, 0, 3, 30]),
        ({"dilations": [2]}, [1, 2, 13, 20, 30]),
        ({"pads": [1, 0]}, [12, 23, 30]),
        ({"strides": [2], "output_padding": [1]}, [1, 10, 2, 20, 3, 30, 0]),
        ({"strides": [2], "pads": [1, 1]}, [10, 2, 20, 3]),
        ({"auto_pad": "SAME_UPPER"}, [1, 12, 23]),
        ({"auto_pad": "SAME_LOWER"}, [12, 23, 30]),
    ],
)
def test_conv_transpose(attributes, expected):
    x, w = np.float32([[[1, 2, 3]]]), np.float32([[[1, 10]]])
    assert second("ConvTranspose", x, w, **attributes).ravel().tolist() == expected


def test_conv_transpose_keeps_groups_apart():
    x, w = np.float32([[[1], [2]]]), np.float32([[[1, 10]], [[3, 30]]])
    got = second("ConvTranspose", x, w, np.float32([0, 100]), group=2)
    assert got.tolist() == [[[1, 10], [106, 160]]]


def test_dequantize_linear_per_axis():
    x = np.array([[10, 20], [30, 40]], np.uint8)
    got = second("DequantizeLinear", x, np.float32([2, 3]), np.uint8([10, 20]), axis=1)
    assert got.tolist() == [[0, 0], [40, 60]]


def test_the_table_names_each_operator_once_per_opset():
    for opset in range(1, 27):
        rows = [c.operator for c in CORRECTIONS if c.since <= opset <= c.until]
        assert len(rows) == len(set(rows)) == len(corrections(opset))
    assert all(c.reason and c.since <= c.until for c in CORRECTIONS)


@pytest.mark.parametrize(("operator", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_upsampling_is_asymmetric(operator, opset):
    x, scales = np.float32([[[0, 8]]]), np.float32([1, 1, 2])
    assert second(operator, x, scales, opset=opset, mode="nearest").ravel().tolist() == [0, 0, 8, 8]
    assert second(operator, x, scales, opset=opset, mode="linear").ravel().tolist() == [0, 4, 8, 8]
