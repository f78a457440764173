"""Products of onnx2ncnn's networks."""

from __future__ import annotations

import onnx
import pytest
from small_cases import array, by_onnx2ncnn, case, first_fault, node

from fuzzconv.findings.legacy import legacy_faults
from fuzzconv.findings.products import FLATTENED, PRODUCT_AS_GEMM


@pytest.mark.parametrize(
    ("rank", "rows", "behind", "expected"),
    [(4, 2, True, FLATTENED), (3, 1, True, FLATTENED), (3, 2, True, ""), (2, 1, True, ""), (4, 2, False, "")],
)
def test_a_product_of_many_axes_is_flattened(rank: int, rows: int, behind: bool, expected: str) -> None:
    nodes = [onnx.helper.make_node("MatMul", ["x", "w"], ["t"])]
    nodes += [onnx.helper.make_node("Relu", ["t"], ["y"])] if behind else []
    made = case(nodes, {"x": array(*[*[1] * (rank - 2), rows, 1])}, {"w": array(1, 1)})
    param = "7767517\n2 2\nInput x 0 1 x\nInnerProduct t 1 1 x t 0=1\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((1, 2, 2, 2), "Gemm", PRODUCT_AS_GEMM),
        ((1, 1, 2, 2), "Gemm", PRODUCT_AS_GEMM),
        ((2, 2, 2), "Gemm", PRODUCT_AS_GEMM),
        ((1, 2, 2), "Gemm", ""),
        ((2, 2), "Gemm", ""),
        ((2,), "Gemm", PRODUCT_AS_GEMM),
        ((1, 2, 2, 2), "MatMul", ""),
    ],
)
def test_what_is_no_matrix_is_not_multiplied_by_a_gemm(
    shape: tuple[int, ...], layer: str, expected: str
) -> None:
    made = case([node("MatMul", "x w")], {"x": array(*shape), "w": array(*shape)})
    param = f"7767517\n3 3\nInput x 0 1 x\nInput w 0 1 w\n{layer} y 2 1 x w y\n"
    assert first_fault(legacy_faults, made, by_onnx2ncnn(param)) == expected
