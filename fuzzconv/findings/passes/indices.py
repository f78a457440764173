"""Fewer slices to gather from, together with the indices that point at them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import onnx

from fuzzconv.case import Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.edit import Edit

_SIZES = (1, 2, 3)


def shrink_gathered(case: Case) -> Iterator[Edit]:
    """An axis that ``Gather`` reads brought down to one to three, each index to what is left of it.

    ``shrink_dims`` can't do that: an index beyond the smaller axis makes no valid model.
    """
    draft = Draft(case)
    arrays = {**draft.inputs, **draft.tensors}
    for position, node in enumerate(draft.nodes):
        if node.op_type != "Gather" or not set(node.input) <= set(arrays):
            continue
        data, axis = arrays[node.input[0]], _axis(node)
        for size in _SIZES if -data.ndim <= axis < data.ndim else ():
            if size < data.shape[axis]:
                label = f"gather {position} from {size} of {data.shape[axis]}"
                yield Edit(label, partial(_gathered, case, position, size))


def _axis(node: onnx.NodeProto) -> int:
    return next((a.i for a in node.attribute if a.name == "axis"), 0)


def _gathered(case: Case, position: int, size: int) -> Case:
    draft = Draft(case)
    node = draft.nodes[position]
    data, indices = node.input
    for arrays in (draft.inputs, draft.tensors):
        if data in arrays:
            arrays[data] = np.ascontiguousarray(arrays[data].take(range(size), axis=_axis(node)))
        if indices in arrays:
            found = arrays[indices].astype(np.int64)
            arrays[indices] = (found % size - size * (found < 0)).astype(arrays[indices].dtype)
    return draft.case()
