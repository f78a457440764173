"""The tolerance that a reproducer writes down: one number per output where one number tells them apart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.findings.finding import Finding

_RELATIVE = {"": 2e-3, "fp16=1": 1e-2}
_FLOOR = 1e-6  # of max(1, |expected|): nobody argues about less, however exact an operator is


def tolerances(finding: Finding) -> Mapping[str, float | NDArray[np.float64]]:
    """Output name → largest absolute error a right implementation may show on the finding's route.

    A scalar, unless only the per-element bound separates right from wrong, and no less than 1e-6 of the
    largest expected value (or of 1) as long as that still shows the fault. Taken from ``finding.bounds``;
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
    """The widest that still shows the fault, else the bound of each element (inf: not judged)."""
    largest = bound.max(initial=0)
    if not np.isfinite(largest):
        return bound
    wanted = expected.astype(np.float64)
    scalar = _rounded_up(float(largest))
    floor = _FLOOR * np.abs(wanted[np.isfinite(wanted)]).max(initial=1)
    floored = max(scalar, _rounded_up(float(floor)))
    if actual is None or actual.size != expected.size:
        return floored
    error = np.abs(actual.reshape(expected.shape).astype(np.float64) - wanted)
    if (error <= bound).all():
        return floored
    return next((limit for limit in (floored, scalar) if not (error <= limit).all()), bound)


def _rounded_up(value: float) -> float:
    """Three digits, never less than ``value``."""
    rounded = float(f"{value:.3g}")
    return rounded if rounded >= value else float(f"{value * 1.005:.3g}")
