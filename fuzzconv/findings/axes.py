"""What onnx2ncnn makes of axes: its blobs have no batch, its images two axes, and none counts from the end.

``axes_faults`` names the rules that a graph runs into; each operator has a branch of its own for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import onnx
from onnx import helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.subgraph import moving_nodes

FIRST_AXIS = "first axis, which the legacy converter takes for a batch"
ONE_AXIS = "image of other than two axes, written as one of two"
FROM_THE_END = "axis that is counted from the end"
WITHOUT_SLICED = "Slice that names no axes"
MESSAGES = frozenset({FIRST_AXIS, ONE_AXIS, FROM_THE_END, WITHOUT_SLICED})
REASONS = {
    FIRST_AXIS: "a blob has no batch axis, and onnx2ncnn writes every other axis as one less",
    ONE_AXIS: "onnx2ncnn has but one way to write the layer, for images of two axes",
    FROM_THE_END: "onnx2ncnn writes an axis as one less, and counted from the end it is none less",
    WITHOUT_SLICED: "onnx2ncnn writes an axis that is named as one less, and all as they are if none is",
}
"""Why a network of onnx2ncnn's is wrong."""

_OF_ONE_AXIS = 3
_WRITTEN_WITH_TWO = frozenset(
    {"ConvTranspose", "GlobalAveragePool", "GlobalMaxPool", "InstanceNormalization"}
)
_OF_THREE_AXES = 5
_POOLING_ALL = frozenset({"GlobalAveragePool", "GlobalMaxPool"})
_ALONG_ONE_AXIS = frozenset({"Concat", "Gather", "Split"})
_LESS_ONE = frozenset({"Gather", "Softmax"})
"""Operators whose axis is written as one less, whatever it is."""
_AXES_INPUT = {"Slice": 3}


def axes_faults(case: Case) -> Iterator[str]:
    """All that onnx2ncnn makes of the axes."""
    if of_one_axis(case):
        yield ONE_AXIS
    if from_the_end(case):
        yield FROM_THE_END
    if slices_all(case):
        yield WITHOUT_SLICED
    if along_first_axis(case):
        yield FIRST_AXIS


def of_one_axis(case: Case) -> tuple[str, ...]:
    """Types of the operators on images of one axis, or of three, that onnx2ncnn writes as layers of two."""
    values = tensor_values(case) or {}
    nodes = [case.model.graph.node[position] for position in moving_nodes(case)]
    ranks = [(n.op_type, values[n.input[0]].ndim) for n in nodes if n.input and n.input[0] in values]
    found = {name for name, rank in ranks if rank == _OF_ONE_AXIS and name in _WRITTEN_WITH_TWO}
    found |= {name for name, rank in ranks if rank == _OF_THREE_AXES and name in _POOLING_ALL}
    return tuple(sorted(found))


def from_the_end(case: Case) -> tuple[str, ...]:
    """Types of the operators whose axis is negative, and onnx2ncnn takes one for the batch all the same.

    The first axis is wrong however it is counted.
    """
    first = set(along_first_axis(case))
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    counting = [node for node in nodes if node.op_type in _LESS_ONE - first]
    found = {n.op_type for n in counting if any(a.name == "axis" and a.i < 0 for a in n.attribute)}
    return tuple(sorted(found))


def slices_all(case: Case) -> tuple[str, ...]:
    """``Slice`` where it names no axes: onnx2ncnn does not count them from the first one then."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    slices = [node for node in nodes if node.op_type == "Slice"]
    place = _AXES_INPUT["Slice"]
    named = (any(n.input[place : place + 1]) or any(a.name == "axes" for a in n.attribute) for n in slices)
    return ("Slice",) if not all(named) else ()


def along_first_axis(case: Case) -> tuple[str, ...]:
    """Types of the operators that work along the first of several axes, which onnx2ncnn does not have."""
    values = tensor_values(case) or {}
    stored = {tensor.name: tensor for tensor in stored_tensors(case)}
    found = set()
    for position in moving_nodes(case):
        node = case.model.graph.node[position]
        rank = values[node.input[0]].ndim if node.input and node.input[0] in values else 0
        if rank > 1 and {0, -rank} & set(_axes_of(node, stored)) and not _keeps_first(node, values):
            found.add(node.op_type)
    return tuple(sorted(found))


def _keeps_first(node: onnx.NodeProto, values: Mapping[str, Array]) -> bool:
    """Whether a ``Slice`` takes all of the first axis, which onnx2ncnn leaves out then as it should.

    A first axis of more than one may be turned round.
    """
    known = node.op_type == "Slice" and node.output[0] in values
    return known and values[node.output[0]].shape[0] == values[node.input[0]].shape[0] == 1


def _axes_of(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> Sequence[int]:
    """The axes that a node names; the first one where it names none and means that."""
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if node.op_type in _ALONG_ONE_AXIS or (node.op_type in _LESS_ONE and "axis" in given):
        return [int(given.get("axis", 0))]
    place = _AXES_INPUT.get(node.op_type, 1 if node.op_type.startswith("Reduce") else 0)
    if place and len(node.input) > place and node.input[place] in stored:
        return [int(axis) for axis in numpy_helper.to_array(stored[node.input[place]]).ravel()]
    return list(given.get("axes", ())) if place else ()
