"""The orders in which a converter may write a constant's values.

A converter may transpose a constant, split one of its axes into groups before that (grouped transposed
convolutions), or reorder the gates of a recurrent layer. Each such form is a reshape, a permutation of the
axes and nothing else: no arbitrary permutation of values is ever accepted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.encoding import Floats

_GATES = {"LSTM": (4,), "GRU": (3, 4), "RNN": ()}
_MOST_AXES = 6


def orders(constant: Constant, array: Floats) -> Iterator[Floats]:
    """Every order of ``array`` (values of ``constant``), flat; the stored order comes first."""
    yield array.ravel()
    for shape in _splits(constant, array.shape):
        split = array.reshape(shape)
        for axes in itertools.permutations(range(len(shape))):
            if axes != tuple(range(len(shape))):
                yield split.transpose(axes).ravel()
    yield from _gate_orders(constant, array)


def _splits(constant: Constant, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    dims = tuple(d for d in shape if d > 1)
    if len(dims) > _MOST_AXES:
        return
    yield dims
    for groups in _group_counts(constant):
        for axis, dim in enumerate(dims):
            if 1 < groups < dim and dim % groups == 0:
                yield (*dims[:axis], groups, dim // groups, *dims[axis + 1 :])


def _group_counts(constant: Constant) -> set[int]:
    return {
        attribute.i
        for use in constant.uses
        for attribute in use.node.attribute
        if attribute.name in ("group", "num_groups", "num_heads")
    }


def _gate_orders(constant: Constant, array: Floats) -> Iterator[Floats]:
    """Gates are blocks along axis 1 of (directions, gates · hidden, …); biases of two lie side by side."""
    gates = {count for use in constant.uses for count in _GATES.get(use.node.op_type, ())}
    for count in gates:
        if array.ndim < 2 or array.shape[1] % count:
            continue
        blocks = array.reshape(array.shape[0], count, -1)
        for order in itertools.permutations(range(count)):
            yield np.ascontiguousarray(blocks[:, order]).ravel()
