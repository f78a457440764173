"""Every generated case is a valid model, judged by onnx and onnxruntime themselves."""

import time
from collections import Counter
from collections.abc import Collection

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import shape_inference
from strategy_helpers import draw_many, mixed_cases

from fuzzconv.case import Array, Case
from strategies import PATTERNS, SPECS, Swarm, cases

COUNT = 1200
LEAST_MODELS_PER_SECOND = 25
"""A quarter of what is wanted of a free core: machines that run tests are busy."""


DATA_DEPENDENT = {
    "GroupNormalization",
    "Shape",
    "Compress",
    "NonZero",
    "Range",
    "Resize",
    "Upsample",
    "Expand",
    "ConstantOfShape",
}
"""Operators whose output shape inference can't always tell."""


def inferred_shapes(case: Case) -> list[list[int]]:
    """The shapes that strict inference finds for the outputs of nodes, untold by the model (0: unknown)."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    computed = {name for node in model.graph.node for name in node.output}
    for info in model.graph.output:
        if info.name in computed:
            info.type.tensor_type.ClearField("shape")
    model = shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return computed_shapes(model)


def computed_shapes(model: onnx.ModelProto) -> list[list[int]]:
    """The shapes of outputs that some node computes: not of inputs and initializers that are outputs."""
    computed = {name for node in model.graph.node for name in node.output}
    shapes = zip(model.graph.output, declared_shapes(model), strict=True)
    return [shape for info, shape in shapes if info.name in computed]


def agree(inferred: list[list[int]], declared: list[list[int]], unknown: Collection[str]) -> bool:
    """Whether both say the same; inference may not know a size where ``unknown`` holds an operator."""
    if not unknown:
        return inferred == declared
    pairs = [(i, d) for i, d in zip(inferred, declared, strict=True) if len(i) == len(d)]
    return all(i in (0, d) for left, right in pairs for i, d in zip(left, right, strict=True))


def declared_shapes(model: onnx.ModelProto) -> list[list[int]]:
    return [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output]


def run(case: Case) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        case.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs: list[Array] = session.run(None, dict(case.inputs))
    return outputs


def assert_valid(drawn: list[Case] | tuple[Case, ...]) -> None:
    refused: Counter[str] = Counter()
    for case in drawn:
        onnx.checker.check_model(case.model, full_check=True)
        symbolic = "graph:symbolic" in case.features
        if not symbolic:
            inferred, declared = inferred_shapes(case), computed_shapes(case.model)
            assert agree(inferred, declared, set(case.operators) & DATA_DEPENDENT), case.operators
        try:
            outputs = run(case)
        except Exception as error:
            refused[f"{case.operators}: {error}"] += 1
            continue
        for shape, output in zip(declared_shapes(case.model), outputs, strict=True):
            assert symbolic or tuple(shape) == output.shape, case.operators
            assert output.dtype.kind != "f" or np.isfinite(output).all(), case.operators
    assert refused.total() <= 0.02 * len(drawn), refused.most_common(5)


def test_cases_are_valid_and_finite() -> None:
    assert_valid(draw_many(cases(), 80, start=11))


@pytest.mark.slow
def test_a_thousand_cases_are_valid_and_finite() -> None:
    assert_valid(mixed_cases(COUNT))


@pytest.mark.slow
def test_every_pattern_and_near_miss_is_valid_and_finite() -> None:
    drawn = draw_many(cases(patterns=PATTERNS, max_nodes=1), 1500, start=2)
    assert_valid(drawn)
    met = {f for case in drawn for f in case.features if f.startswith(("pattern:", "near_miss:"))}
    wanted = {f"pattern:{p}" for p in PATTERNS}
    wanted |= {f"near_miss:{p.name}:{m}" for p in PATTERNS.values() for m in (*p.misses, "extra_user")}
    assert met == wanted


@pytest.mark.slow
@pytest.mark.parametrize("operator", SPECS)
def test_every_operator_is_valid_and_finite(operator: str) -> None:
    drawn = draw_many(cases(operators={operator}, rare_rate=0.25), 40, start=3)
    assert_valid(drawn)
    assert all(SPECS[operator].operators & set(case.operators) for case in drawn)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_cases_of_a_swarm_are_valid(seed: int) -> None:
    assert_valid(draw_many(cases(swarm=Swarm.of_seed(seed, operators=SPECS)), 100, start=seed))


@pytest.mark.slow
def test_generation_is_fast() -> None:
    started = time.process_time()
    drawn = draw_many(cases(), 400, start=4)
    rate = len(drawn) / (time.process_time() - started)
    print(f"{rate:.0f} models/s")
    assert rate > LEAST_MODELS_PER_SECOND


def test_a_gather_from_a_tensor_that_is_too_large_takes_one_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strategies.operators.indexing.MAX_ELEMENTS", 1)
    drawn = draw_many(cases(operators={"Gather"}, max_nodes=1), 30)
    assert any("Gather" in case.operators for case in drawn)
