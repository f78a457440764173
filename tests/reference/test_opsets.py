"""No form of an operator may go wholly unjudged: each operator in each of its opset versions has a bound."""

from __future__ import annotations

from random import Random

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, Phase, Verbosity, find, settings
from hypothesis.errors import NoSuchExample
from reference_models import make_case

from fuzzconv.case import Case
from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.reference import Precision
from strategies import SPECS, Spec, cases
from strategies.swarm import OPSETS

QUIET = settings(
    max_examples=60,
    phases=[Phase.generate],
    database=None,
    deadline=None,
    derandomize=False,
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


def versions(spec: Spec) -> dict[tuple[int, ...], int]:
    """Versions of the operator's schema → first opset of ours with it: where its meaning may change."""
    found: dict[tuple[int, ...], int] = {}
    for opset in sorted(filter(spec.exists, OPSETS)):
        schemas = (s for s in map(SCHEMAS.get, sorted(spec.operators)) if s)
        version = tuple(max((v for v in known if v <= opset), default=0) for known in schemas)
        found.setdefault(version, opset)
    return found


SCHEMAS: dict[str, list[int]] = {}
for schema in onnx.defs.get_all_schemas_with_history():
    if not schema.domain:
        SCHEMAS.setdefault(schema.name, []).append(schema.since_version)
FORMS = [(name, opset) for name, spec in SPECS.items() for opset in versions(spec).values()]


def is_judged(case: Case, operator: str, opset: int) -> bool:
    """Whether the case holds the operator and some element of its outputs has an error bound at fp32."""
    if case.opset != opset or SPECS[operator].operators.isdisjoint(case.operators):
        return False
    bounds = compute_reference(case, [Precision.FP32]).bounds.get(Precision.FP32, {})
    return any(np.isfinite(bound).any() for bound in bounds.values())


def has_a_judged_case(operator: str, opset: int) -> bool:
    drawn = cases(operators={operator}, opsets=[opset], max_nodes=1, rare_rate=0.25)
    try:
        find(drawn, lambda case: is_judged(case, operator, opset), settings=QUIET, random=Random(1))
    except NoSuchExample:
        return False
    return True


@pytest.mark.slow
def test_every_version_of_every_operator_is_judged() -> None:
    unjudged = [
        f"{operator}, opset {opset}" for operator, opset in FORMS if not has_a_judged_case(operator, opset)
    ]
    assert unjudged == []
    assert len(FORMS) > 2 * len(SPECS)


@pytest.mark.parametrize(("operator", "opset"), [("Upsample", 9), ("Resize", 10)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_open_coordinates_leave_the_nearest_mode_to_judge(operator: str, opset: int, mode: str) -> None:
    x = np.float32([[[1, 2, 4]]])
    node = onnx.helper.make_node(operator, ["x", "s"], ["y"], mode=mode)
    case = make_case([node], {"x": x}, {"s": np.float32([1, 1, 2])}, opset=opset)
    assert is_judged(case, operator, opset) == (mode == "nearest")
