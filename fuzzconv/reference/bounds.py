"""From a probe to error bounds: how far a correct implementation may be off, element by element.

A bound is ``safety · (spread of the element + spread of the tensor) + floor``: the *spread* is how far the
element moves when operands are disturbed by what the precision rounds (``disturbance``). The tensor's largest
spread is added because a few samples of one element alone are no bound (and fast convolutions mix
neighbours). Jumps are found by nudging everything by 1e-4 both ways: what does not move in proportion is
added to the bound whole. ``Sampler`` holds the nudged runs that all precisions share; its constants are
calibrated by ``benchmarks/calibrate_bounds.py`` and explained in ``docs/bounds.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.reference.disturbance import Bound, Disturbance
from fuzzconv.reference.formats import FORMATS, LARGEST_FP16, UNDERFLOW_FP32, UNIT_FP32, Rounding, exceeds
from fuzzconv.reference.probe import FloatArray, Probe
from fuzzconv.reference.reference import Precision

Bounds = Mapping[str, Bound]

NUDGE = 1e-4
SAFETY: Mapping[Precision, float] = {
    Precision.FP32: 8.0,
    Precision.FP16_WEIGHTS: 2.0,
    Precision.FP16: 2.0,
    Precision.BF16: 2.0,
    Precision.VULKAN_BF16: 4.0,  # of the tiles alone: single products err up to four times their mean
    Precision.VULKAN_FP32: 2.0,
    Precision.VULKAN_FP16_WEIGHTS: 2.0,
}
"""Factor on the spread; a precision built on another (weights in half over fp32) adds that one's bound."""

FLOOR = 2e-6
"""Share of |element| + max|tensor| allowed whatever the spread: a few ulp of fp32 kernels' own formulas."""

LARGEST_SHARE: Mapping[Precision, float] = {
    Precision.FP32: 0.01,
    Precision.VULKAN_FP32: 0.02,
    Precision.FP16_WEIGHTS: 0.05,
    Precision.VULKAN_FP16_WEIGHTS: 0.05,
    Precision.FP16: 0.3,
    Precision.BF16: 0.6,
    Precision.VULKAN_BF16: 0.6,
}
"""A bound above this share of max|tensor| could hide a bug: the element is then not judged (bound inf)."""

LARGEST_UNJUDGED = 0.25
"""Share of a tensor's elements that may go unjudged before the case is skipped at this precision."""

EXACT = 0.25
"""Bound of integer and bool outputs: they are exact or wrong."""

_SEED = 20240229
_DIRECTIONS = 3
_SAMPLES = 4
_FEW = 16
_DIRECTIONS_OF_FEW = 6
_SAMPLES_OF_FEW = 16
"""Outputs of no more than ``_FEW`` elements take more: the largest of four samples of one number is four
times smaller than another sample once in 200, and no neighbour's spread makes up for it."""


