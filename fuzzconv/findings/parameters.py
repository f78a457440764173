"""Layers whose parameters don't say what the graph's operators say.

One fault of a converter's lowering shows in whatever way the layers around happen to take it: a wrong shape
or value, a blob that can't be extracted, a crash. ``parameter_faults`` names the fault by what is plainly
missing in the files; the operators that it was met with stay out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.subgraph import moving_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS

LIST_AS_INDEX = "list of indices taken for one index"
WITHOUT_AXES = "Reduction without axes"
WITHOUT_KEEPDIMS = "Reduction of everything without keepdims"
WITHOUT_PADS = "Padding without all pads"
FOUR_REPEATS = "Tile with four repeats"
FOLDED_ALONG_ROWS = "BatchNormalization of the second of three axes folded into a Linear"
WITHOUT_SIZES = "Slice without sizes"
WITHOUT_AXIS = "Split along its default axis, in place of which any number is written"
ELLIPSIS = "ellipsis of an Einsum of several operands"
NOT_WHOLE = "Interp with a size that is no whole number"
AXES_MISSING = "ExpandDims with fewer axes than Unsqueeze"
SAME_OF_ONE = "pads of auto_pad that take no notice of strides"
INTEGERS = "integer input that a layer computes with in floating point"
TWO_OF_MANY = "Max or Min of more than two operands, of which two are taken"
LARGEST_OF_ALL = "Max or Min of one operand, taken for the largest or smallest of its elements"
BIAS_AS_STATE = "bias of a recurrent layer given as its state"
MESSAGES = frozenset(
    {LIST_AS_INDEX, WITHOUT_AXES, WITHOUT_KEEPDIMS, WITHOUT_PADS, WITHOUT_SIZES, FOUR_REPEATS}
    | {FOLDED_ALONG_ROWS, ELLIPSIS, NOT_WHOLE, AXES_MISSING, BIAS_AS_STATE, INTEGERS, SAME_OF_ONE}
    | {TWO_OF_MANY, LARGEST_OF_ALL, WITHOUT_AXIS}
)

_SELECT_OF_LIST = re.compile(r"^Tensor\.select .*\bindex=\(", re.MULTILINE)
_SELECT = re.compile(r"^(Tensor\.select|Tensor\.slice|torch\.unbind) ", re.MULTILINE)
"""What becomes of one index: none keeps the axis, or all that the list has."""
_SPLIT_IN_EQUAL_PARTS = re.compile(r"^torch\.split .*\bsplit_size_or_sections=None", re.MULTILINE)
_SPLIT_ALONG_NONE = re.compile(r"^torch\.(split|tensor_split) .*\bdim=None", re.MULTILINE)
_LINEAR_OF_ROWS = re.compile(r"^Reshape +linearbn1d_\d+_ncnnreshape", re.MULTILINE)
"""A Linear with a BatchNorm in it, applied to more than rows: the norm's channels are no columns then."""
_COMPARED = re.compile(r"\b(max|min)\(|^torch\.(max|min)\w* ", re.MULTILINE)
_OF_ALL = re.compile(r"^torch\.(max|min) ", re.MULTILINE)
_COMPARING = frozenset({"Max", "Min"})
_NO_AXES = "-23303=0"
"""How a ``.param`` says that ``Reduction`` has no axes; for all axes it has a flag, or lists them."""
_AXES = "-23303"
"""Key of the axes of ``ExpandDims``."""
_SIZED = frozenset({"3", "4"})
"""Keys of ``Interp``'s height and width."""
_COMPUTING = frozenset({"AbsVal", "BinaryOp", "Clip", "Reduction", "UnaryOp"})
_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})
SAME = frozenset({b"SAME_UPPER", b"SAME_LOWER"})
"""Values of ``auto_pad`` that keep as many elements as there are strides."""
BIAS, _STATE, _PEEPHOLE = 3, 5, 7
"""Places of a recurrent node's bias, first state and peephole weights among its inputs."""
OPERANDS = 2
"""Operands of a ``BinaryOp``."""
_PADS = ("0", "1", "2", "3", "7", "8")
"""Keys of ``Padding``'s sizes: top, bottom, left, right, front, behind."""


