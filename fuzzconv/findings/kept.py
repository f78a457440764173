"""Constants that keep a batch axis which pnnx has taken out of the inputs beside them.

pnnx carries the batch axis through a graph (``solve_batch_index``); what becomes of a constant's is told in
``convert_attribute`` and ``convert_batch_layout``, each with a fault of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

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

    With one element along that axis only a recurrent layer of two directions minds, which are in its way, and
    what joins the constant to what that layer made: pnnx gives either no batch. More than one are never taken
    out; a product may have a matrix, which has no batch at all, given one.
    """
    param = conversion.param or ""
    readers, harmless, batched = (
        _readers_of(layers),
        _without_batch_beside(layers, param),
        given_a_batch(param),
    )
    recurrent = any(layer.type in RECURRENT_LAYERS for layer in layers)
    for blob, shape, size in _kept(judgement, conversion, feeding):
        reader = readers.get(blob, "")
        if reader == _BATCHING and blob not in batched:
            reader = ""
        joined = reader == _JOINING and len(shape) > _OF_MATRIX and recurrent
        if size == 1 and (joined or (reader in RECURRENT_LAYERS and shape[0] > 1)):
            return STATE_KEEPS_IT
        if blob in harmless or (size == 1 and reader != _BATCHING):
            continue
        matrix = reader in PRODUCTS and len(shape) <= _OF_MATRIX and not _has_batch_in_all(judgement.case)
        return MATRIX_LOSES_IT if matrix or reader == _BATCHING else CONSTANT_KEEPS_IT
    return ""


def given_a_batch(param: str) -> set[str]:
    """Blobs without a batch axis that a ``Reshape`` gives one to."""
    shapes = [words for line in param.splitlines() if (words := line.split())[:1] == [_BATCHING]]
    return {w[4] for w in shapes if f"12={_NO_AXIS}" in w and f"13={_NO_AXIS}" not in w}


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
    """Blob, shape and size along the batch axis of every constant written with all its axes."""
    case, made = judgement.case, judgement.reference.outputs
    fed = [(case.inputs.get(b.tensor), b.batch_axis) for b in feeding.inputs]
    read = [(made.get(b.tensor), b.batch_axis) for b in feeding.outputs]
    taken = {(a.ndim, axis) for a, axis in (*fed, *read) if a is not None and axis is not None}
    stored = [tuple(tensor.dims) for tensor in stored_tensors(case)]
    for blob, written in written_constants(conversion.param or ""):
        for shape in stored:
            sizes = [shape[axis] for rank, axis in taken if rank == len(shape) and axis < rank]
            if shape[::-1] == written and sizes:
                yield blob, shape, max(sizes)


def _readers_of(layers: Iterable[Layer]) -> dict[str, str]:
    """The type of a layer that reads a blob, be it by way of a ``Split``."""
    origins: dict[str, str] = {}
    readers: dict[str, str] = {}
    for layer in layers:
        read = [origins.get(name, name) for name in layer.inputs]
        if layer.type == _SPLIT:
            origins |= dict.fromkeys(layer.outputs, read[0])
        else:
            readers |= dict.fromkeys(read, layer.type)
    return readers


def _without_batch_beside(layers: Iterable[Layer], param: str) -> set[str]:
    """Blobs whose fellow operand has its batch made an axis again just before: they meet as they should."""
    words = (line.split() for line in param.splitlines() if line.startswith(_BATCHING))
    unbatched = {w[5] for w in words if f"13={_NO_AXIS}" in w and f"12={_NO_AXIS}" not in w}
    pairs = [layer.inputs for layer in layers if unbatched & {*layer.inputs}]
    return {name for inputs in pairs for name in inputs} - unbatched


def _has_batch_in_all(case: Case) -> bool:
    """Whether one letter stands in front of all operands of an ``Einsum``, and of its result: a batch."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    equations = (a.s.decode() for n in nodes if n.op_type == _EINSUM for a in n.attribute)
    terms = [equation.replace(" ", "").replace("->", ",").split(",") for equation in equations]
    return any(len({term[:1] for term in some}) == 1 for some in terms)
