"""Look inside a converted network: its layers, and its blobs' values beside the tensors of the ONNX graph.

``blob_values`` runs the network with every blob fetched; ``first_unknown_layer`` tells from which layer on
the values are no tensor of the graph any more. Converters rename and reshape, so values are matched by size
and content, not by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import Layer, read_layers
from fuzzconv.judgement import Judge
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunResult, RunStatus
from fuzzconv.runtime.options import options_for

_PASSING_ON = frozenset({"Input", "Split", "Noop", "MemoryData"})


class Laboratory(Judge, Protocol):
    """A judge that also runs a network as it is told, to look inside."""

    def run(self, request: RunRequest, device: str) -> RunResult:
        """Run one network once on a device."""


def blob_values(
    case: Case, conversion: Conversion, laboratory: Laboratory, device: str
) -> dict[str, Array] | None:
    """Every blob's value on ``device`` with plain options; None when the network doesn't run through."""
    if not conversion.param or conversion.weights is None or not conversion.feedings:
        return None
    feeding = conversion.feedings[0]
    fed = {b.blob for b in feeding.inputs}
    axes = {b.blob: b.batch_axis for b in (*feeding.inputs, *feeding.outputs)}
    names = [n for layer in read_layers(conversion.param) for n in layer.outputs if n not in fed]
    batch = next(iter(axes.values()), None)
    request = RunRequest(
        conversion.param,
        conversion.weights,
        tuple(Feed(b.blob, b.prepare(case.inputs[b.tensor]), b.batch_axis) for b in feeding.inputs),
        tuple(Fetch(name, axes.get(name, batch)) for name in names),
        {**options_for("", device), "lightmode": False},
    )
    result = laboratory.run(request, device)
    if result.status is not RunStatus.DONE:
        return None
    return {name: array for name, array in result.outputs.items() if array is not None}


def first_unknown_layer(
    param: str, blobs: Mapping[str, Array], tensors: Sequence[Array], tolerance: float
) -> tuple[str, str]:
    """Where values leave the ONNX graph: (layer, sentence); the layer is empty when that isn't one layer.

    The last layer whose output equals a tensor of the graph is still right; when a single layer follows it,
    that one is wrong. Both are empty when the last layer's own output equals one (its shape is what differs).
    """
    computing = [layer for layer in read_layers(param) if layer.type not in _PASSING_ON and layer.outputs]
    right = [
        all(any(_equal(blobs[n], t, tolerance) for t in tensors) for n in layer.outputs if n in blobs)
        for layer in computing
    ]
    start = max((i + 1 for i, good in enumerate(right) if good), default=0)
    after = computing[start:]
    if not after:
        return "", ""
    told = f"no output of {_listed(after)} equals a tensor of the ONNX graph"
    if start:
        told += f"; that of {_listed(computing[start - 1 : start])} does"
    return (after[0].name if len(after) == 1 else ""), told


def first_difference(
    param: str, one: Mapping[str, Array], other: Mapping[str, Array], tolerance: float
) -> Layer | None:
    """The first layer whose outputs differ between two runs of the same network."""
    for layer in read_layers(param):
        for name in layer.outputs:
            if name in one and name in other and not _equal(one[name], other[name], tolerance):
                return layer
    return None


def _listed(layers: Sequence[Layer]) -> str:
    return ", ".join(f"{layer.type} {layer.name!r}" for layer in layers)


def _equal(one: Array, other: Array, tolerance: float) -> bool:
    if one.size != other.size or other.dtype.kind not in "fiu":
        return False
    left, right = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    scale = 1.0 + float(np.max(np.abs(right[np.isfinite(right)]), initial=0.0))
    return bool(np.allclose(left, right, rtol=0, atol=tolerance * scale, equal_nan=True))
