"""The rows oracle: option rows that compute in fp32 must agree, also where nobody knows the right answer.

Some cases have no reference for a reason that says nothing about rounding: onnxruntime can't run the model,
or the specification leaves open what is right. Whatever is right then, ncnn must say the same with its
options changed. The baseline row stands in for the reference, unless its own outputs move when the inputs are
nudged: then rows that round in another order may differ, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.formats import LARGEST_FP32
from fuzzconv.reference.reference import OPEN_COORDINATES, UNRUNNABLE, Precision, Reference
from fuzzconv.runtime.execution import Feed

Outputs = Mapping[str, Array | None]

NUDGE = 1e-5
"""Relative size of the nudges: some hundred roundings."""

STEADY = 1e-3
"""Share of max|output| by which an output may move under a nudge."""

WORTH_TELLING = 1e-2
"""Share of max|output| by which rows must differ to be a finding."""

COMPARED_WITH = "compared_with"
"""In a verdict's evidence: what stood in for the reference, in words."""

_SEED = 20240229


def leaves_rows_comparable(reference: Reference) -> bool:
    """Whether a case goes without reference for a reason that does not let its rows differ."""
    return any(reason in reference.skip for reason in (UNRUNNABLE, OPEN_COORDINATES))


def nudged(feeds: Sequence[Feed]) -> Iterator[tuple[Feed, ...]]:
    """The inputs nudged one way and the other; nothing when none of them is of floats."""
    if not any(feed.array.dtype.kind == "f" for feed in feeds):
        return
    for way in (1.0, -1.0):
        rng = np.random.default_rng(_SEED)
        yield tuple(
            replace(f, array=_moved(f.array, way, rng)) if f.array.dtype.kind == "f" else f for f in feeds
        )


def _moved(array: Array, way: float, rng: np.random.Generator) -> Array:
    steps = rng.uniform(0.25, 1.0, array.shape) * rng.choice([-1.0, 1.0], array.shape)
    return np.asarray(array * (1 + way * NUDGE * steps), array.dtype)


def reference_of_baseline(
    baseline: Outputs, moved: Sequence[Outputs], precision: Precision
) -> Reference | None:
    """The baseline's outputs as a reference; None where they are unsteady, empty, infinite or near it.

    Args:
        baseline: outputs of the baseline row.
        moved: its outputs for ``nudged`` inputs.
        precision: what the reference shall hold for.
    """
    arrays = {name: array for name, array in baseline.items() if array is not None and array.size}
    if not moved or not arrays or len(arrays) < len(baseline):
        return None
    bounds = {}
    for name, array in arrays.items():
        values = array.astype(np.float64)
        largest = float(np.max(np.abs(values)))
        others = [run.get(name) for run in moved]
        if not largest <= LARGEST_FP32 or not all(_near(values, o, STEADY * largest) for o in others):
            return None
        bounds[name] = np.full(array.shape, WORTH_TELLING * largest)
    return Reference(arrays, {precision: bounds})


def _near(values: NDArray[np.float64], other: Array | None, most: float) -> bool:
    if other is None or other.shape != values.shape:
        return False
    return bool(np.all(np.abs(other.astype(np.float64) - values) <= most))
