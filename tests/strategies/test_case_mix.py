"""What the full mix holds: few copies, every form that is promised, odds that lower and never exclude."""

from collections import Counter
from collections.abc import Iterable

import pytest
from onnx import TensorProto
from strategy_helpers import draw_many, find_any, mixed_cases

from fuzzconv.case import Case
from strategies import SPECS, Swarm, cases
from strategies.dtypes import DTYPES
from strategies.initializers import FORMS, ROUTES

ROUND = 200
"""More cases than a search round of a campaign holds."""


def feature_counts(drawn: Iterable[Case]) -> Counter[str]:
    return Counter(feature for case in drawn for feature in case.features)


@pytest.mark.slow
def test_fewer_than_one_case_in_twenty_is_a_copy() -> None:
    drawn = mixed_cases(1000)
    assert len({case.key for case in drawn}) > 0.95 * len(drawn)


@pytest.mark.slow
def test_few_copies_within_and_across_the_rounds_of_a_campaign() -> None:
    keys = [
        case.key
        for seed in range(1, 7)
        for case in draw_many(cases(swarm=Swarm.of_seed(seed, operators=SPECS)), ROUND, seed)
    ]
    assert len(set(keys)) > 0.95 * len(keys)


@pytest.mark.slow
@pytest.mark.parametrize("operators", [{"Relu"}, {"Softmax"}, {"Conv", "Relu"}])
def test_few_copies_even_of_one_operator(operators: set[str]) -> None:
    drawn = draw_many(cases(operators=operators), ROUND, 1)
    assert len({case.key for case in drawn}) > 0.95 * len(drawn)


@pytest.mark.slow
def test_the_mix_holds_every_graph_shape_rank_and_feature() -> None:
    met = feature_counts(mixed_cases(1000))
    wanted = [f"shape:{s}" for s in ("single", "chain", "branches", "join", "diamond")]
    wanted += [f"rank:{r}" for r in range(6)]
    wanted += [
        "graph:symbolic",
        "graph:inner_output",
        "weight:unused",
        "weight:unused_empty",
        "weight:shared",
    ]
    wanted += [f"route:{r}" for r in ROUTES]
    wanted += [
        "dtype:float16",
        "dtype:float64",
        "dtype:int64",
        "rare",
        "inputs:2",
        "outputs:3",
    ]
    assert [w for w in wanted if not met[w]] == []


@pytest.mark.slow
def test_every_type_is_stored_in_every_legal_form() -> None:
    drawn = draw_many(cases(operators={"Add", "Concat"}, max_nodes=3), 2500, 8)
    met = feature_counts(drawn)
    illegal = {("bfloat16", "constant_of_shape")}
    illegal |= {(d.name, "constant_list") for d in DTYPES if d.name not in ("float32", "int64")}
    pairs = [(d.name, f) for d in DTYPES for f in FORMS if (d.name, f) not in illegal]
    assert [p for p in pairs if not met[f"weight:{p[0]}:{p[1]}"]] == []


@pytest.mark.slow
def test_an_input_can_go_straight_to_an_output() -> None:
    case = find_any(cases(rare_rate=1.0), lambda c: "graph:passthrough" in c.features)
    graph = case.model.graph
    assert {i.name for i in graph.input} & {o.name for o in graph.output}


@pytest.mark.slow
def test_an_output_can_depend_on_no_input() -> None:
    case = find_any(
        cases(rare_rate=1.0, operators={"Add", "Relu"}), lambda c: "graph:constant_output" in c.features
    )
    graph = case.model.graph
    reached = {i.name for i in graph.input} - {t.name for t in graph.initializer}
    for node in graph.node:
        if reached & set(node.input):
            reached |= set(node.output)
    assert any(o.name not in reached for o in graph.output)


def test_an_unused_constant_is_used_by_no_node() -> None:
    case = find_any(cases(), lambda c: "weight:unused" in c.features and bool(c.model.graph.initializer))
    graph = case.model.graph
    stored = {t.name for t in graph.initializer} | {
        n.output[0] for n in graph.node if n.op_type == "Constant"
    }
    stored |= {n.output[0] for n in graph.node if n.op_type == "ConstantOfShape"}
    assert stored - {name for node in graph.node for name in node.input}


@pytest.mark.slow
def test_integer_graphs_keep_their_type() -> None:
    case = find_any(cases(operators={"Concat"}), lambda c: "dtype:int64" in c.features)
    assert {o.type.tensor_type.elem_type for o in case.model.graph.output} == {TensorProto.INT64}


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("Conv", "op:Conv"),
        ("float16", "dtype:float16"),
        ("int8", "weight:int8:"),
        ("typed", "weight:float32:typed"),
        ("cast", "route:cast"),
        ("one_hot", "values:one_hot"),
    ],
)
@pytest.mark.slow
def test_odds_lower_and_never_exclude(name: str, feature: str) -> None:
    operators = {"Conv", "Relu", "Add", "Mul", "Concat"}

    def share(odds: dict[str, float], count: int) -> float:
        drawn = draw_many(cases(operators=operators, odds=odds), count, 5)
        return sum(any(f.startswith(feature) for f in case.features) for case in drawn) / count

    assert 0 < share({name: 0.1}, 800) < 0.5 * share({}, 800)


def test_odds_must_be_factors() -> None:
    with pytest.raises(ValueError, match="odds"):
        cases(odds={"Conv": 0.0})


def test_rare_rate_zero_leaves_out_what_pnnx_does_not_support() -> None:
    drawn = draw_many(cases(rare_rate=0.0, operators={"Relu", "Softsign", "Mean", "GlobalLpPool"}), 60, 6)
    assert {operator for case in drawn for operator in case.operators} & {
        "Softsign",
        "Mean",
        "GlobalLpPool",
    } == set()


@pytest.mark.parametrize("arguments", [{"operators": {"Nope"}}, {"patterns": {"nope"}}, {"max_nodes": 0}])
def test_wrong_arguments_are_named(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"nope|Nope|max_nodes"):
        cases(**arguments)  # type: ignore[arg-type]


def test_max_nodes_one_is_a_single_operator() -> None:
    drawn = draw_many(cases(operators={"Relu", "Sigmoid"}, max_nodes=1), 100, 7)
    assert {len(case.operators) for case in drawn if "graph:constant_output" not in case.features} <= {1, 2}
