"""Positive control: every planted fault is found, localised, shrunk, and has a signature of its own."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from faults import FAULTS
from graphs import buried
from planted import Fault, PlantedJudge

from fuzzconv.case import Case
from fuzzconv.findings.localise import Localised, localise
from fuzzconv.findings.probes import explains
from fuzzconv.findings.reduce import Reduction, reduce
from fuzzconv.findings.signature import covers, failures, same_cause, signature_of
from fuzzconv.route import DEFAULT_ROUTES

SEEDS = (0, 1)


def located(case: Case, judge: PlantedJudge) -> Localised:
    judgement = judge.judge(case, DEFAULT_ROUTES)
    (failure,) = failures(judgement)
    (part,) = localise(judgement, failure, judge, DEFAULT_ROUTES)
    return part


@cache
def reduced(fault: Fault, seed: int) -> Reduction:
    judge = PlantedJudge([fault])
    return reduce(located(buried(fault.name, seed), judge), judge, DEFAULT_ROUTES)


def test_there_are_at_least_twenty_faults_with_signatures_of_their_own() -> None:
    described = {(f.family, f.converter, f.condition, f.operators) for f in FAULTS}
    assert len(described) == len(FAULTS) >= 20


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_fault_is_found_and_shrunk_to_its_signature(fault: Fault) -> None:
    found = [reduced(fault, seed) for seed in SEEDS]
    for reduction in found:
        signature = reduction.signature
        assert (signature.family, signature.converter) == (fault.family, fault.converter)
        assert (signature.operators, signature.condition) == (fault.operators, fault.condition)
        assert reduction.complete
        assert len(reduction.case.model.graph.node) == len(fault.operators) <= 3
    assert found[0].signature == found[1].signature


SMALL = [f for f in FAULTS if f.name != "one element of a large output"]


@pytest.mark.parametrize("fault", SMALL, ids=lambda f: f.name)
def test_dims_come_down_to_three(fault: Fault) -> None:
    case = reduced(fault, 0).case
    arrays = [*case.inputs.values()]
    arrays += [np.empty(t.dims) for t in case.model.graph.initializer if t.data_type == 1]
    assert max(d for a in arrays for d in a.shape) <= 3


def test_a_fault_that_needs_many_elements_keeps_just_enough_of_them() -> None:
    fault = next(f for f in FAULTS if f.name == "one element of a large output")
    (array,) = reduced(fault, 0).case.inputs.values()
    assert array.size == 60


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_reducing_the_result_changes_nothing(fault: Fault) -> None:
    judge = PlantedJudge([fault])
    once = reduced(fault, 0)
    wide = signature_of(once.judgement, once.verdict)
    twice = reduce(Localised(once.judgement, once.verdict, wide, ()), judge, DEFAULT_ROUTES)
    assert twice.case.key == once.case.key
    assert twice.signature == once.signature
    again = located(once.case, judge)
    assert again.case.key == once.case.key


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.name)
def test_a_second_case_is_known_before_it_is_reduced(fault: Fault) -> None:
    judge = PlantedJudge([fault])
    exact = reduced(fault, 0).signature
    other = located(buried(fault.name, 1), judge)
    assert covers(exact, other.signature)
    assert explains(exact, other, judge)


@pytest.mark.slow
def test_with_all_faults_planted_each_cause_is_one_finding() -> None:
    judge = PlantedJudge(FAULTS)
    causes = []
    for fault in FAULTS:
        for seed in SEEDS:
            judgement = judge.judge(buried(fault.name, seed), DEFAULT_ROUTES)
            for failure in failures(judgement):
                for part in localise(judgement, failure, judge, DEFAULT_ROUTES):
                    if any(explains(known, part, judge) for known in causes):
                        continue
                    signature = reduce(part, judge, DEFAULT_ROUTES).signature
                    assert not any(same_cause(signature, known) for known in causes)
                    causes.append(signature)
    expected = {(f.family, f.operators, f.condition) for f in FAULTS}
    assert {(s.family, s.operators, s.condition) for s in causes} == expected
    assert len(causes) == len(FAULTS)


def test_an_honest_judge_finds_nothing() -> None:
    judge = PlantedJudge([])
    for fault in FAULTS:
        assert failures(judge.judge(buried(fault.name, 0), DEFAULT_ROUTES)) == ()
