"""Constants that keep a batch axis which pnnx has taken out of the inputs beside them.

pnnx carries the batch axis through a graph (``solve_batch_index``); what becomes of a constant's is told in
``convert_attribute`` and ``convert_batch_layout``, each with a fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Feeding
from fuzzconv.converters.layers import Layer
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.subgraph import moving_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS
from fuzzconv.judgement import Judgement

CONSTANT_KEEPS_IT = "constant that keeps its batch axis"
STATE_KEEPS_IT = "constant state that keeps its batch axis"
MATRIX_LOSES_IT = "matrix whose first axis is taken for a batch"

PRODUCTS = frozenset({"Einsum", "Gemm", "MatMul"})
_EINSUM = "Einsum"
_JOINING = "Concat"
_BATCHING = "Reshape"
"""The layer that makes a batch out of an axis, or an axis out of it."""
_SPLIT = "Split"
_OF_MATRIX = 2
_NO_AXIS = 233
"""How pnnx writes that there is no batch axis."""
_SIZES = ("0", "1", "11", "2")


def kept_message(
    judgement: Judgement, conversion: Conversion, feeding: Feeding, layers: Sequence[Layer]
) -> str:
    """What is wrong with a constant that has all its axes where an input of as many has one taken out.

    No constant has a batch for pnnx that is not the first axis, as beside a recurrent layer
    (``convert_batch_layout.cpp``). With one element along it only a layer of two directions minds, which are
    in its way, and what joins the constant to what that layer made. Along the first axis more than one
    element are never taken out (``convert_attribute.cpp``). A product may have a matrix given a batch.
    """
    param = conversion.param or ""
    plain = list(_without_splits(layers))
    batched, harmless = given_a_batch(param), _without_batch_beside(plain, param)
    joined = _joined_to_recurrent(plain)
    for blob, shape, axis in _kept(judgement, conversion, feeding):
        readers = {layer.type for layer in plain if blob in layer.inputs}
        size, directions = shape[axis], readers & RECURRENT_LAYERS and shape[0] > 1
        if size == 1 and (directions or (blob in joined and len(shape) > _OF_MATRIX)):
            return STATE_KEEPS_IT
        if blob in batched:
            return MATRIX_LOSES_IT
        of_product = readers & PRODUCTS - ({_EINSUM} if _has_batch_in_all(judgement.case) else set())
        right = blob in harmless or (of_product and len(shape) <= _OF_MATRIX)
        if size > 1 and not right:
            return STATE_KEEPS_IT if axis else CONSTANT_KEEPS_IT
    return ""


def given_a_batch(param: str) -> set[str]:
    """Blobs without a batch axis that a ``Reshape`` gives one to."""
    return {w[4] for w in _reshapes(param) if f"12={_NO_AXIS}" in w and f"13={_NO_AXIS}" not in w}


def without_a_batch(param: str) -> set[str]:
    """Blobs whose batch axis a ``Reshape`` made one of the others."""
    return {w[5] for w in _reshapes(param) if f"13={_NO_AXIS}" in w and f"12={_NO_AXIS}" not in w}


def made_of_three_axes(param: str) -> set[str]:
    """Blobs to which a ``Reshape`` gives three axes, and no batch."""
    shapes = [(w[5], {word.partition("=")[0] for word in w[6:]}) for w in _reshapes(param)]
    return {name for name, keys in shapes if "2" in keys and "13" not in keys}


def _reshapes(param: str) -> list[list[str]]:
    return [words for line in param.splitlines() if (words := line.split())[:1] == [_BATCHING]]


def written_constants(param: str) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Blob and sizes, innermost first, of every ``MemoryData``."""
    for line in param.splitlines():
        words = line.split()
        if words[:4:3] == ["MemoryData", "1"]:
            settings = dict(word.split("=", 1) for word in words[5:] if "=" in word)
            yield words[4], tuple(int(settings[key]) for key in _SIZES if key in settings)


def _kept(
    judgement: Judgement, conversion: Conversion, feeding: Feeding
) -> Iterator[tuple[str, tuple[int, ...], int]]:
    """Blob, shape and batch axis, the longest if several, of constants written with all their axes."""
    case, made = judgement.case, judgement.reference.outputs
    fed = [(case.inputs.get(b.tensor), b.batch_axis) for b in feeding.inputs]
    read = [(made.get(b.tensor), b.batch_axis) for b in feeding.outputs]
    taken = {(a.ndim, axis) for a, axis in (*fed, *read) if a is not None and axis is not None}
    stored = [tuple(tensor.dims) for tensor in stored_tensors(case)]
    for blob, written in written_constants(conversion.param or ""):
        for shape in stored:
            axes = [axis for rank, axis in sorted(taken) if rank == len(shape) and axis < rank]
            if shape[::-1] == written and axes:
                yield blob, shape, max(axes, key=lambda axis: shape[axis])


def _without_splits(layers: Iterable[Layer]) -> Iterator[Layer]:
    """The layers as if each read a blob itself that a ``Split`` gives it."""
    origins: dict[str, str] = {}
    for layer in layers:
        read = tuple(origins.get(name, name) for name in layer.inputs)
        if layer.type == _SPLIT:
            origins |= dict.fromkeys(layer.outputs, read[0])
        else:
            yield replace(layer, inputs=read)


def _joined_to_recurrent(layers: Sequence[Layer]) -> set[str]:
    """Blobs that are joined to what a recurrent layer made, or for one, by way of whatever layers."""
    behind: set[str] = set()
    before: set[str] = set()
    joined: set[str] = set()
    for layer in layers:
        if layer.type in RECURRENT_LAYERS or behind & {*layer.inputs}:
            joined |= {*layer.inputs} - behind if layer.type == _JOINING else set()
            behind |= {*layer.outputs}
    for layer in reversed(layers):
        if layer.type in RECURRENT_LAYERS or before & {*layer.outputs}:
            joined |= {*layer.inputs} if layer.type == _JOINING else set()
            before |= {*layer.inputs}
    return joined


def _without_batch_beside(layers: Iterable[Layer], param: str) -> set[str]:
    """Blobs whose fellow operand has its batch made an axis again just before: they meet as they should."""
    unbatched = without_a_batch(param)
    pairs = [layer.inputs for layer in layers if unbatched & {*layer.inputs}]
    return {name for inputs in pairs for name in inputs} - unbatched


def _has_batch_in_all(case: Case) -> bool:
    """Whether one letter stands in front of all operands of an ``Einsum``, and of its result: a batch."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    equations = (a.s.decode() for n in nodes if n.op_type == _EINSUM for a in n.attribute)
    terms = [
        equation.replace(" ", "").replace("->", ",").split(",") for equation in equations if "->" in equation
    ]
    return any(len({term[:1] for term in some}) == 1 and some[0][:1].isalpha() for some in terms)
