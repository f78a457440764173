"""Layers of onnx2ncnn whose parameters don't say what the graph's operators say.

Like ``parameters.py`` for pnnx. onnx2ncnn keeps the names of tensors, so a layer's blobs are the graph's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod

import numpy as np
import onnx

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.findings.broadcasts import LOWER_RANK, misaligns
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.kept import written_constants
from fuzzconv.findings.kernels import KERNEL_LEFT_OUT, KERNEL_OF_THREE, without_kernel
from fuzzconv.findings.parameters import (
    OPERANDS,
    SAME,
    TWO_OF_MANY,
    blobs_of,
    layer_lines,
    needs_all,
    settings_of,
)
from fuzzconv.findings.products import FLATTENED, PRODUCT_AS_GEMM, flattens_inside, multiplies_matrices
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.reshapes import (
    FIVE_SIZES,
    WITHOUT_ALL,
    WITHOUT_FIRST,
    ZERO_COPIES,
    reshape_faults,
)
from fuzzconv.findings.subgraph import moving_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS

POOLED_AXES = "axes that global pooling does not keep"
ONE_OPERAND = "Eltwise of one operand"
WITHOUT_ORDER = "Permute without an order of axes"
DEFAULT_ORDER = "Transpose without an order of axes, which is the reverse one"
RECURRENT_AXES = "axes that a recurrent layer does not have"
RECURRENT_BATCH = "batch of a recurrent layer, taken for its steps"
INDEX_KEEPS_AXIS = "axis that Gather with one index keeps"
CEIL_OVER_SAME = "ceil_mode=1 written in place of auto_pad"
CROPS_NOTHING = "Crop along no axis"
DEFAULT_AXIS = "Softmax along the last axis, its default, taken for the second"
NOT_FLATTENED = "Softmax of older opsets, which is one over all axes from its own on"
PAD_OF_ONE = "Pad of one axis, of which pads are read that are not there"
GATHER_DEFAULT = "Gather along the first axis, its default, taken for the second"
SHORTENED = "constant whose first axis is left out, joined along that axis"
MESSAGES = frozenset(
    {POOLED_AXES, ONE_OPERAND, WITHOUT_ORDER, INDEX_KEEPS_AXIS, FLATTENED, FIVE_SIZES, KERNEL_LEFT_OUT}
    | {KERNEL_OF_THREE, CEIL_OVER_SAME, RECURRENT_AXES, NOT_FLATTENED, PRODUCT_AS_GEMM, CROPS_NOTHING}
    | {LOWER_RANK, DEFAULT_AXIS, DEFAULT_ORDER, GATHER_DEFAULT, ZERO_COPIES, PAD_OF_ONE, SHORTENED}
    | {RECURRENT_BATCH, TWO_OF_MANY, WITHOUT_ALL, WITHOUT_FIRST}
)

_EACH_ALONE = frozenset(
    {"Split", "Noop", "Dropout", "UnaryOp", "AbsVal", "BNLL", "CELU", "Clip", "ELU", "Erf", "Exp", "GELU"}
    | {"HardSigmoid", "HardSwish", "Log", "Mish", "PReLU", "Power", "ReLU", "SELU", "Shrink", "Sigmoid"}
    | {"Softplus", "Swish", "TanH", "Threshold"}
)
"""Layers of one operand that take each element, or each channel, alone."""
_WITHOUT_AXES = _EACH_ALONE | {"BinaryOp", "Concat", "Input", "MemoryData"}
"""Layers that take blobs with a first axis as well as without, and ``Concat``."""
_COUNTING_AXES = frozenset(
    {"Concat", "Crop", "ExpandDims", "Gemm", "GroupNorm", "InstanceNorm", "LayerNorm", "LRN", "MatMul"}
    | {"Padding", "Permute", "PixelShuffle", "Pooling", "Reduction", "Reshape", "RMSNorm", "Slice", "Softmax"}
    | {"Squeeze", "Convolution", "ConvolutionDepthWise", "Deconvolution", "DeconvolutionDepthWise"}
)
"""Layers whose parameters name axes, or that are told apart by how many there are."""
_MOST_AXES = 4
"""Axes that sizes are written for each, the batch among them."""
_UNREAD = {"0": "0"}
"""Sizes of a ``MemoryData`` whose numbers onnx2ncnn has not found."""
_POOLS = frozenset({"AveragePool", "MaxPool"})
_KERNEL_AXES = 2
"""Axes of a kernel that there are parameters for."""
_PADS = ("4", "14", "15", "16")
"""Keys of a convolution's pads."""
_STARTS = "-23309"
"""Key of the places that a ``Crop`` starts from; a list, its length in front."""
_SOFTMAX_OF_ONE_AXIS = 13
_BATCH = 1
"""The batch axis of a recurrent operator's sequence."""
_OF_RECURRENT = 4
"""Axes of a recurrent operator's Y: time, direction, batch, state."""


