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

import numpy as np
from onnx import AttributeProto

from fuzzconv.case import Array, Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.edit import Edit

_MOST_TRIES = 120
_MOST_TOGETHER = 4
_SMALL_CONSTANT = 16
_NO_SIZES = frozenset({"to", "keepdims", "axis", "axes", "perm", "ceil_mode", "pads", "blocksize"})


@dataclass(frozen=True)
class Slot:
    """A place that holds a size: ``kind`` is ``input``, ``weight``, ``attribute`` or ``element``."""

    kind: str
    name: str
    index: int
    size: int


def shrink_dims(case: Case) -> Iterator[Edit]:
    """Every size that occurs in inputs or weights, largest first, down to 1, 2, half, and one less."""
    slots = list(_slots(case))
    sizes = sorted({s.size for s in slots if s.kind in ("input", "weight") and s.size > 1}, reverse=True)
    for size in sizes:
        for target in sorted({1, 2, 3, size // 2, size - 1} & set(range(1, size))):
            for chosen in islice(_sets(slots, size), _MOST_TRIES):
                label = f"{[(s.name, s.index) for s in chosen]} {size} to {target}"
                yield Edit(label, partial(_resized, case, chosen, size, target))


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


def _sets(slots: list[Slot], size: int) -> Iterator[tuple[Slot, ...]]:
    """Sets of slots that may have to change together: all, then few, with multiples and without."""
    equal = [s for s in slots if s.size == size]
    axes = [s for s in equal if s.kind in ("input", "weight")]
    multiples = [s for s in slots if s.size > size and s.size % size == 0]
    seen: set[tuple[Slot, ...]] = set()
    for chosen in _proposals(equal, axes, multiples):
        if chosen not in seen and any(s in axes for s in chosen):
            seen.add(chosen)
            yield chosen


def _proposals(equal: list[Slot], axes: list[Slot], multiples: list[Slot]) -> Iterator[tuple[Slot, ...]]:
    yield tuple(equal)
    yield tuple(axes)
    if multiples:
        yield (*equal, *multiples)
    for count in range(1, _MOST_TOGETHER + 1):
        yield from combinations(equal, count)
        if count > 1:
            for few in combinations(multiples, 1):
                yield from ((*some, *few) for some in combinations(equal, count - 1))


def _resized(case: Case, chosen: tuple[Slot, ...], size: int, target: int) -> Case:
    draft = Draft(case)
    for slot in chosen:
        new = slot.size // size * target
        if slot.kind == "input":
            draft.inputs[slot.name] = _cropped(draft.inputs[slot.name], slot.index, new)
        elif slot.kind == "weight":
            draft.tensors[slot.name] = _cropped(draft.tensors[slot.name], slot.index, new)
        elif slot.kind == "element":
            changed = draft.tensors[slot.name].copy()
            changed.reshape(-1)[slot.index] = new
            draft.tensors[slot.name] = changed
        else:
            _set_integer(draft, slot, new)
    return draft.case()


def _cropped(array: Array, axis: int, size: int) -> Array:
    return np.ascontiguousarray(array.take(range(size), axis=axis))


def _set_integer(draft: Draft, slot: Slot, value: int) -> None:
    position, name = slot.name.split(":")
    for attribute in draft.nodes[int(position)].attribute:
        if attribute.name == name:
            if attribute.type == AttributeProto.INT:
                attribute.i = value
            else:
                attribute.ints[slot.index] = value
