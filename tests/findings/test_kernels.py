"""Convolutions of onnx2ncnn's networks that have no kernel."""

from __future__ import annotations

import pytest
from small_cases import array, by_onnx2ncnn, case, first_fault, judgement, node, verdict

from fuzzconv.findings.kernels import KERNEL_LEFT_OUT, KERNEL_OF_THREE
from fuzzconv.findings.legacy import legacy_faults
from fuzzconv.findings.signature import signature_of
from fuzzconv.verdict import Kind


@pytest.mark.parametrize("operator", ["Conv", "ConvTranspose"])
@pytest.mark.parametrize(
    ("axes", "written", "told", "expected"),
    [
        (1, "", {}, KERNEL_LEFT_OUT),
        (2, "", {}, KERNEL_LEFT_OUT),
        (3, "", {}, KERNEL_OF_THREE),
        (3, "", {"kernel_shape": [1, 1, 1]}, KERNEL_OF_THREE),
        (2, "1=1 11=1", {}, ""),
        (2, "", {"kernel_shape": [1, 1]}, ""),
    ],
)
def test_a_convolution_without_a_kernel(
    operator: str, axes: int, written: str, told: dict, expected: str
) -> None:
    made = case(
        [node(operator, "x w", **told)], {"x": array(1, 1, *[1] * axes)}, {"w": array(1, 1, *[1] * axes)}
    )
    layer = "Convolution" if operator == "Conv" else "DeconvolutionDepthWise"
    param = f"7767517\n2 2\nInput x 0 1 x\n{layer} y 1 1 x y 0=1 {written}\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected
    refused = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message="layer load_param 1 y failed")
    signature = signature_of(
        judgement(made, refused, conversions={"onnx2ncnn": by_onnx2ncnn(param)}), refused
    )
    if expected:
        assert (signature.operators, signature.message) == ((operator,), expected)


@pytest.mark.parametrize(
    ("operator", "axes", "layer", "expected"),
    [
        ("MaxPool", 3, "Pooling y 1 1 x y 0=0 5=1", KERNEL_OF_THREE),
        ("AveragePool", 3, "Pooling y 1 1 x y 0=1 5=1 6=0", KERNEL_OF_THREE),
        ("MaxPool", 2, "Pooling y 1 1 x y 0=0 1=1 11=1 5=1", ""),
        ("GlobalMaxPool", 3, "Pooling y 1 1 x y 0=0 4=1", ""),
    ],
)
def test_a_pooling_without_a_kernel(operator: str, axes: int, layer: str, expected: str) -> None:
    told = {} if operator.startswith("Global") else {"kernel_shape": [1] * axes}
    made = case([node(operator, "x", **told)], {"x": array(1, 1, *[1] * axes)})
    network = by_onnx2ncnn(f"7767517\n2 2\nInput x 0 1 x\n{layer}\n")
    refused = verdict("onnx2ncnn/cpu", Kind.LOAD_FAILURE, "load", message="layer load_param 1 y failed")
    found = signature_of(judgement(made, refused, conversions={"onnx2ncnn": network}), refused)
    assert (KERNEL_OF_THREE in legacy_faults(made, network)) is bool(expected)
    assert not expected or (found.operators, found.message) == ((operator,), expected)
