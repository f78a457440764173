"""Whole constants in each other's place: every blob is one that ONNX holds, but in the wrong layer.

Which layer was made from which node is not written anywhere, so only the flow of data can prove it. Where
ncnn's layer of constant *a* has part in another's of *b*, ONNX's node of *a* must have part in that of *b*;
the same holds for the graph's inputs and outputs, and all constants of one layer belong to one node of a
kind. Converters reorder, merge and fold layers, but none makes a result part of what it was no part of.

So that a wrongly wired network does not pass for one with exchanged weights, an exchange is only claimed when
putting two constants (or two layers' constants) back leaves nothing to object to. Constants that several
nodes use, that two blobs hold or that have another one's values prove nothing and are left out, as are
layers that converters may reorder (additions and multiplications of a constant).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import onnx

from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.flow import Flow, Marks, flow_of_graph, flow_of_layers, step_name
from fuzzconv.oracles.weights.matching import Matcher, same_values
from fuzzconv.oracles.weights.roles import bears_name, keeps_its_place, may_hold
from fuzzconv.runtime.execution import BlobRead, WeightTrace


@dataclass(frozen=True)
class Placement:
    """A blob and the constant it holds, which one node alone uses."""

    blob: BlobRead
    constant: Constant

    @property
    def node(self) -> onnx.NodeProto:
        """The node that uses the constant."""
        return self.constant.uses[0].node


@dataclass(frozen=True)
class Exchange:
    """Two blobs that hold each other's constant."""

    first: Placement
    second: Placement


def find_exchange(
    matcher: Matcher,
    graph: onnx.GraphProto,
    conversion: Conversion,
    trace: WeightTrace,
    explained: Sequence[Constant | None],
) -> Exchange | None:
    """The exchange that explains why constants lie where data flows otherwise; None where nothing does."""
    nodes = frozenset(map(step_name, graph.node))
    placements = _placements(matcher, nodes, trace, explained)
    layers = read_layers(conversion.param or "")
    if len(placements) < 2 or len({layer.name for layer in layers}) < len(layers):
        return None
    order = _Order(graph, conversion, placements, flow_of_layers(layers))
    straight = list(range(len(placements)))
    if order.holds(straight):
        return None
    for pairs in _exchanges(placements):
        assigned = list(straight)
        for i, j in pairs:
            assigned[i], assigned[j] = j, i
        if order.holds(assigned):
            i, j = pairs[0]
            return Exchange(placements[i], placements[j])
    return None


def _placements(
    matcher: Matcher, nodes: Set[str], trace: WeightTrace, explained: Sequence[Constant | None]
) -> list[Placement]:
    """The blobs whose constants can prove something; ``nodes`` are those of the main graph."""
    held = Counter(id(constant) for constant in explained)
    found = [
        Placement(blob, constant)
        for blob, constant in zip(trace.blobs, explained, strict=True)
        if constant is not None
        and constant.is_stored
        and len(constant.uses) == 1
        and held[id(constant)] == 1
        and np.unique(constant.as_float).size > 1
        and step_name(constant.uses[0].node) in nodes
        and (_is_data(blob) or (keeps_its_place(blob.layer_type) and may_hold(blob, constant)))
    ]
    sizes = Counter(placement.blob.count for placement in found)
    if not any(count > 1 for count in sizes.values()):
        return []
    return [placement for placement in found if not _is_ambiguous(matcher, placement.constant)]


def _is_ambiguous(matcher: Matcher, constant: Constant) -> bool:
    return any(
        other is not constant
        and other.array.size == constant.array.size
        and same_values(other.as_float.ravel(), constant, half=True)
        for other in matcher.all_constants()
    )


def _is_data(blob: BlobRead) -> bool:
    return blob.layer_type == "MemoryData"