def legacy_faults(case: Case, conversion: Conversion) -> Iterator[str]:
    """All that onnx2ncnn's layers lack of the graph; what is wrong without another layer comes first."""
    layers = layer_lines(conversion)
    if not layers:
        return
    values = tensor_values(case) or {}
    if any(words[0] == "Eltwise" and words[2] == "1" for words in layers):
        yield ONE_OPERAND
    if _takes_two_of_many(case, layers, values):
        yield TWO_OF_MANY
    unordered = {n for w in layers if _permutes_nothing(w) for n in blobs_of(w, outputs=True)}
    turning = [node for node in case.model.graph.node if unordered & {*node.output}]
    if unordered and (not turning or any(_matters(node, layers, values) for node in turning)):
        given = any(node.attribute for node in turning)
        yield WITHOUT_ORDER if given else DEFAULT_ORDER
    if _crops_nothing(case, layers):
        yield CROPS_NOTHING
    kernelless = without_kernel(case, layers, values)
    if kernelless:
        yield kernelless
    if _rounds_padded_up(case):
        yield CEIL_OVER_SAME
    axes_counted = _read_by_axes(layers, lambda words: words[0] in RECURRENT_LAYERS)
    if axes_counted:
        yield RECURRENT_AXES
    if _has_recurrent_batch(case, values):
        yield RECURRENT_BATCH
    if not axes_counted and _has_directions(layers, values):
        yield RECURRENT_AXES
    if _pads_one_axis(case, values):
        yield PAD_OF_ONE
    if _gathers_by_default(case, values):
        yield GATHER_DEFAULT
    if _gathers_one_inside(case, layers):
        yield INDEX_KEEPS_AXIS
    yield from reshape_faults(case, layers, values)
    if multiplies_matrices(case, layers, values):
        yield PRODUCT_AS_GEMM
    if _takes_second_axis(case, values):
        yield NOT_FLATTENED if case.opset < _SOFTMAX_OF_ONE_AXIS else DEFAULT_AXIS
    if _read_by_axes(layers, lambda words: words[0] == "Pooling" and "4=1" in words):
        yield POOLED_AXES
    if flattens_inside(case, layers, values):
        yield FLATTENED
    constants = {name: len(sizes) for name, sizes in written_constants(conversion.param or "")}
    if _joins_shortened(case, layers, values, constants):
        yield SHORTENED
    if misaligns(conversion, layers, values):
        yield LOWER_RANK


def _takes_two_of_many(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a ``BinaryOp`` has more than two operands, and the further ones matter."""
    unread = {words[4] for words in layers if words[0] == "MemoryData" and settings_of(words) == _UNREAD}
    large = [words for words in layers if words[0] == "BinaryOp" and int(words[2]) > OPERANDS]
    read = [words for words in large if not unread & {*blobs_of(words, outputs=False)}]
    made = {name for words in read for name in blobs_of(words, outputs=True)}
    return any(needs_all(node, values) for node in case.model.graph.node if made & {*node.output})


def _rounds_padded_up(case: Case) -> bool:
    """Whether a pooling has both ``ceil_mode`` and ``auto_pad``, for which ncnn has one parameter.

    Along three axes nothing of it is written at all.
    """
    pools = (node for node in case.model.graph.node if node.op_type in _POOLS)
    written = (n for n in pools if all(len(a.ints) <= _KERNEL_AXES for a in n.attribute))
    return any(SAME & {a.s for a in node.attribute} and _ceils(node) for node in written)


def _takes_second_axis(case: Case, values: Mapping[str, Array]) -> bool:
    """Whether a ``Softmax`` is one along more than one axis, or along the last one without being told so.

    Before opset 13 it was one over all axes from its own on, by default from the second on.
    """
    old = case.opset < _SOFTMAX_OF_ONE_AXIS
    for node in case.model.graph.node:
        if node.op_type == "Softmax" and node.input[0] in values:
            axes = [a.i for a in node.attribute if a.name == "axis"] or [1]
            along = values[node.input[0]].shape[axes[0] :]
            last_is_another = not node.attribute and len(along) > 1 and max(along[0], along[-1]) > 1
            if prod(along) > prod(along[:1]) if old else last_is_another:
                return True
    return False


def _ceils(node: onnx.NodeProto) -> bool:
    return any(attribute.name == "ceil_mode" and attribute.i for attribute in node.attribute)


def _read_by_axes(layers: Sequence[Sequence[str]], loses: Callable[[Sequence[str]], bool]) -> bool:
    """Whether a layer that counts axes is given what a layer made that ``loses`` some.

    Global pooling makes a row without those of size 1, a recurrent layer has none for its directions.
    """
    short: set[str] = set()
    constants: set[str] = set()
    for words in layers:
        if words[0] == "MemoryData":
            constants |= set(blobs_of(words, outputs=True))
        if words[0] == "BinaryOp" and set(blobs_of(words, outputs=False)) <= short | constants:
            short |= set(blobs_of(words, outputs=True))
        elif short & set(blobs_of(words, outputs=False)):
            if words[0] in _COUNTING_AXES and not _is_product(words):
                return True
            if words[0] in _EACH_ALONE or _is_product(words):
                short |= set(blobs_of(words, outputs=True))
        if loses(words):
            short |= set(blobs_of(words, outputs=True))
    return False


def _permutes_nothing(words: Sequence[str]) -> bool:
    return words[0] == "Permute" and not settings_of(words)


def _matters(node: onnx.NodeProto, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a ``Transpose`` makes another order, or one whose axes are counted; ones may go anywhere."""
    if not {node.input[0], node.output[0]} <= values.keys():
        return True
    moved = not np.array_equal(values[node.input[0]].ravel(), values[node.output[0]].ravel(), equal_nan=True)
    return moved or _read_by_axes(layers, lambda words: node.output[0] in blobs_of(words, outputs=True))


def _crops_nothing(case: Case, layers: Sequence[Sequence[str]]) -> bool:
    """Whether a ``Crop`` starts nowhere though its ``Slice`` says where, in what onnx2ncnn reads."""
    nowhere = (w for w in layers if w[0] == "Crop" and settings_of(w).get(_STARTS) == "0")
    made = {name for words in nowhere for name in blobs_of(words, outputs=True)}
    constants = (n for n in case.model.graph.node if n.op_type == "Constant")
    unread = {n.output[0] for n in constants if n.attribute[0].name != "value"}
    read = {tensor.name for tensor in stored_tensors(case)} - unread
    nodes = (node for node in case.model.graph.node if made & {*node.output})
    return any(read >= {*node.input[1:2]} for node in nodes)


def _joins_shortened(
    case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array], constants: Mapping[str, int]
) -> bool:
    """Whether something is joined along a first axis that a constant has lost in its ``MemoryData``.

    The constant is joined itself, or is what hinders all the others from being fed with that axis.

    Args:
        case, layers, values: the graph, the network and all the graph's tensors.
        constants: how many axes the network has of each.
    """
    ranks = {tensor.name: len(tensor.dims) for tensor in stored_tensors(case)}
    lost = {name for name, rank in ranks.items() if constants.get(name, rank) < rank}
    hindered = {words[0] for words in layers} <= _WITHOUT_AXES
    for node in case.model.graph.node:
        if node.op_type == "Concat" and node.input[0] in values:
            first = {0, -values[node.input[0]].ndim} & {a.i for a in node.attribute}
            if first and (lost & {*node.input} or (lost and hindered)):
                return True
    return False


