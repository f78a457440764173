"""The value oracle: is what came out what should have come out?

``compare`` judges one tensor against its error bound and returns a ``Comparison``, falsy on failure;
``judge_outputs`` judges all of a case's outputs and returns the worst.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.reference import Precision, Reference
from fuzzconv.verdict import Kind

WRONG_OUTPUTS = "wrong_outputs"
"""Key of a verdict's evidence."""


@dataclass(frozen=True)
class Comparison:
    """How an output compares with its reference.

    Attributes:
        output: the graph output's name.
        kind: ``OK``, ``SHAPE_MISMATCH``, ``NAN`` or ``DIVERGENCE``.
        description: one sentence for people; empty when all is well.
        max_abs: largest absolute error over judged elements.
        max_rel: largest error relative to max|reference|.
        max_ratio: largest error / bound (above 1 is a divergence).
        index: worst element, in the reference's shape.
        expected, actual: the values there.
        bad: how many elements are out of bound or not finite.
        size: how many elements there are.
        shape, actual_shape: the reference's and the actual shape (None: came back empty).
        wrong_outputs: how many of the case's outputs are wrong, this one among them.
    """

    output: str
    kind: Kind = Kind.OK
    description: str = ""
    max_abs: float = 0.0
    max_rel: float = 0.0
    max_ratio: float = 0.0
    index: tuple[int, ...] = ()
    expected: float = 0.0
    actual: float = 0.0
    bad: int = 0
    size: int = 0
    shape: tuple[int, ...] = ()
    actual_shape: tuple[int, ...] | None = None
    wrong_outputs: int = 0

    def __bool__(self) -> bool:
        return self.kind is Kind.OK

    @cached_property
    def evidence(self) -> dict[str, object]:
        """The JSON-able facts for a verdict."""
        facts: dict[str, object] = {
            "output": self.output,
            "max_abs": self.max_abs,
            "max_rel": self.max_rel,
            "max_ratio": self.max_ratio,
            "shape": list(self.shape),
            "actual_shape": None if self.actual_shape is None else list(self.actual_shape),
        }
        if not self:
            facts |= {
                "index": list(self.index),
                "expected": self.expected,
                "actual": self.actual,
                "bad": self.bad,
                "size": self.size,
                WRONG_OUTPUTS: self.wrong_outputs,
            }
        return facts


def judge_outputs(
    reference: Reference, precision: Precision, actual: Mapping[str, Array | None]
) -> Comparison:
    """Compare every output at ``precision``; the worst comparison (by kind, then error / bound).

    Args:
        reference: must have bounds for ``precision``.
        actual: output name → array; None or absent is an empty output.

    Raises:
        KeyError: the reference can't be judged at this precision (see ``Reference.precision_skips``).
    """
    bounds = reference.bounds[precision]
    comparisons = [
        compare(expected, actual.get(name), bounds[name], output=name)
        for name, expected in reference.outputs.items()
    ]
    worst = max(comparisons, key=lambda c: (c.kind.rank, c.max_ratio))
    return replace(worst, wrong_outputs=sum(not comparison for comparison in comparisons))


def compare(
    expected: Array, actual: Array | None, bound: NDArray[np.float64], *, output: str = ""
) -> Comparison:
    """Compare one tensor with its reference.

    Shapes agree when sizes and the dimensions other than 1 do (ncnn drops and adds 1-sized ones).

    Args:
        expected: the reference, all finite.
        actual: what came out; None: nothing did.
        bound: largest allowed absolute error per element, ``expected``'s shape; inf: not judged.
        output: a name for the description.
    """
    if actual is None:
        described = f"output {output!r} came back empty, expected shape {_show(expected.shape)}"
        kind = Kind.SHAPE_MISMATCH
        return Comparison(output, kind, described, size=expected.size, shape=expected.shape)
    if _squeezed(actual.shape) != _squeezed(expected.shape):
        described = f"output {output!r} has shape {_show(actual.shape)}, expected {_show(expected.shape)}"
        kind = Kind.SHAPE_MISMATCH
        return Comparison(
            output, kind, described, size=expected.size, shape=expected.shape, actual_shape=actual.shape
        )
    wanted = expected.astype(np.float64).ravel()
    with np.errstate(invalid="ignore"):  # a blob of integers read as floats may hold signalling NaN
        found = actual.astype(np.float64).ravel()
    error = np.abs(found - wanted)
    ratio = _ratios(error, bound.ravel())
    bad = np.flatnonzero(~(ratio <= 1.0))
    worst = _worst(ratio)
    peak = float(np.max(np.abs(wanted), initial=0.0))
    finite = error[np.isfinite(error)]
    max_abs = float(np.max(finite, initial=0.0))
    kind, described = _classify(output, expected.shape, wanted, found, bad, worst, peak)
    return Comparison(
        output,
        kind,
        described,
        max_abs=max_abs,
        max_rel=max_abs / peak if peak else (np.inf if max_abs else 0.0),
        max_ratio=float(np.max(ratio[np.isfinite(ratio)], initial=0.0)),
        index=_index(worst, expected.shape),
        expected=float(wanted[worst]) if wanted.size else 0.0,
        actual=float(found[worst]) if wanted.size else 0.0,
        bad=int(bad.size),
        size=expected.size,
        shape=expected.shape,
        actual_shape=actual.shape,
    )


def _classify(
    output: str,
    shape: tuple[int, ...],
    wanted: NDArray[np.float64],
    found: NDArray[np.float64],
    bad: NDArray[np.intp],
    worst: int,
    peak: float,
) -> tuple[Kind, str]:
    if not bad.size:
        return Kind.OK, ""
    count = f"{bad.size} of {wanted.size} element{'s' if wanted.size > 1 else ''}"
    where = f"at {list(_index(worst, shape))}: expected {wanted[worst]:.7g}, got {found[worst]:.7g}"
    lost = np.count_nonzero(~np.isfinite(found))
    if lost:
        what = "NaN" if np.any(np.isnan(found)) else "infinite"
        return Kind.NAN, f"output {output!r} is {what} in {lost} of {wanted.size} elements, first bad {where}"
    share = f" ({abs(found[worst] - wanted[worst]) / peak:.2g} of max|reference|)" if peak else ""
    return Kind.DIVERGENCE, f"output {output!r} is wrong in {count}, worst {where}{share}"


def _ratios(error: NDArray[np.float64], bound: NDArray[np.float64]) -> NDArray[np.float64]:
    """error / bound; NaN where the actual value is not finite, 0 where it is finite and not judged."""
    ratio = np.full_like(error, np.nan)
    exact = bound <= 0.0
    finite = np.isfinite(error)
    np.divide(error, bound, out=ratio, where=finite & ~exact)
    ratio[finite & exact] = np.where(error[finite & exact] > 0.0, np.inf, 0.0)
    return ratio


def _worst(ratio: NDArray[np.float64]) -> int:
    """Flat index of the first non-finite element, else of the largest ratio (0 for an empty tensor)."""
    if not ratio.size:
        return 0
    lost = np.flatnonzero(np.isnan(ratio))
    return int(lost[0]) if lost.size else int(np.argmax(ratio))


def _index(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    if 0 in shape:
        return ()
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(d for d in shape if d != 1)


def _show(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
