"""Odd sizes: the dimensions around which packing and tiling code goes wrong.

ncnn packs channels by 4, 8 and 16 and has winograd tiles of 2, 4 and 6 (plus 2); so the sizes here are 1,
primes, and the neighbours of those boundaries. Lists begin with the simplest size.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

Shape = tuple[int, ...]

SIZES = (2, 1, 3, 4, 5, 7, 8, 9, 6, 11, 13, 12, 15, 16, 17, 10, 19, 23, 24, 31, 32, 33)
"""Sizes of one dimension, simplest first."""

CHANNELS = (2, 1, 3, 4, 8, 5, 16, 7, 12, 9, 6, 15, 17, 11, 13, 24, 32, 33)
"""Sizes of a channel dimension, simplest first."""

BATCHES = (1, 2, 3, 4, 5)

RANKS = ((2, 26), (3, 24), (4, 36), (5, 5), (1, 6), (0, 1))
"""Ranks of new inputs with their weights: mostly images, rows and sequences with a batch axis. ncnn has
no rank 0 and most tensors of rank 5 don't fit it, so these are few."""

MAX_ELEMENTS = 6000
"""No tensor is larger: bugs live in odd sizes, not in big ones, and small ones run fast."""


def fitting(sizes: Sequence[int], budget: int) -> Sequence[int]:
    """The ``sizes`` not above ``budget`` (at least 1), in order."""
    return [s for s in sizes if s <= budget] or [1]


def elements(shape: Shape) -> int:
    """Number of elements of a tensor of this shape."""
    return prod(shape)


def broadcast(left: Shape, right: Shape) -> Shape | None:
    """The shape that two shapes broadcast to ("Multidirectional Broadcasting"), None when they don't."""
    rank = max(len(left), len(right))
    padded = zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True)
    dims = []
    for a, b in padded:
        if a != b and 1 not in (a, b):
            return None
        dims.append(b if a == 1 else a)
    return tuple(dims)
