from __future__ import annotations

import pytest
from small_cases import verdict

from fuzzconv.findings.axes import FIRST_AXIS
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.title import title_of
from fuzzconv.verdict import Kind

RESULT, WEIGHTS, CRASH, LOAD = (
    {"family": "result", "stage": "compare"},
    {"family": "weights", "stage": "weights"},
    {"family": "crash", "stage": "convert"},
    {"family": "load", "stage": "load"},
)


@pytest.mark.parametrize(
    ("signature", "kind", "evidence", "title"),
    [
        (
            Signature(converter="pnnx", operators=("AveragePool(ceil_mode=1)",), **RESULT),
            Kind.DIVERGENCE,
            {"max_abs": 0.312},
            "pnnx: AveragePool with ceil_mode=1 gives wrong values (max error 0.31)",
        ),
        (
            Signature(converter="pnnx", operators=("Einsum",), **RESULT),
            Kind.DIVERGENCE,
            {"max_abs": 2.9e32, "undefined": True},
            "pnnx: Einsum gives undefined values, others in each process",
        ),
        (
            Signature(converter="ncnn", operators=("Conv(B,pads)", "Relu"), condition="vulkan", **RESULT),
            Kind.NAN,
            {},
            "ncnn: Conv with B and pads then Relu on Vulkan only gives NaN or infinity",
        ),
        (
            Signature(converter="pnnx", operators=("Erf(rank=5)",), condition="fp16=1", **RESULT),
            Kind.SHAPE_MISMATCH,
            {"shape": [1, 2], "actual_shape": [2, 2]},
            "pnnx: Erf with rank 5 with fp16=1 only gives the wrong shape ([2, 2] instead of [1, 2])",
        ),
        (
            Signature(converter="onnx2ncnn", operators=("MemoryData(not float32)",), **WEIGHTS),
            Kind.WEIGHT_SHIFT,
            {"shift_bytes": 4},
            "onnx2ncnn: MemoryData with a constant that is not float32"
            " puts weights in the wrong place (4 bytes off)",
        ),
        (
            Signature(converter="pnnx", operators=("Max",), **CRASH),
            Kind.CRASH,
            {"signal": "SIGABRT"},
            "pnnx: Max crashes the converter (SIGABRT)",
        ),
        (
            Signature(converter="pnnx", operators=("Foo",), message="unknown layer Foo", **LOAD),
            Kind.LOAD_FAILURE,
            {},
            "pnnx: Foo can't be run by ncnn (unknown layer Foo)",
        ),
    ],
)
def test_titles(signature: Signature, kind: Kind, evidence: dict[str, object], title: str) -> None:
    assert title_of(signature, verdict("pnnx:fp16=0/cpu", kind, **evidence)) == title


def test_a_cause_of_one_operator_is_told_beside_it() -> None:
    signature = Signature("result", "onnx2ncnn", "compare", ("Concat",), "", FIRST_AXIS)
    bad = verdict("onnx2ncnn/cpu", Kind.SHAPE_MISMATCH, actual_shape=[2], shape=[4])
    assert title_of(signature, bad) == (
        "onnx2ncnn: Concat (an operator along the first axis, which is taken for a batch) "
        "gives the wrong shape ([2] instead of [4])"
    )
