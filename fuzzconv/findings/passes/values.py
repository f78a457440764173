"""Simple weights and inputs: counting up, ones, small integers, quarters.

Zeros are not among them: what a tool makes of zeros is too often right by chance, and never convincing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array, Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.order import complexity
from fuzzconv.findings.passes.edit import Edit


def _ones(array: Array) -> Array:
    return np.ones_like(array)


def _counting(array: Array) -> Array:
    return np.arange(1, array.size + 1).astype(array.dtype).reshape(array.shape)


def _small_integers(array: Array) -> Array:
    return np.clip(np.round(_finite(array)), -9, 9).astype(array.dtype)


def _quarters(array: Array) -> Array:
    return (np.round(np.clip(_finite(array), -99, 99) * 4) / 4).astype(array.dtype)


def _finite(array: Array) -> NDArray[np.float64]:
    return np.nan_to_num(array.astype(np.float64))


_FORMS: tuple[Callable[[Array], Array], ...] = (_counting, _ones, _small_integers, _quarters)


def simplify_values(case: Case) -> Iterator[Edit]:
    """The same simple form for all tensors that hold values, then for each tensor.

    Integer constants are structure (axes, shapes) and stay.
    """
    draft = Draft(case)
    names = [n for n, a in draft.inputs.items() if a.dtype.kind in "fi"]
    names += [n for n, a in draft.tensors.items() if a.dtype.kind == "f"]
    hard = [n for n in names if complexity(_tensor(draft, n)) > 0]
    groups = [hard, *([n] for n in hard)] if len(hard) > 1 else [hard]
    for group in groups:
        for rank, form in enumerate(_FORMS):
            if any(complexity(_tensor(draft, n)) > rank for n in group):
                yield Edit(f"{form.__name__} {group}", partial(_formed, case, group, form))


def _tensor(draft: Draft, name: str) -> Array:
    return draft.inputs[name] if name in draft.inputs else draft.tensors[name]


def _formed(case: Case, names: list[str], form: Callable[[Array], Array]) -> Case:
    draft = Draft(case)
    for arrays in (draft.inputs, draft.tensors):
        for name in set(names) & set(arrays):
            arrays[name] = form(arrays[name])
    return draft.case()
