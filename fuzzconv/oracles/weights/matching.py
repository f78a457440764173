"""Which constant a blob holds: ``Matcher`` answers for one model, blob by blob.

A blob is *explained* by a constant when it equals one of its orders (``forms.py``) in the file's encoding.
Stored constants are asked first, then constants computed by the graph, then the known folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import onnx

from fuzzconv.oracles.weights.constants import Constant, Constants
from fuzzconv.oracles.weights.encoding import Floats, same
from fuzzconv.oracles.weights.folds import Folds
from fuzzconv.oracles.weights.forms import orders


class Matcher:
    """The constants of one model, ready to be recognised."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self.constants = Constants(model)

    @cached_property
    def folds(self) -> Folds:
        """The model's known folds."""
        known = (*self.constants.stored, *self.constants.computed)
        return Folds(self._graph, {constant.name: constant for constant in known})

    @cached_property
    def _computed_folds(self) -> tuple[Constant, ...]:
        return tuple(self.folds.compute())

    def explain(self, values: Floats, *, half: bool) -> Constant | None:
        """The constant or fold that ``values`` are, None when there is none."""
        return (
            find(values, self.constants.stored, half=half)
            or find(values, self.constants.computed, half=half)
            or find(values, self._computed_folds, half=half)
        )

    def all_constants(self) -> Iterator[Constant]:
        """Everything known, folds included."""
        yield from self.constants.stored
        yield from self.constants.computed
        yield from self._computed_folds

    def missing(self, explained: Sequence[Constant | None]) -> Iterator[Constant]:
        """Constants and folds of floats that no blob holds, though they must reach ncnn as they are.

        Those that something else may have been merged into are left out. ``explained``: what the blobs hold.
        """
        held = [constant for constant in explained if constant is not None]
        present = {constant.name for constant in held}
        for constant in self.all_constants():
            usable = constant.array.dtype.kind == "f" and constant.array.size and constant.uses
            if usable and not _among(constant, held) and not self.folds.reach(constant, present):
                yield constant


def _among(constant: Constant, held: Sequence[Constant]) -> bool:
    """Whether a blob holds this constant, or another one of the same values (an alias, mostly)."""
    return any(
        other is constant
        or (
            other.array.size == constant.array.size
            and same_values(other.as_float.ravel(), constant, half=False)
        )
        for other in held
    )


def find(values: Floats, constants: Iterable[Constant], *, half: bool) -> Constant | None:
    """The first of ``constants`` that ``values`` hold in some order."""
    of_size = [constant for constant in constants if constant.array.size == values.size]
    for constant in of_size:
        if holds(values, constant.as_float.ravel(), half=half, relative=constant.relative):
            return constant
        if constant.as_bits is not None and values.tobytes() == constant.as_bits.tobytes():
            return constant
    return next((c for c in of_size if any(True for _ in matching_orders(values, c, half=half))), None)


def matching_orders(values: Floats, constant: Constant, *, half: bool) -> Iterator[Floats]:
    """The orders of ``constant`` that ``values`` hold; they are only tried when the sorted values agree."""
    if same_values(values, constant, half=half):
        for order in orders(constant, constant.as_float):
            if holds(values, order, half=half, relative=constant.relative):
                yield order


def same_values(values: Floats, constant: Constant, *, half: bool) -> bool:
    """Whether both hold the same values, in whatever order."""
    meant = np.sort(constant.as_float, axis=None)
    return holds(np.sort(values), meant, half=half, relative=constant.relative)


def holds(values: Floats, meant: Floats, *, half: bool, relative: float) -> bool:
    """Whether all of ``values`` are what ``meant`` becomes in the file."""
    return bool(same(values, meant, half=half, relative=relative).all())
