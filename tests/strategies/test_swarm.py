"""Swarms: the same for the same seed, different between seeds, and obeyed."""

from strategy_helpers import draw_many

from strategies import SPECS, Swarm, cases
from strategies.swarm import FEATURES, OPSETS


def test_a_swarm_depends_on_its_seed_alone() -> None:
    assert Swarm.of_seed(5, operators=SPECS) == Swarm.of_seed(5, operators=reversed(SPECS))
    assert len({Swarm.of_seed(seed, operators=SPECS) for seed in range(50)}) == 50


def test_every_operator_feature_and_opset_has_its_rounds() -> None:
    swarms = [Swarm.of_seed(seed, operators=SPECS) for seed in range(60)]
    assert set().union(*(s.operators or set() for s in swarms)) == set(SPECS)
    assert set().union(*(s.features for s in swarms)) == set(FEATURES)
    assert set().union(*(s.opsets for s in swarms)) == set(OPSETS)


def test_cases_obey_their_swarm() -> None:
    swarm = Swarm(
        operators=frozenset({"Add", "Relu"}),
        dtypes=frozenset({"float32"}),
        storages=frozenset(),
        features=frozenset(),
        opsets=(13,),
    )
    for case in draw_many(cases(swarm=swarm), 100):
        assert case.opset == 13
        assert set(case.operators) <= {"Add", "Relu"}
        assert len(case.inputs) == 1
        stored = {f for f in case.features if f.startswith("weight:")}
        assert stored <= {"weight:float32:raw_data"}
