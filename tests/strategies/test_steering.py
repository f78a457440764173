"""Steering: half of the cases meet what they aim at, the other half and shrinking are as ever."""

from collections import Counter

import onnx
import pytest
from strategy_helpers import draw_many, minimal

from strategies import PATTERNS, SPECS, Swarm, cases
from strategies.census import wanted_features
from strategies.initializers import FORMS, ROUTES
from strategies.swarm import FEATURES

RARE_FEW = ("op:Swish", "pattern:gelu", "weight:uint64:constant_typed", "weight:bfloat16:input")
NARROW = Swarm(
    operators=frozenset({"Relu", "Abs", "Conv"}),
    dtypes=frozenset({"float32"}),
    storages=frozenset(),
    opsets=(9, 11),
)
"""A round that by itself holds nothing of the above."""


def keys(favoured: tuple[str, ...], start: int) -> list[str]:
    return [case.key for case in draw_many(cases(favoured=favoured), 40, start)]


def test_the_same_seed_and_favoured_features_give_the_same_cases() -> None:
    assert keys(RARE_FEW, 3) == keys(RARE_FEW, 3)
    assert keys(RARE_FEW, 3) != keys(RARE_FEW[:1], 3)


def test_a_tenth_of_a_narrow_round_meets_each_of_four_favoured_features() -> None:
    drawn = draw_many(cases(swarm=NARROW, favoured=RARE_FEW), 200, 5)
    met = Counter(f for case in drawn for f in case.features if f in RARE_FEW)
    met["pattern:gelu"] += sum(f.startswith("near_miss:gelu:") for case in drawn for f in case.features)
    assert {feature: met[feature] for feature in RARE_FEW if met[feature] < 12} == {}


def test_half_of_a_steered_round_is_drawn_as_ever() -> None:
    drawn = draw_many(cases(swarm=NARROW, favoured=["op:Swish"]), 100, 6)
    unsteered = [case for case in drawn if set(case.operators) <= {"Relu", "Abs", "Conv"}]
    # Most of Hypothesis's examples are variations of the one before, so that shares scatter.
    assert 0.25 * len(drawn) < len(unsteered) < 0.75 * len(drawn)


def test_steering_makes_few_copies() -> None:
    drawn = draw_many(cases(swarm=Swarm.of_seed(7, operators=SPECS), favoured=RARE_FEW), 200, 7)
    assert len({case.key for case in drawn}) > 0.95 * len(drawn)


def test_shrinking_ends_where_it_ends_without_steering() -> None:
    arguments = {"operators": {"Conv"}, "max_nodes": 6}
    steered = minimal(cases(**arguments, favoured=RARE_FEW))  # type: ignore[arg-type]
    assert steered.operators == minimal(cases(**arguments)).operators  # type: ignore[arg-type]


def test_a_storage_form_aimed_at_shrinks_to_one_constant() -> None:
    feature = "weight:uint64:typed"
    case = minimal(cases(favoured=[feature]), lambda c: feature in c.features)
    assert [t.data_type for t in case.model.graph.initializer] == [onnx.TensorProto.UINT64]
    assert len(case.model.graph.node) <= 3  # the anchor, the Cast, and the Add that uses it


@pytest.mark.parametrize("feature", ["op:Nope", "pattern:nope", "weight:int4:typed", "route:nope", "Conv"])
def test_a_feature_that_nothing_can_meet_is_named(feature: str) -> None:
    with pytest.raises(ValueError, match=feature):
        cases(favoured=[feature])


@pytest.mark.slow
@pytest.mark.parametrize("feature", wanted_features())
def test_every_wanted_feature_can_be_aimed_at(feature: str) -> None:
    """In a round that allows next to nothing, a tenth of the cases at least meet it."""
    bare = Swarm(
        operators=frozenset({"Relu"}), storages=frozenset(), features=frozenset(FEATURES) - {"patterns"}
    )
    drawn = draw_many(cases(swarm=bare, favoured=[feature]), 32, 1)
    met = sum(feature in case.features for case in drawn)
    assert met >= 3, (feature, met)


def test_all_that_is_wanted_is_named_in_full() -> None:
    kinds = Counter(feature.partition(":")[0] for feature in wanted_features())
    assert kinds["pattern"] == len(PATTERNS)
    assert kinds["route"] == len(ROUTES)
    assert kinds["weight"] == 13 * len(FORMS) - 11 - 1  # lists are float32 or int64; no repeated bfloat16