def parameter_faults(case: Case, conversion: Conversion) -> Iterator[str]:
    """All that pnnx's files lack of the graph."""
    layers = layer_lines(conversion)
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace")
    stored = {tensor.name: tensor for tensor in stored_tensors(case)}
    if _SELECT_OF_LIST.search(text) or (gathers_list(case) and _SELECT.search(text)):
        yield LIST_AS_INDEX
    if _SPLIT_IN_EQUAL_PARTS.search(text) and any(w[0] == "Slice" and not settings_of(w) for w in layers):
        yield WITHOUT_SIZES
    if _SPLIT_ALONG_NONE.search(text) and not _slices_first(conversion, layers):
        yield WITHOUT_AXIS
    nodes = [case.model.graph.node[position] for position in sorted(moving_nodes(case))]
    values = tensor_values(case) or {}
    if any(node.op_type == "Einsum" and len(node.input) > 1 and _has_ellipsis(node) for node in nodes):
        yield ELLIPSIS
    if _OF_ALL.search(text) and any(n.op_type in _COMPARING and len(n.input) == 1 for n in nodes):
        yield LARGEST_OF_ALL
    if text and _compares_two_of_many(nodes, values, text):
        yield TWO_OF_MANY
    if any(words[0] == "Interp" and _SIZED & _fractions(words) for words in layers):
        yield NOT_WHOLE
    if bias_is_state(nodes, layers):
        yield BIAS_AS_STATE
    reductions = [words for words in layers if words[0] == "Reduction"]
    reducing = [node for node in nodes if node.op_type.startswith("Reduce")]
    read = {name for node in nodes for name in node.input}
    shortened = [n for n in reducing if _has_axes(n, stored) and _shortens(n, values, read)]
    if any(_NO_AXES in words for words in reductions) and shortened:
        yield WITHOUT_AXES
    whole = [words for words in reductions if "1=1" in words and settings_of(words).get("4", "0") == "0"]
    reducing_all = [node for node in reducing if _reduces_all(node)]
    if _is_read(whole, layers) and _all(_attribute(node, "keepdims", 1) for node in reducing_all):
        yield WITHOUT_KEEPDIMS
    if any(words[0] == "Tile" and settings_of(words).get("-23302", "").startswith("4,") for words in layers):
        yield FOUR_REPEATS
    paddings = [settings_of(words) for words in layers if words[0] == "Padding"]
    written = sum(settings.get(key, "0") != "0" for settings in paddings for key in _PADS)
    wanted = sum(_count_pads(node, stored) for node in nodes if node.op_type == "Pad")
    if paddings and written < wanted:
        yield WITHOUT_PADS
    needed = _needed_by_pools(nodes, values)
    if needed is not None and not wanted and sum(map(_pixels, paddings)) > needed:
        yield SAME_OF_ONE
    expanded = sum(_count(words, _AXES) for words in layers if words[0] == "ExpandDims")
    axes = [_axes(node, stored) for node in nodes if node.op_type == "Unsqueeze"]
    if any(len(some) > 1 for some in axes) and 0 < expanded < sum(map(len, axes)):
        yield AXES_MISSING
    if folds_along_rows(conversion):
        yield FOLDED_ALONG_ROWS


def _slices_first(conversion: Conversion, layers: Iterable[Sequence[str]]) -> bool:
    """Whether every ``Slice`` is along the first axis of what is fed whole: as it should, if by chance."""
    fed = (binding for feeding in conversion.feedings[:1] for binding in feeding.inputs)
    along = [settings_of(words).get("1", "0") for words in layers if words[0] == "Slice"]
    return set(along) <= {"0"} and all(binding.batch_axis is None for binding in fed)


