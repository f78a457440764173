"""Smaller dimensions, consistently through the graph.

There is no table of operators here. Everything that holds a size (an axis of an input or weight, an integer
attribute, an element of a small integer constant such as ``Reshape``'s shape) is a *slot*; a size shrinks by
changing a set of slots that hold it, or a multiple of it, all at once. Which sets make a valid model, the
model itself tells: few are tried, smallest first, and those onnxruntime refuses are passed over. Ranks stay:
each rank is a code path of its own in ncnn, and changing it would slip to another bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations, islice
from typing import NamedTuple

import numpy as np
from onnx import AttributeProto

from fuzzconv.case import Array, Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.edit import Edit

_MOST_TRIES = 120
_MOST_TOGETHER = 4
_SMALL_CONSTANT = 16
_NEAR = 2
_AXES = frozenset({"input", "weight"})
_NO_SIZES = frozenset({"to", "keepdims", "axis", "axes", "perm", "ceil_mode", "pads", "blocksize"})


@dataclass(frozen=True)
class Slot:
    """A place that holds a size: ``kind`` is ``input``, ``weight``, ``attribute`` or ``element``."""

    kind: str
    name: str
    index: int
    size: int


class Change(NamedTuple):
    """A slot and the size it gets."""

    slot: Slot
    size: int


def shrink_dims(case: Case) -> Iterator[Edit]:
    """Every size that occurs in inputs or weights, largest first, down to 1, 2, half, and one less.

    At last the sizes that a constant alone asks for (``Resize``'s, ``Expand``'s), which no input has.
    """
    slots = list(_slots(case))
    sizes = sorted({s.size for s in slots if s.kind in _AXES and s.size > 1}, reverse=True)
    for size in sizes:
        for target in _smaller(size):
            for changes in islice(_consistent(slots, size, target), _MOST_TRIES):
                told = ", ".join(f"{c.slot.name}.{c.slot.index}" for c in changes)
                yield Edit(f"{told}: {size} to {target}", partial(_resized, case, changes))
                if len(changes) == 1:
                    last = partial(_resized, case, changes, last=True)
                    yield Edit(f"{told}: last {target} of {size}", last)
    asked_for = [s for s in slots if s.kind == "element" and s.size > 1]
    for size in sorted({s.size for s in asked_for}, reverse=True):
        for target in _smaller(size):
            equal = tuple(Change(s, target) for s in asked_for if s.size == size)
            for changes in dict.fromkeys((equal, *((change,) for change in equal))):
                told = ", ".join(f"{c.slot.name}.{c.slot.index}" for c in changes)
                yield Edit(f"{told}: {target} asked for, not {size}", partial(_resized, case, changes))


def _smaller(size: int) -> list[int]:
    return sorted({smaller for smaller in (1, 2, 3, size // 2, size - 1) if 1 <= smaller < size})


def _slots(case: Case) -> Iterator[Slot]:
    draft = Draft(case)
    for kind, arrays in (("input", draft.inputs), ("weight", draft.tensors)):
        for name, array in arrays.items():
            for axis, size in enumerate(array.shape):
                yield Slot(kind, name, axis, size)
            if kind == "weight" and array.dtype.kind == "i" and array.size <= _SMALL_CONSTANT:
                for index, value in enumerate(array.ravel().tolist()):
                    yield Slot("element", name, index, value)
    for position, node in enumerate(draft.nodes):
        for attribute in node.attribute:
            if attribute.name not in _NO_SIZES:
                for index, value in enumerate(_integers(attribute)):
                    yield Slot("attribute", f"{position}:{attribute.name}", index, value)


def _integers(attribute: AttributeProto) -> list[int]:
    return [attribute.i] if attribute.type == AttributeProto.INT else list(attribute.ints)


def _consistent(slots: list[Slot], size: int, target: int) -> Iterator[tuple[Change, ...]]:
    """Sets of slots that may have to change together, each at least one axis, none twice."""
    seen: set[tuple[Change, ...]] = set()
    for changes in _proposals(slots, size, target):
        if changes not in seen and any(c.slot.kind in _AXES for c in changes):
            seen.add(changes)
            yield changes


def _proposals(slots: list[Slot], size: int, target: int) -> Iterator[tuple[Change, ...]]:
    """All slots of the size; then few; with sizes near it (what padding makes of one), with multiples of the
    size; with one part of it, for sums."""
    equal = [Change(s, target) for s in slots if s.size == size]
    axes = [c for c in equal if c.slot.kind in _AXES]
    multiples = [Change(s, s.size // size * target) for s in slots if s.size > size and s.size % size == 0]
    less = size - target
    parts = [Change(s, s.size - less) for s in slots if s.kind not in _AXES and less <= s.size != size]
    near = [Change(s, s.size - less) for s in slots if 0 < abs(s.size - size) <= _NEAR and s.size > less]
    yield tuple(equal)
    yield tuple(axes)
    if near:
        yield (*equal, *(change for change in near if change.slot.kind in _AXES))
        yield (*equal, *near)
    if multiples:
        yield (*equal, *multiples)
    for part in parts:
        yield (*axes, part)
    for count in range(1, _MOST_TOGETHER + 1):
        yield from combinations(equal, count)
        for other in (*multiples, *parts) if count > 1 else ():
            yield from ((*few, other) for few in combinations(equal, count - 1))


def _resized(case: Case, changes: tuple[Change, ...], *, last: bool = False) -> Case:
    """The case with the changes made; arrays keep their first elements, or their last."""
    draft = Draft(case)
    for slot, size in changes:
        if slot.kind == "element":
            changed = draft.tensors[slot.name].copy()
            changed.reshape(-1)[slot.index] = size
            draft.tensors[slot.name] = changed
        elif slot.kind == "attribute":
            _set_integer(draft, slot, size)
    for slot, size in changes:
        if slot.kind == "input":
            draft.inputs[slot.name] = _cropped(draft.inputs[slot.name], slot.index, size, last)
        elif slot.kind == "weight":
            draft.tensors[slot.name] = _cropped(draft.tensors[slot.name], slot.index, size, last)
    return draft.case()


def _cropped(array: Array, axis: int, size: int, last: bool) -> Array:
    start = array.shape[axis] - size if last else 0
    return np.ascontiguousarray(array.take(range(start, start + size), axis=axis))


def _set_integer(draft: Draft, slot: Slot, value: int) -> None:
    position, name = slot.name.split(":")
    for attribute in draft.nodes[int(position)].attribute:
        if attribute.name == name:
            if attribute.type == AttributeProto.INT:
                attribute.i = value
            else:
                attribute.ints[slot.index] = value