def _is_product(words: Sequence[str]) -> bool:
    """Whether a convolution is of single elements: of a row ncnn makes an inner product then, and a row."""
    settings = settings_of(words)
    kernel, pads = {settings.get(key) for key in ("1", "11")}, {settings.get(key, "0") for key in _PADS}
    return words[0] == "Convolution" and kernel <= {"1", None} and pads == {"0"}


def _pads_one_axis(case: Case, values: Mapping[str, Array]) -> bool:
    pads = [node for node in case.model.graph.node if node.op_type == "Pad" and node.input[0] in values]
    return any(values[node.input[0]].ndim == 1 for node in pads)


def _gathers_by_default(case: Case, values: Mapping[str, Array]) -> bool:
    """Whether a ``Gather`` along the first of several axes does not say so: the default is another here."""
    gathers = [node for node in case.model.graph.node if node.op_type == "Gather" and not node.attribute]
    return any(values[n.input[0]].ndim > 1 for n in gathers if n.input[0] in values)


def _gathers_one_inside(case: Case, layers: Sequence[Sequence[str]]) -> bool:
    """Whether a layer that counts axes reads what a ``Gather`` with a single index makes: that axis is kept.

    Along the first axis the batch is what goes wrong.
    """
    scalars = {tensor.name for tensor in stored_tensors(case) if not tensor.dims}
    nodes = [node for node in case.model.graph.node if node.op_type == "Gather" and node.input[1] in scalars]
    made = {node.output[0] for node in nodes if any(a.name == "axis" and a.i for a in node.attribute)}
    mixed = (set(blobs_of(w, outputs=False)) for w in layers if w[0] == "BinaryOp" and w[2] == "2")
    if any(made & operands and operands - made for operands in mixed):
        return True
    return _read_by_axes(layers, lambda words: bool(made & set(blobs_of(words, outputs=True))))


def _has_recurrent_batch(case: Case, values: Mapping[str, Array]) -> bool:
    """Whether a recurrent operator has a batch of more than one: a layer has steps and features alone."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    sequences = (values.get(node.input[0]) for node in nodes if node.op_type in RECURRENT_LAYERS)
    return any(x is not None and x.ndim > _BATCH and x.shape[_BATCH] > 1 for x in sequences)


def _has_directions(layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a recurrent layer of two directions makes what ONNX gives an axis for them."""
    made = {name for w in layers if w[0] in RECURRENT_LAYERS for name in blobs_of(w, outputs=True)[:1]}
    shapes = [values[name].shape for name in made & values.keys()]
    return any(len(shape) == _OF_RECURRENT and shape[1] > 1 for shape in shapes)
