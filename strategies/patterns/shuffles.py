"""Reshapes and transposes that together are one layer: channel shuffle, pixel shuffle and its inverse."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.builder import Builder, Value, Want
from strategies.patterns.parts import SINGLE
from strategies.patterns.registry import pattern
from strategies.shapes import Shape


def _wide(b: Builder) -> Shape:
    return (b.batch(), b.pick((4, 8, 12, 16)), b.size(7), b.size(7))


def _even(b: Builder) -> Shape:
    return (b.batch(), b.channels(8), 2 * b.size(4), 2 * b.size(4))


WIDE = Want(ranks=(4,), where=lambda s: s[1] > 0 and s[1] % 4 == 0 and 0 not in s, shape=_wide, dtypes=SINGLE)
EVEN = Want(
    ranks=(4,), where=lambda s: s[2] * s[3] > 0 and s[2] % 2 == s[3] % 2 == 0, shape=_even, dtypes=SINGLE
)


def _chain(b: Builder, x: Value, split: Shape, order: Sequence[int], shape: Shape) -> list[Value]:
    """Reshape to ``split``, Transpose by ``order``, Reshape to ``shape``."""
    apart = b.node("Reshape", [x, b.ints(split)], b.like(x, shape=split))
    turned = b.like(x, shape=tuple(split[i] for i in order))
    turned = b.node("Transpose", [apart], turned, perm=list(order))
    return [apart, turned, b.node("Reshape", [turned, b.ints(shape)], b.like(x, shape=shape))]


@pattern("channel_shuffle", emits=("Reshape", "Transpose"), want=WIDE, misses=("axis",))
def channel_shuffle(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Channels dealt out to groups; near miss: height takes part instead of the groups."""
    batch, channels, height, width = x.shape
    groups = b.pick((2, 4))
    split = (batch, groups, channels // groups, height, width)
    return _chain(b, x, split, (0, 1, 3, 2, 4) if miss == "axis" else (0, 2, 1, 3, 4), x.shape)


@pattern("pixel_shuffle", emits=("Reshape", "Transpose"), want=WIDE, misses=("axis",))
def pixel_shuffle(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Channels to space, written out; near miss: rows and columns of a block change places."""
    batch, channels, height, width = x.shape
    split = (batch, channels // 4, 2, 2, height, width)
    order = (0, 1, 4, 3, 5, 2) if miss == "axis" else (0, 1, 4, 2, 5, 3)
    return _chain(b, x, split, order, (batch, channels // 4, height * 2, width * 2))


@pattern("pixel_unshuffle", emits=("Reshape", "Transpose"), want=EVEN, misses=("axis",))
def pixel_unshuffle(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Space to channels, written out; near miss as above."""
    batch, channels, height, width = x.shape
    split = (batch, channels, height // 2, 2, width // 2, 2)
    order = (0, 1, 5, 3, 2, 4) if miss == "axis" else (0, 1, 3, 5, 2, 4)
    return _chain(b, x, split, order, (batch, channels * 4, height // 2, width // 2))


@pattern(
    "adjacent_transposes",
    emits=("Transpose",),
    want=Want(ranks=(3, 4), lo=-1e4, hi=1e4, dtypes=SINGLE),
    misses=("axis",),
)
def adjacent_transposes(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A permutation and its inverse; near miss: two that don't cancel."""
    order = [0, *range(2, x.rank), 1]
    back = order if miss == "axis" else [0, x.rank - 1, *range(1, x.rank - 1)]
    there = b.node("Transpose", [x], b.like(x, shape=tuple(x.shape[i] for i in order)), perm=order)
    again = b.like(x, shape=tuple(there.shape[i] for i in back))
    return [there, b.node("Transpose", [there], again, perm=back)]
