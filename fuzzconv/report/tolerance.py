"""The tolerance that a reproducer writes down: one number per output where one number tells them apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.findings.finding import Finding

_RELATIVE = {"": 2e-3, "fp16=1": 1e-2}


def tolerances(finding: Finding) -> Mapping[str, float | NDArray[np.float64]]:
    """Output name → largest absolute error a right implementation may show on the finding's route.

    A scalar, unless only the per-element bound separates right from wrong. Taken from ``finding.bounds``;
    without them from the rule that showed no false alarm over 2,556 cases on ncnn's fp32 CPU path:
    2e-3 · (1 + |expected| + 0.1 · max|expected|).
    """
    actual = finding.actual.get(str(finding.verdict.route), {})
    return {
        name: _simplest(bound, np.asarray(finding.expected[name]), actual.get(name))
        for name, bound in element_bounds(finding).items()
    }


def element_bounds(finding: Finding) -> Mapping[str, NDArray[np.float64]]:
    """Output name → the bound of each element, before any simplification."""
    return {name: _bound(finding, name, expected) for name, expected in finding.expected.items()}


def _bound(finding: Finding, name: str, expected: Array) -> NDArray[np.float64]:
    if name in finding.bounds:
        return np.asarray(finding.bounds[name], np.float64)
    size = np.abs(expected.astype(np.float64))
    scale = _RELATIVE.get(finding.verdict.route.setting, 2e-3)
    return np.asarray(scale * (1 + size + 0.1 * size.max(initial=0)), np.float64)


def _simplest(
    bound: NDArray[np.float64], expected: Array, actual: Array | None
) -> float | NDArray[np.float64]:
    """One number when it still shows the fault, else the bound of each element (inf: not judged)."""
    largest = bound.max(initial=0)
    if not np.isfinite(largest):
        return bound
    scalar = _rounded_up(float(largest))
    if actual is None or actual.size != expected.size:
        return scalar
    error = np.abs(actual.reshape(expected.shape).astype(np.float64) - expected.astype(np.float64))
    fails, fails_per_element = not (error <= scalar).all(), not (error <= bound).all()
    return bound if fails_per_element and not fails else scalar


def _rounded_up(value: float) -> float:
    """Three digits, never less than ``value``."""
    rounded = float(f"{value:.3g}")
    return rounded if rounded >= value else float(f"{value * 1.005:.3g}")
