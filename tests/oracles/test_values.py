"""The value oracle: which differences are faults, and what it says about them."""

import json

import numpy as np
import pytest

from fuzzconv.oracles.values import compare, judge_outputs
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.verdict import Kind

EXPECTED = np.array([[1.0, -2.0, 4.0], [0.0, 0.5, 8.0]], np.float32)
BOUND = np.full(EXPECTED.shape, 0.01)


def test_equal_tensors_agree():
    found = compare(EXPECTED, EXPECTED.copy(), BOUND, output="y")
    assert found
    assert (found.kind, found.description, found.max_abs, found.bad) == (Kind.OK, "", 0.0, 0)


def test_an_error_at_the_bound_is_allowed_and_above_it_is_not():
    bound = np.full(2, 0.25)
    assert compare(np.array([1.0, 2.0]), np.array([1.25, 2.0]), bound)
    assert not compare(np.array([1.0, 2.0]), np.array([1.26, 2.0]), bound)


def test_a_divergence_is_described_by_its_worst_element():
    actual = EXPECTED.copy()
    actual[0, 1] += 0.02
    actual[1, 2] -= 0.4
    found = compare(EXPECTED, actual, BOUND, output="y")
    assert found.kind is Kind.DIVERGENCE
    assert found.index == (1, 2)
    assert (found.bad, found.size) == (2, 6)
    assert found.max_abs == pytest.approx(0.4, rel=1e-5)
    assert found.max_rel == pytest.approx(0.05, rel=1e-5)
    assert found.max_ratio == pytest.approx(40, rel=1e-5)
    assert (found.expected, found.actual) == (8.0, pytest.approx(7.6))
    sentence = "output 'y' is wrong in 2 of 6 elements, worst at [1, 2]: expected 8, got 7.6"
    assert found.description == f"{sentence} (0.05 of max|reference|)"


def test_the_worst_element_is_the_one_furthest_beyond_its_own_bound():
    bound = np.array([1.0, 0.001])
    found = compare(np.array([100.0, 1.0]), np.array([103.0, 1.1]), bound)
    assert found.index == (1,)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_its_own_kind(value):
    actual = EXPECTED.copy()
    actual[0, 2] = value
    found = compare(EXPECTED, actual, BOUND, output="y")
    assert found.kind is Kind.NAN
    assert found.index == (0, 2)
    assert ("NaN" if np.isnan(value) else "infinite") in found.description


def test_nan_is_found_even_where_nothing_is_judged():
    assert compare(np.ones(2), np.array([1.0, np.nan]), np.full(2, np.inf)).kind is Kind.NAN


def test_an_infinite_bound_lets_any_number_pass():
    assert compare(np.ones(2), np.array([1.0, -7e8]), np.array([0.0, np.inf]))


def test_a_zero_bound_wants_equality():
    assert compare(np.array([3, 4]), np.array([3, 4]), np.zeros(2))
    found = compare(np.array([3, 4]), np.array([3, 5]), np.zeros(2))
    assert found.kind is Kind.DIVERGENCE
    assert found.index == (1,)


@pytest.mark.parametrize(
    ("expected", "actual", "agree"),
    [
        ((1, 3, 1, 2), (3, 2), True),
        ((3, 2), (1, 3, 2, 1), True),
        ((), (1,), True),
        ((1,), (), True),
        ((3, 2), (2, 3), False),
        ((6,), (2, 3), False),
        ((2, 3), (2, 3, 2), False),
        ((0, 3), (0, 3), True),
        ((0, 3), (3,), False),
    ],
)
def test_shapes_agree_but_for_dimensions_of_size_one(expected, actual, agree):
    found = compare(np.zeros(expected), np.zeros(actual), np.zeros(expected), output="y")
    assert bool(found) is agree
    assert found.kind is (Kind.OK if agree else Kind.SHAPE_MISMATCH)


def test_an_empty_output_has_its_own_sentence():
    found = compare(EXPECTED, None, BOUND, output="y")
    assert found.kind is Kind.SHAPE_MISMATCH
    assert found.description == "output 'y' came back empty, expected shape [2, 3]"


def test_the_index_is_in_the_references_shape():
    actual = np.zeros((2, 2))
    actual[1, 1] = 1
    assert compare(np.zeros((1, 2, 2)), actual, np.full((1, 2, 2), 0.1)).index == (0, 1, 1)


def test_a_reference_of_zeros_has_no_relative_error_to_divide_by():
    found = compare(np.zeros(2), np.array([0.0, 0.5]), np.full(2, 0.1))
    assert found.max_rel == np.inf
    assert compare(np.zeros(2), np.zeros(2), np.zeros(2)).max_rel == 0.0


def _reference(**outputs):
    bounds = {name: np.full(np.shape(value), 0.01) for name, value in outputs.items()}
    return Reference({n: np.asarray(v, np.float32) for n, v in outputs.items()}, {Precision.FP32: bounds})


def test_of_all_outputs_the_worst_kind_is_told():
    reference = _reference(a=[1.0, 2.0], b=[3.0], c=[4.0])
    actual = {"a": np.array([1.0, 9.0]), "b": np.array([np.nan]), "c": np.array([4.0])}
    found = judge_outputs(reference, Precision.FP32, actual)
    assert (found.kind, found.output) == (Kind.DIVERGENCE, "a")
    assert judge_outputs(reference, Precision.FP32, {**actual, "a": np.array([1.0, 2.0])}).output == "b"


def test_of_good_outputs_the_one_nearest_its_bound_is_told():
    reference = _reference(a=[1.0], b=[3.0])
    found = judge_outputs(reference, Precision.FP32, {"a": np.array([1.001]), "b": np.array([3.005])})
    assert found
    assert found.output == "b"
    assert found.max_ratio == pytest.approx(0.5)


def test_an_absent_output_counts_as_empty():
    found = judge_outputs(_reference(a=[1.0]), Precision.FP32, {})
    assert found.kind is Kind.SHAPE_MISMATCH
    assert "empty" in found.description


def test_evidence_is_plain_json():
    actual = EXPECTED.copy()
    actual[0, 0] = np.nan
    for found in (
        compare(EXPECTED, actual, BOUND),
        compare(EXPECTED, None, BOUND),
        compare(EXPECTED, EXPECTED, BOUND),
    ):
        assert json.loads(json.dumps(found.evidence))["shape"] == [2, 3]


@pytest.mark.filterwarnings("error")
def test_a_signalling_nan_is_a_nan_without_a_word():
    signalling = np.array([0x7FA00000], np.uint32).view(np.float32)
    found = compare(np.float32([1]), signalling, np.float64([0.1]), output="y")
    assert found.kind is Kind.NAN
