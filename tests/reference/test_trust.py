"""Can the bounds be trusted? Generated cases judged with a right stand-in, and with planted errors.

The stand-in for a converter and ncnn is onnxruntime with its basic optimisations on, which folds constants
and fuses convolutions and matrix products as they do, at fp32 and with those weights rounded to half that
pnnx rounds.
"""

from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from onnx import numpy_helper

from fuzzconv.oracles.values import judge_outputs
from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.confirm import confirm_reference
from fuzzconv.reference.reference import Precision
from strategies import cases

pytestmark = pytest.mark.slow

CASES = 700
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
SHARES = {Precision.FP32: 1e-3, Precision.FP16_WEIGHTS: 1e-2}


@cache
def judged_cases():
    """(case, reference) of generated cases, all precisions the tests need."""
    found = []

    @seed(20)
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    @given(cases())
    def collect(case):
        found.append((case, compute_reference(case, SHARES)))

    collect()
    return found


def stand_in(case, to_half):
    """What onnxruntime makes of the case when it may optimise."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    if to_half:
        weights = {name for n in model.graph.node if n.op_type in WEIGHTED for name in n.input[:2]}
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name in weights:
                rounded = numpy_helper.to_array(tensor).astype(np.float16).astype(np.float32)
                tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    options = ort.SessionOptions()
    # not the extended level: it turns DequantizeLinear and MatMul into 8-bit arithmetic, and a Pow by any
    # exponent between two ReduceMeans into a LayerNormalization
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in case.model.graph.output]
    return dict(zip(names, session.run(names, dict(case.inputs)), strict=True))


@pytest.mark.parametrize(("precision", "to_half"), [(Precision.FP32, False), (Precision.FP16_WEIGHTS, True)])
def test_a_right_implementation_is_never_accused(precision, to_half):
    judged = 0
    for case, reference in judged_cases():
        if precision in reference.bounds:
            found = judge_outputs(reference, precision, stand_in(case, to_half))
            assert found, (case.opset, case.operators, found.description)
            judged += 1
    assert judged >= 500


def test_the_second_reference_agrees_with_the_first():
    disagreements = {}
    for case, reference in judged_cases():
        reason = confirm_reference(case, reference)
        if reason:
            disagreements[case.opset, case.operators] = reason
    assert len(disagreements) <= CASES // 200, disagreements


def test_few_cases_go_unjudged_and_no_operator_goes_wholly():
    judged, seen = set(), {}
    unjudged = 0
    for case, reference in judged_cases():
        good = Precision.FP32 in reference.bounds
        unjudged += not good
        for operator in set(case.operators):
            seen[operator] = seen.get(operator, 0) + 1
            judged |= {operator} if good else set()
    assert unjudged < 0.1 * len(judged_cases())
    assert {operator for operator, count in seen.items() if count >= 3} <= judged


def is_well_conditioned(case, reference, name):
    """Whether rounding all weights to half moves the output by no more than a few roundings."""
    moved = stand_in(case, to_half=True)[name].astype(np.float64)
    expected = reference.outputs[name].astype(np.float64)
    return np.max(np.abs(moved - expected)) <= 4 * 2.0**-11 * np.max(np.abs(expected))


@pytest.mark.parametrize("precision", SHARES)
def test_an_error_in_a_single_element_is_found(precision):
    rng = np.random.default_rng(5)
    found = planted = 0
    for case, reference in judged_cases():
        name, expected = next(iter(reference.outputs.items()), ("", np.zeros(0)))
        if precision not in reference.bounds or expected.dtype != np.float32 or not np.any(expected):
            continue
        if not is_well_conditioned(case, reference, name):
            continue
        wrong = expected.astype(np.float64)
        wrong.flat[rng.integers(wrong.size)] += (
            SHARES[precision] * np.max(np.abs(wrong)) * rng.choice([-1, 1])
        )
        planted += 1
        found += not judge_outputs(reference, precision, {**reference.outputs, name: wrong})
    assert planted >= 400
    assert found >= 0.95 * planted