def _exchanges(placements: Sequence[Placement]) -> Iterator[list[tuple[int, int]]]:
    """Two constants put in each other's place, then all constants of two layers at once."""
    pairs = [
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(placements), 2)
        if one.blob.layer != other.blob.layer
        and (one.blob.layer_type, one.blob.count) == (other.blob.layer_type, other.blob.count)
    ]
    yield from ([pair] for pair in pairs)
    by_layers: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for i, j in pairs:
        if placements[i].blob.index == placements[j].blob.index:
            by_layers.setdefault((placements[i].blob.layer, placements[j].blob.layer), []).append((i, j))
    yield from (several for several in by_layers.values() if len(several) > 1)


class _Order:
    """What must come before what, in ncnn and in ONNX, for the constants at certain places.

    Bits below ``len(placements)`` are constants or places, those above are the graph's inputs.
    """

    def __init__(
        self, graph: onnx.GraphProto, conversion: Conversion, placements: Sequence[Placement], layers: Flow
    ) -> None:
        self._placements = placements
        bindings = conversion.feedings[0] if conversion.feedings else None
        inputs = {b.tensor: b.blob for b in bindings.inputs} if bindings else {}
        outputs = {b.tensor: b.blob for b in bindings.outputs} if bindings else {}
        given = {tensor: 1 << len(placements) + i for i, tensor in enumerate(inputs)}
        nodes = [step_name(placement.node) for placement in placements]
        places = ["" if _is_data(p.blob) else p.blob.layer for p in placements]
        in_onnx, onnx_tensors = flow_of_graph(graph).spread(_bits(nodes), given)
        in_ncnn, ncnn_blobs = layers.spread(
            _bits(places), {inputs[tensor]: bit for tensor, bit in given.items()}
        )
        # Constants of one node may lie in several layers, in any order.
        # Of a place whose layer comes before nothing that counts (data, an unknown name) nothing is asked.
        self._before_place = [in_ncnn.get(place, 0) if place else 0 for place in places]
        self._before_constant = [in_onnx[node] | _bits(nodes)[node] for node in nodes]
        self._outputs = [
            (ncnn_blobs.get(blob, 0), onnx_tensors.get(tensor, 0)) for tensor, blob in outputs.items()
        ]

    def holds(self, assigned: Sequence[int]) -> bool:
        """Whether all is in order when place ``i`` holds the constant of placement ``assigned[i]``."""
        return (
            all(
                self._within(before, self._before_constant[assigned[place]], assigned)
                for place, before in enumerate(self._before_place)
            )
            and all(self._within(ncnn, wanted, assigned) for ncnn, wanted in self._outputs)
            and self._belong_together(assigned)
            and self._bear_their_names(assigned)
        )

    def _within(self, before: int, wanted: int, assigned: Sequence[int]) -> bool:
        count = len(assigned)
        meant = before >> count << count
        for place in range(count):
            if before >> place & 1:
                meant |= 1 << assigned[place]
        return not meant & ~wanted

    def _belong_together(self, assigned: Sequence[int]) -> bool:
        """Whether no layer holds constants of two nodes of one kind."""
        nodes: dict[tuple[str, str], str] = {}
        for placement, constant in zip(self._placements, assigned, strict=True):
            node = self._placements[constant].node
            name = step_name(node)
            if nodes.setdefault((placement.blob.layer, node.op_type), name) != name:
                return False
        return True

    def _bear_their_names(self, assigned: Sequence[int]) -> bool:
        """Whether no layer of data is named after another constant than it holds."""
        for placement, constant in zip(self._placements, assigned, strict=True):
            own = self._placements[constant].constant
            named = [p for p in self._placements if bears_name(placement.blob, p.constant)]
            if _is_data(placement.blob) and named and all(p.constant is not own for p in named):
                return False
        return True


def _bits(names: Sequence[str]) -> Marks:
    bits: dict[str, int] = {}
    for position, name in enumerate(names):
        if name:
            bits[name] = bits.get(name, 0) | 1 << position
    return bits