class Sampler:
    """Disturbed runs of one case and the bounds that follow from them.

    Args:
        probe: the opened case.
        expected: output name → reference value.
    """

    def __init__(self, probe: Probe, expected: Mapping[str, Array]) -> None:
        self._probe = probe
        self._disturbance = Disturbance(probe)
        self._expected = {name: a.astype(np.float64) for name, a in expected.items()}
        self._exact = {name for name, a in expected.items() if a.dtype.kind != "f"}
        self._few = min((a.size for a in self._expected.values()), default=0) <= _FEW

    def bounds(self, precision: Precision) -> Bounds | str:
        """Output name → bound, or why this precision can't be judged.

        Raises:
            UnrunnableError: onnxruntime fails on the disturbed model.
        """
        if precision in _HALF and self._disturbance.largest_inside() > LARGEST_FP16 / 2:
            return "values overflow in half precision"
        if precision in _HALF_WEIGHTS and exceeds(self._probe.constants.values(), LARGEST_FP16):
            return "a weight overflows in half precision"
        format_ = Precision.FP16 if self._probe.computes_in_half else precision
        return self._judgeable(self._raw(precision), max(LARGEST_SHARE[precision], LARGEST_SHARE[format_]))

    def _raw(self, precision: Precision) -> dict[str, Bound]:
        match precision:
            case Precision.FP32:
                return self._format(Precision.FP16) if self._probe.computes_in_half else self._single
            case Precision.VULKAN_FP32:
                return _sum(self._raw(Precision.FP32), self._shader)
            case Precision.FP16_WEIGHTS:
                return _sum(self._raw(Precision.FP32), self._weights)
            case Precision.VULKAN_FP16_WEIGHTS:
                return _sum(self._raw(Precision.VULKAN_FP32), self._weights)
            case Precision.FP16 | Precision.BF16:
                return _sum(self._raw(Precision.VULKAN_FP32), self._format(precision))
            case Precision.VULKAN_BF16:
                return _sum(self._raw(Precision.BF16), self._tiles)

    @cached_property
    def _single(self) -> dict[str, Bound]:
        """fp32: the nudged spread scaled down to fp32's rounding, plus whatever jumped."""
        safety = SAFETY[Precision.FP32]
        scale = safety * UNIT_FP32 / NUDGE * self._disturbance.growth
        spread, jumps = self._nudged
        bound = {}
        for name, expected in self._expected.items():
            magnitude = np.abs(expected)
            stored = safety * self._disturbance.output(name, expected, Rounding(UNIT_FP32))
            smooth = np.where(self._jumping(name), 0.0, spread[name])
            moved = scale * (spread[name] + _peak(smooth)) + jumps[name]
            bound[name] = moved + stored + FLOOR * (magnitude + _peak(magnitude)) + UNDERFLOW_FP32
        return bound

    @cached_property
    def _nudged(self) -> tuple[dict[str, Bound], dict[str, Bound]]:
        """(how far each output element moves under a nudge, how much of that is no smooth movement)."""
        spread = {name: np.zeros_like(e) for name, e in self._expected.items()}
        jumps = {name: np.zeros_like(e) for name, e in self._expected.items()}
        size = self._probe.levels.size
        rng = np.random.default_rng(_SEED)
        for _ in range(_DIRECTIONS_OF_FEW if self._few else _DIRECTIONS):
            signs = np.where(rng.random(size, np.float32) < 0.5, np.float32(-1), np.float32(1))
            direction = signs * rng.uniform(0.25, 1.0, size).astype(np.float32)
            noise = self._disturbance.magnitudes * direction * np.float32(NUDGE)
            up, down, tenth = (self._moves(noise * np.float32(f)) for f in (1, -1, 0.1))
            for name in spread:
                larger = np.maximum(np.abs(up[name]), np.abs(down[name]))
                spread[name] = np.maximum(spread[name], larger)
                with np.errstate(invalid="ignore"):  # no number in both runs: not a number here either
                    bend = np.maximum(np.abs(up[name] + down[name]) / 2, np.abs(tenth[name]) - 0.2 * larger)
                jumps[name] = np.maximum(jumps[name], bend)
        return spread, jumps

    @cached_property
    def _weights(self) -> dict[str, Bound]:
        disturbance = self._disturbance
        safety = SAFETY[Precision.FP16_WEIGHTS]
        return self._sampled(disturbance.weights(), safety, also=disturbance.rounded_weights())

    @cached_property
    def _shader(self) -> dict[str, Bound]:
        errors = self._disturbance.shaders()
        safety = SAFETY[Precision.VULKAN_FP32]
        moved = self._sampled(errors, safety, one_sided=True)
        own = self._disturbance.shader_output
        return {name: bound + safety * own(name, self._expected[name]) for name, bound in moved.items()}

    @cached_property
    def _tiles(self) -> dict[str, Bound]:
        errors = self._disturbance.tiles(FORMATS[Precision.BF16])
        return self._sampled(errors, SAFETY[Precision.VULKAN_BF16])

    def _format(self, precision: Precision) -> dict[str, Bound]:
        rounding, safety = FORMATS[precision], SAFETY[precision]
        disturbance = self._disturbance
        moved = self._sampled(disturbance.operands(rounding), safety, also=disturbance.rounded(rounding))
        own = self._disturbance.output
        return {n: bound + safety * own(n, self._expected[n], rounding) for n, bound in moved.items()}

    def _sampled(
        self,
        errors: FloatArray,
        safety: float,
        *,
        one_sided: bool = False,
        also: FloatArray | None = None,
    ) -> dict[str, Bound]:
        """``safety`` times (element's plus tensor's spread) when sites are disturbed by up to ``errors``.

        Args:
            errors: largest disturbance of each element of the sites.
            safety: a factor on all.
            also: a disturbance besides the sampled ones.
            one_sided: whether errors may also be all of one sign, or all of their values' signs, as those of
                an approximated function are: means and sums do not cancel them.
        """
        spread = self._nothing()
        if not errors.any():
            return spread
        rng = np.random.default_rng(_SEED)  # a new one: bounds must not depend on what else was asked for
        samples = _SAMPLES_OF_FEW if self._few else _SAMPLES
        directions = [rng.uniform(-1.0, 1.0, errors.size).astype(np.float32) for _ in range(samples)]
        if one_sided:
            directions += [np.ones_like(errors), np.sign(self._probe.levels)]
        noises = [errors * direction for direction in directions]
        for noise in noises if also is None else [*noises, also]:
            for name, moved in self._moves(noise).items():
                spread[name] = np.maximum(spread[name], np.abs(moved))
        return {name: safety * (s + _peak(s)) for name, s in spread.items()}

    def _nothing(self) -> dict[str, Bound]:
        return {name: np.zeros_like(e) for name, e in self._expected.items()}

    def _moves(self, noise: FloatArray) -> dict[str, Bound]:
        """Disturbed minus undisturbed outputs; infinite where the disturbed run has no number."""
        moved = {}
        for name, value in self._probe.run(noise).items():
            difference = value.astype(np.float64) - self._base[name]
            moved[name] = np.where(np.isfinite(difference), difference, np.inf)
        return moved

    @cached_property
    def _base(self) -> Mapping[str, Bound]:
        if self._probe.is_single_precision:
            return self._expected
        still = self._probe.run(np.full_like(self._probe.levels, -0.0))
        return {name: value.astype(np.float64) for name, value in still.items()}

    def _judgeable(self, raw: Mapping[str, Bound], largest_share: float) -> Bounds | str:
        """The bounds with loose elements masked by inf, or why too many are loose."""
        judged = {}
        for name, bound in raw.items():
            if name in self._exact:
                bound = np.where(bound > EXACT, np.inf, EXACT)
            else:
                loose = bound > largest_share * self._scale(name)
                bound = np.where(loose | np.isnan(bound), np.inf, bound)
            unjudged = int(np.count_nonzero(np.isinf(bound)))
            if unjudged > LARGEST_UNJUDGED * bound.size:
                return self._reason(name, unjudged, bound.size)
            judged[name] = bound
        return judged

    def _reason(self, name: str, unjudged: int, size: int) -> str:
        jumping = np.count_nonzero(self._jumping(name))
        cause = "discontinuous" if jumping > size * LARGEST_UNJUDGED / 2 else "ill-conditioned"
        return f"{cause}: {unjudged} of {size} elements of output {name!r} move too much under rounding"

    def _jumping(self, name: str) -> NDArray[np.bool_]:
        """Which elements move by more than a nudge explains."""
        _, jumps = self._nudged
        return jumps[name] > NUDGE * 10 * self._scale(name)

    def _scale(self, name: str) -> float:
        """max|output|; where the output is all zero, the largest value that went in."""
        return _peak(np.abs(self._expected[name])) or _peak(np.abs(self._probe.levels)) or 1.0


_HALF = frozenset({Precision.FP16})
_HALF_WEIGHTS = frozenset({Precision.FP16_WEIGHTS, Precision.VULKAN_FP16_WEIGHTS, Precision.FP16})


def _peak(array: NDArray[np.floating]) -> float:
    return float(np.max(array, initial=0.0))


def _sum(*parts: Mapping[str, Bound]) -> dict[str, Bound]:
    return {name: np.sum([p[name] for p in parts], axis=0) for name in parts[0]}
