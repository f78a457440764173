"""Concrete numbers for weights and inputs, each array made from a (pattern, seed) pair.

Drawing element by element is twelve times slower and shrinks badly; so a strategy draws a ``Pattern`` and a
seed, and ``build`` makes the array. Every pattern keeps inside the bounds it is given, so that the range of
every value in the graph stays known.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from strategies.dtypes import Dtype

Floats = NDArray[np.float64]

SMALLEST = 6.2e-5
"""Smallest non-zero magnitude outside ``tiny``: fp16 flushes what is smaller to zero, a known single bug."""

SEEDS = 1 << 16
"""Number of different seeds; 0 is the simplest and gives values in ascending order."""


def _distinct(count: int, lo: float, hi: float, seed: int) -> Floats:
    """All different and evenly spread, so that a shift by one place is visible anywhere."""
    # Off-centre, so that the numbers don't cancel to zero in a sum.
    values = np.linspace(lo, hi, count + 3)[2:-1]
    return np.random.default_rng(seed).permutation(values) if seed else values


def _uniform(count: int, lo: float, hi: float, seed: int) -> Floats:
    return np.random.default_rng(seed).uniform(lo, hi, count)


def _negative(count: int, lo: float, hi: float, seed: int) -> Floats:
    return _uniform(count, lo, min(hi, -0.1) if lo < -0.1 else hi, seed)


def _constant(count: int, lo: float, hi: float, seed: int) -> Floats:
    return np.full(count, lo + (hi - lo) * (0.75 if seed == 0 else (seed % 97) / 96))


def _one_hot(count: int, lo: float, hi: float, seed: int) -> Floats:
    values = np.full(count, _nearest_zero(lo, hi))
    if count:
        values[seed % count] = hi
    return values


def _signed_zeros(count: int, lo: float, hi: float, seed: int) -> Floats:
    """Half ordinary values, half zeros of both signs (where zero is allowed)."""
    values = _uniform(count, lo, hi, seed)
    if lo <= 0 <= hi:
        values[::4] = 0.0
        values[2::4] = -0.0
    return values


def _sorted_down(count: int, lo: float, hi: float, seed: int) -> Floats:
    return np.sort(_uniform(count, lo, hi, seed))[::-1]


def _small(count: int, lo: float, hi: float, seed: int) -> Floats:
    """Magnitudes just above what fp16 holds as a normal number."""
    values = np.random.default_rng(seed).uniform(SMALLEST, 1e-3, count)
    values[1::2] *= -1
    return np.clip(values, lo, hi)


def _tiny(count: int, lo: float, hi: float, seed: int) -> Floats:
    """fp16 and fp32 subnormals: known to be flushed, so this pattern is rare (see ``RARE_PATTERNS``)."""
    values = 10.0 ** np.random.default_rng(seed).uniform(-40, -5, count)
    return np.clip(values, lo, hi)


_BUILDERS: dict[str, Callable[[int, float, float, int], Floats]] = {
    "distinct": _distinct,
    "uniform": _uniform,
    "constant": _constant,
    "negative": _negative,
    "one_hot": _one_hot,
    "signed_zeros": _signed_zeros,
    "sorted_down": _sorted_down,
    "small": _small,
    "large": _uniform,
    "tiny": _tiny,
}

PATTERNS = tuple(p for p in _BUILDERS if p != "tiny")
"""The patterns of every campaign, simplest first; ``large`` uses the widest bounds allowed."""

RARE_PATTERNS = ("tiny",)
"""Patterns whose trouble is known; drawn at the rare rate only."""


def build(pattern: str, seed: int, shape: tuple[int, ...], dtype: Dtype, lo: float, hi: float) -> Array:
    """The array of ``pattern`` and ``seed``, within [lo, hi], rounded to ``dtype``.

    Integer types round to integers inside the bounds; bool is true above the middle.
    """
    values = _build(pattern, seed, shape, dtype, lo, hi)
    values.flags.writeable = False
    return values


@lru_cache(maxsize=512)
def _build(pattern: str, seed: int, shape: tuple[int, ...], dtype: Dtype, lo: float, hi: float) -> Array:
    count = int(np.prod(shape, dtype=np.int64))
    values = _BUILDERS[pattern](count, lo, hi, seed)
    if dtype.kind == "b":
        return (values > (lo + hi) / 2).reshape(shape)
    if dtype.kind in "iu":
        values = np.clip(np.rint(values), np.ceil(lo), np.floor(hi))
    elif pattern != "tiny":
        values = np.where(np.abs(values) < SMALLEST, np.copysign(_nearest_zero(lo, hi), values), values)
    return values.reshape(shape).astype(dtype.numpy)


def _nearest_zero(lo: float, hi: float) -> float:
    return min(max(0.0, lo), hi)


def avoid_jumps(array: Array, jump: float) -> Array:
    """Float numbers moved within their unit interval to stay 0.3 away from integers plus ``jump``."""
    shifted = array.astype(np.float64) - jump
    whole = np.floor(shifted)
    moved = whole + 0.3 + 0.4 * (shifted - whole) + jump
    return np.asarray(moved, dtype=array.dtype)
