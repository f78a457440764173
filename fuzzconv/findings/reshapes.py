"""Sizes of a ``Reshape`` that onnx2ncnn does not write as they are meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fuzzconv.case import Array, Case
from fuzzconv.findings.parameters import blobs_of

FIVE_SIZES = "Reshape to five axes, of which the last two are multiplied into one"
WITHOUT_ALL = "Reshape to no axes or more than five, which is written without sizes"
WITHOUT_FIRST = "Reshape to a first axis of more than one, of which no size is written"
ZERO_COPIES = "0 of a Reshape counted among other axes"

_FIVE = 5


def reshape_faults(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> Iterator[str]:
    """All that is wrong with the sizes of the network's ``Reshape`` layers.

    Args:
        case, layers, values: the graph, the network and all the graph's tensors.
    """
    told = [sizes for _, sizes in _reshapes(case, layers, values)]
    if _drops_first(case, layers, values):
        yield WITHOUT_FIRST
    if any(not 0 < len(sizes) <= _FIVE for sizes in told):
        yield WITHOUT_ALL
    if any(len(sizes) == _FIVE for sizes in told):
        yield FIVE_SIZES
    if _copies_another_axis(case, layers, values):
        yield ZERO_COPIES


def _drops_first(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a ``Reshape`` makes more than one of what onnx2ncnn takes for the batch; a row has none."""
    made = {name for words in layers if words[0] == "Reshape" for name in blobs_of(words, outputs=True)}
    names = {name for node in case.model.graph.node for name in node.output} & made & values.keys()
    shapes = [values[name].shape for name in names]
    return any(1 < len(shape) <= _FIVE and shape[0] > 1 for shape in shapes)


def _reshapes(
    case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]
) -> Iterator[tuple[str, list[int]]]:
    """What each ``Reshape`` of the network reads, and the sizes that it is given, by attribute or operand."""
    made = {name for words in layers if words[0] == "Reshape" for name in blobs_of(words, outputs=True)}
    for node in case.model.graph.node:
        if made & {*node.output}:
            told = [[*a.ints] for a in node.attribute if a.name == "shape"]
            told += [values[name].tolist() for name in node.input[1:2] if name in values]
            yield from ((node.input[0], sizes) for sizes in told)


def _copies_another_axis(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a ``Reshape`` copies a size by 0 of a tensor of another rank: ncnn counts from the last.

    The first one is not written.
    """
    for name, sizes in _reshapes(case, layers, values):
        shape = values[name].shape if name in values else ()
        copied = (1,) * len(sizes) + shape[1:]
        axes = [axis for axis, size in enumerate(sizes[: len(shape)]) if axis and not size]
        if any(copied[axis - len(sizes)] != shape[axis] for axis in axes):
            return True
    return False