def folds_along_rows(conversion: Conversion) -> bool:
    """Whether a BatchNormalization is folded into a product of more than rows."""
    return _LINEAR_OF_ROWS.search(conversion.param or "") is not None


def computes_with_integers(conversion: Conversion) -> bool:
    """Whether a layer that computes, which it does in floating point, reads an input that is fed integers."""
    feeding = conversion.feedings[0] if conversion.feedings else None
    fed = {binding.blob for binding in feeding.inputs if binding.dtype == "int32"} if feeding else set()
    for words in layer_lines(conversion):
        if fed & set(blobs_of(words, outputs=False)):
            if words[0] in _COMPUTING:
                return True
            if words[0] == "Split":
                fed |= set(blobs_of(words, outputs=True))
    return False


def bias_is_state(nodes: Iterable[onnx.NodeProto], layers: Iterable[Sequence[str]]) -> bool:
    """Whether a recurrent layer is given a state that no recurrent node of the graph has, but a bias has."""
    recurrent = [node for node in nodes if node.op_type in RECURRENT_LAYERS]
    stateless = [n for n in recurrent if not any(n.input[_STATE:_PEEPHOLE]) and any(n.input[BIAS : BIAS + 1])]
    given = any(words[0] in RECURRENT_LAYERS and int(words[2]) > 1 for words in layers)
    return given and bool(recurrent) and len(stateless) == len(recurrent)


def recurrent_operators(case: Case) -> tuple[str, ...]:
    """Types of the recurrent operators of a graph; pnnx has passes for each."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return tuple(sorted({node.op_type for node in nodes} & RECURRENT_LAYERS))


def _fractions(words: Sequence[str]) -> set[str]:
    """Keys whose value is not written as a whole number."""
    return {key for key, value in settings_of(words).items() if "." in value}


def _count(words: Sequence[str], key: str) -> int:
    """How many elements a list among the parameters has."""
    return int(settings_of(words).get(key, "0").split(",")[0])


def _axes(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> list[int]:
    """The axes that a node names, as an attribute or as a constant."""
    if len(node.input) > 1 and node.input[1] in stored:
        return [int(axis) for axis in numpy_helper.to_array(stored[node.input[1]]).ravel()]
    return _integers(node, "axes")


def layer_lines(conversion: Conversion) -> list[list[str]]:
    """The words of each line of a ``.param`` that has a layer's form."""
    return [words for line in (conversion.param or "").splitlines()[2:] if _is_layer(words := line.split())]


def _has_ellipsis(node: onnx.NodeProto) -> bool:
    return "..." in str(_attribute(node, "equation", ""))


def gathers_list(case: Case) -> bool:
    """Whether a ``Gather`` of the graph takes a list of indices, if of one, that is a constant."""
    lists = {tensor.name for tensor in stored_tensors(case) if len(tensor.dims) == 1}
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return any(node.op_type == "Gather" and node.input[1] in lists for node in nodes)


def _all(told: Iterable[object]) -> bool:
    """Whether there is something, and all of it is so."""
    found = list(told)
    return bool(found) and all(found)


def _is_layer(words: Sequence[str]) -> bool:
    """Whether a line has a layer's form; a tensor's name with spaces makes another of it."""
    return len(words) >= 4 and words[2].isdigit() and words[3].isdigit()


def settings_of(words: Sequence[str]) -> dict[str, str]:
    """The parameters of a layer's line."""
    return dict(word.split("=", 1) for word in words if "=" in word)


def _is_read(written: Sequence[Sequence[str]], layers: Sequence[Sequence[str]]) -> bool:
    """Whether a further layer reads what one of the lines makes: axes of size 1 don't count in an output."""
    made = {name for words in written for name in blobs_of(words, outputs=True)}
    return any(made & set(blobs_of(words, outputs=False)) for words in layers)


def blobs_of(words: Sequence[str], *, outputs: bool) -> Sequence[str]:
    """The blobs that a layer's line reads, or makes."""
    first, count = 4 + int(words[2]), int(words[3])
    return words[first : first + count] if outputs else words[4:first]


