"""The determinism oracle: the same network, run twice, must give the same numbers.

A kernel may legally sum in another order with two threads, so differing bits within the error bound are no
finding; beyond it they are (uninitialised memory, a race).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fuzzconv.case import Array
from fuzzconv.oracles.values import Comparison, compare
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.verdict import Kind

_WORTH_TELLING = 1e-3


def compare_runs(
    reference: Reference,
    precision: Precision,
    first: Mapping[str, Array | None],
    second: Mapping[str, Array | None],
) -> Comparison:
    """The worst difference between two runs, as a comparison of kind ``OK`` or ``NONDETERMINISM``.

    ``expected`` is the first run, ``actual`` the second. Two runs that both lack an output or both have the
    same numbers, NaN included, agree: what is wrong with them is for the value oracle to say.

    Raises:
        KeyError: the reference has no bounds for ``precision``.
    """
    worst = Comparison(next(iter(reference.outputs), ""))
    for name, bound in reference.bounds[precision].items():
        before, after = first.get(name), second.get(name)
        if _identical(before, after):
            continue
        if before is None:
            described = f"output {name!r} came back empty in one of two runs of the same network"
            return Comparison(name, Kind.NONDETERMINISM, described, size=bound.size, shape=bound.shape)
        found = compare(before, after, bound.reshape(before.shape) if bound.size == before.size else bound)
        if not found:
            described = f"two runs of the same network differ: {found.description}"
            found = replace(found, output=name, kind=Kind.NONDETERMINISM, description=described)
        worst = max(worst, found, key=lambda c: (c.kind.rank, c.max_ratio))
    return worst


def reference_of_run(first: Mapping[str, Array | None], precision: Precision) -> Reference | None:
    """A first run as the reference of a second, for cases without one; None where a value is not finite.

    The same network under the same options has no legal reason to differ; the bound of 1e-3·max|output|
    only says how much is worth a finding.
    """
    arrays = {name: array for name, array in first.items() if array is not None}
    if not arrays or not all(np.all(np.isfinite(a)) for a in arrays.values() if a.dtype.kind == "f"):
        return None
    peaks = {n: float(np.max(np.abs(a.astype(np.float64)), initial=0.0)) for n, a in arrays.items()}
    bounds = {name: np.full(a.shape, _WORTH_TELLING * peaks[name]) for name, a in arrays.items()}
    return Reference(arrays, {precision: bounds})


def _identical(before: Array | None, after: Array | None) -> bool:
    if before is None or after is None:
        return before is after
    return before.shape == after.shape and before.tobytes() == after.tobytes()
