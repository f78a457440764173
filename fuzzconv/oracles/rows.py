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
from fuzzconv.converters.layers import read_layers
from fuzzconv.reference.formats import LARGEST_FP32, peak
from fuzzconv.reference.reference import OPEN_COORDINATES, UNRUNNABLE, Precision, Reference
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunResult

Outputs = Mapping[str, Array | None]

NUDGE = 1e-5
"""Relative size of the nudges: some hundred roundings."""

STEADY = 1e-3
"""Share of max|output| by which an output may move under a nudge."""

WORTH_TELLING = 1e-2
"""Share of max|output| by which rows must differ to be a finding."""

FLOOR = 1e-4
"""Share of the network's largest value (1 at least) added to that: small outputs are what large ones left."""

COMPARED_WITH = "compared_with"
"""In a verdict's evidence: what stood in for the reference, in words."""

_SEED = 20240229


def leaves_rows_comparable(reference: Reference) -> bool:
    """Whether a case goes without reference for a reason that does not let its rows differ."""
    return any(reason in reference.skip for reason in (UNRUNNABLE, OPEN_COORDINATES))


def asked_of_baseline(request: RunRequest) -> tuple[RunRequest, ...]:
    """The runs that ``reference_of_baseline`` needs: all blobs, the outputs, and those of nudged inputs.

    Args:
        request: a run of the baseline row.
    """
    fed = {feed.blob for feed in request.feeds}
    blobs = (blob for layer in read_layers(request.param) for blob in layer.outputs if blob not in fed)
    whole = replace(request, fetches=tuple(Fetch(blob, None) for blob in blobs))
    return whole, request, *(replace(request, feeds=feeds) for feeds in _nudged(request.feeds))


def floor_of(request: RunRequest, whole: RunResult) -> float:
    """By how much rows may differ whatever the outputs are; infinite where values come near fp32's end."""
    arrays = [*(feed.array for feed in request.feeds), *whole.outputs.values()]
    largest = max((peak(array) for array in arrays if array is not None), default=0.0)
    return FLOOR * max(1.0, largest) if largest <= LARGEST_FP32 else np.inf


def reference_of_baseline(
    baseline: Outputs, moved: Sequence[Outputs], floor: float, precision: Precision
) -> Reference | None:
    """The baseline's outputs as a reference; None where they are unsteady, empty, infinite or near it.

    Args:
        baseline: outputs of the baseline row.
        moved: its outputs for nudged inputs; none where no input is of floats.
        floor: as ``floor_of``.
        precision: what the reference shall hold for.
    """
    arrays = {name: array for name, array in baseline.items() if array is not None and array.size}
    if not moved or not arrays or len(arrays) < len(baseline) or not np.isfinite(floor):
        return None
    bounds = {}
    for name, array in arrays.items():
        values = array.astype(np.float64)
        largest = float(np.max(np.abs(values)))
        if not largest <= LARGEST_FP32:
            return None
        if not all(_near(values, run.get(name), STEADY * largest + floor) for run in moved):
            return None
        bounds[name] = np.full(array.shape, WORTH_TELLING * largest + floor)
    return Reference(arrays, {precision: bounds})


def _nudged(feeds: Sequence[Feed]) -> Iterator[tuple[Feed, ...]]:
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


def _near(values: NDArray[np.float64], other: Array | None, most: float) -> bool:
    if other is None or other.shape != values.shape:
        return False
    return bool(np.all(np.abs(other.astype(np.float64) - values) <= most))