def _shortens(node: onnx.NodeProto, values: Mapping[str, Array], read: Collection[str]) -> bool:
    """Whether a reduction leaves fewer elements, or fewer axes to a node that reads it.

    Along axes of size 1 it does no harm otherwise to reduce none.
    """
    if not {node.input[0], node.output[0]} <= values.keys():
        return True
    before, after = values[node.input[0]], values[node.output[0]]
    return after.size < before.size or (after.ndim < before.ndim and node.output[0] in read)


def needs_all(node: onnx.NodeProto, values: Mapping[str, Array]) -> bool:
    """Whether a ``Max`` or ``Min`` has another result than its first two operands have (true if unknown)."""
    if len(node.input) <= OPERANDS or not {*node.input, *node.output} <= values.keys():
        return len(node.input) > OPERANDS
    extreme = np.maximum if node.op_type == "Max" else np.minimum
    of_two = extreme(*(values[name] for name in node.input[:OPERANDS]))
    return not np.array_equal(of_two, values[node.output[0]], equal_nan=True)


def _compares_two_of_many(nodes: Iterable[onnx.NodeProto], values: Mapping[str, Array], text: str) -> bool:
    """Whether ``pnnx.param`` compares less often than it takes for more than two operands that matter."""
    comparing = [node for node in nodes if node.op_type in _COMPARING]
    needed = sum(len(node.input) - 1 for node in comparing)
    return any(needs_all(node, values) for node in comparing) and len(_COMPARED.findall(text)) < needed


def _reduces_all(node: onnx.NodeProto) -> bool:
    """Whether a reduction is given no axes and means all of them."""
    given = len(node.input) > 1 and node.input[1]
    return not given and not _attribute(node, "axes", ()) and not _attribute(node, "noop_with_empty_axes", 0)


def _has_axes(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether a reduction names axes that are constant."""
    if len(node.input) > 1 and node.input[1] in stored:
        return 0 not in stored[node.input[1]].dims
    return bool(_attribute(node, "axes", ()))


def _needed_by_pools(nodes: Iterable[onnx.NodeProto], values: Mapping[str, Array]) -> int | None:
    """How many pixels ``auto_pad`` adds along all axes of all poolings; None where there is none of it.

    Nor where any pixel is one too many: an average that does not count them.
    """
    pools = [n for n in nodes if n.op_type in _POOLS and _attribute(n, "auto_pad", b"") in SAME]
    if any(n.op_type == "AveragePool" and not _attribute(n, "count_include_pad", 0) for n in pools):
        return None
    needed = 0
    for node in pools:
        kernel = _integers(node, "kernel_shape")
        sizes = values[node.input[0]].shape[2:] if node.input[0] in values else ()
        ones = [1] * len(kernel)
        strides, dilations = _integers(node, "strides") or ones, _integers(node, "dilations") or ones
        for size, reach, stride, dilation in zip(sizes, kernel, strides, dilations, strict=False):
            needed += max((-(-size // stride) - 1) * stride + (reach - 1) * dilation + 1 - size, 0)
    return needed if pools else None


def _pixels(settings: Mapping[str, str]) -> int:
    return sum(int(settings.get(key, "0")) for key in _PADS)


def _integers(node: onnx.NodeProto, name: str) -> list[int]:
    given = _attribute(node, name, [])
    return given if isinstance(given, list) else []


def _count_pads(node: onnx.NodeProto, stored: Mapping[str, onnx.TensorProto]) -> int:
    """How many sides a ``Pad`` with constant pads adds something to."""
    if len(node.input) > 1 and node.input[1] in stored:
        return int(np.count_nonzero(numpy_helper.to_array(stored[node.input[1]])))
    return sum(size != 0 for size in _integers(node, "pads"))


def _attribute(node: onnx.NodeProto, name: str, default: object) -> object:
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else helper.get_attribute_value(found)
