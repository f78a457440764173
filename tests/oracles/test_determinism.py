"""Two runs of the same network: what counts as a difference."""

import numpy as np
import pytest

from fuzzconv.oracles.determinism import compare_runs
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.verdict import Kind

REFERENCE = Reference({"y": np.ones(3, np.float32)}, {Precision.FP32: {"y": np.full(3, 0.1)}})
ONES = np.ones(3, np.float32)
NANS = np.array([1, np.nan, 1], np.float32)


@pytest.mark.parametrize(
    ("first", "second", "agree"),
    [
        (ONES, ONES.copy(), True),
        (ONES, ONES + np.float32(0.05), True),
        (ONES, ONES + np.float32(0.2), False),
        (ONES * 5, ONES * 5, True),
        (NANS, NANS.copy(), True),
        (ONES, NANS, False),
        (None, None, True),
        (ONES, None, False),
        (None, ONES, False),
        (ONES, np.ones(2, np.float32), False),
        (np.ones(2, np.float32), np.ones(2, np.float32), True),
    ],
)
def test_runs_agree_within_the_bound(first, second, agree):
    found = compare_runs(REFERENCE, Precision.FP32, {"y": first}, {"y": second})
    assert bool(found) is agree
    assert found.kind is (Kind.OK if agree else Kind.NONDETERMINISM)
    assert bool(found.description) is not agree


def test_both_runs_wrong_in_different_ways_is_found():
    found = compare_runs(REFERENCE, Precision.FP32, {"y": NANS}, {"y": ONES})
    assert found.kind is Kind.NONDETERMINISM
