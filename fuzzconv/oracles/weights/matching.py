"""Which constant a blob holds: ``Matcher`` answers for one model, blob by blob.

A blob is *explained* by a constant when it equals one of its orders (``forms.py``) in the file's encoding.
Stored constants are asked first, then constants computed by the graph, then the known folds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np
import onnx

from fuzzconv.oracles.weights.constants import Constant, Constants
from fuzzconv.oracles.weights.encoding import Floats, same
from fuzzconv.oracles.weights.folds import Folds
from fuzzconv.oracles.weights.forms import orders

_COMPUTED_RELATIVE = 1e-5
_FOLD_RELATIVE = 2e-4


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
        stored = self.constants.stored
        return (
            find(values, stored, half=half)
            or find(values, self.constants.computed, half=half, relative=_COMPUTED_RELATIVE)
            or find(values, self._computed_folds, half=half, relative=_FOLD_RELATIVE)
        )

    def all_constants(self) -> Iterator[Constant]:
        """Everything known, folds included."""
        yield from self.constants.stored
        yield from self.constants.computed
        yield from self._computed_folds

    def direct(self) -> Iterator[Constant]:
        """Floating-point constants that some node uses as they are, with no fold in sight."""
        for constant in (*self.constants.stored, *self.constants.computed):
            if constant.array.dtype.kind != "f" or constant.array.size == 0 or not constant.uses:
                continue
            if not any(self.folds.touches(use) for use in constant.uses):
                yield constant


def find(
    values: Floats, constants: Iterable[Constant], *, half: bool, relative: float = 1e-6
) -> Constant | None:
    """The first of ``constants`` that ``values`` hold in some order."""
    of_size = [constant for constant in constants if constant.array.size == values.size]
    for constant in of_size:
        if holds(values, constant.as_float.ravel(), half=half, relative=relative):
            return constant
        if constant.as_bits is not None and _same_bits(values, constant.as_bits):
            return constant
    ranked = np.sort(values) if of_size else values
    for constant in of_size:
        form = constant.as_float
        if holds(ranked, np.sort(form, axis=None), half=half, relative=relative) and any(
            holds(values, order, half=half, relative=relative) for order in orders(constant, form)
        ):
            return constant
    return None


def holds(values: Floats, meant: Floats, *, half: bool, relative: float = 1e-6) -> bool:
    """Whether all of ``values`` are what ``meant`` becomes in the file."""
    return bool(same(values, meant, half=half, relative=relative).all())


def _same_bits(values: Floats, bits: Floats) -> bool:
    return values.tobytes() == bits.tobytes()
