"""What the converted network shows of a batch axis that pnnx did not carry through.

ncnn's blobs have no batch axis of their own: pnnx finds it (``solve_batch_index``), takes it out of the
inputs, and every layer between has to agree. Where two can't, the outcome is some wrong shape or value at
whatever operators met; ``batch_faults`` say what happened instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion, Feeding
from fuzzconv.converters.layers import Layer, read_layers
from fuzzconv.findings.axes import axes_faults
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.kept import (
    CONSTANT_KEEPS_IT,
    MATRIX_LOSES_IT,
    PRODUCTS,
    STATE_KEEPS_IT,
    given_a_batch,
    kept_message,
    made_of_three_axes,
    without_a_batch,
    written_constants,
)
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.subgraph import moving_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS
from fuzzconv.judgement import Judgement

BESIDE_RECURRENT = "batch axis beside a recurrent layer"
BEHIND_RECURRENT = "batch axis behind a recurrent layer"
ONE_BLOB = "blob that two outputs are read from in one way, though they differ"
GIVEN_STATE = "state of a recurrent layer, taken for one without a batch"
TRANSPOSED = "transposed first operand beside a batch axis"
AXIS_OF_BIAS = "batch axis of a product taken from its bias"
LOWER_BATCH = "batch axis of an operand that has fewer axes than the other"
FIVE_AXES = "tensor of five axes and no batch among them"
MESSAGES = frozenset(
    {CONSTANT_KEEPS_IT, STATE_KEEPS_IT, BESIDE_RECURRENT, BEHIND_RECURRENT, MATRIX_LOSES_IT, TRANSPOSED}
    | {FIVE_AXES, AXIS_OF_BIAS, GIVEN_STATE, LOWER_BATCH, ONE_BLOB}
)
"""What comes of these is chance: a wrong shape or value, a blob that can't be extracted, a crash of ncnn."""
_MOST_AXES = 4
"""Axes of an ncnn blob."""
_BINARY = frozenset({"Add", "Div", "Max", "Mean", "Min", "Mod", "Mul", "Pow", "PRelu", "Sub", "Sum"})
_OF_MATRIX = 2
_WITH_BIAS = 3
"""Blobs that a ``Gemm`` of two operands and a bias takes."""
_OF_RECURRENT = 1
"""The batch axis of a recurrent layer in ONNX and, without ``batch_first``, in torch."""
_OF_STATE = 3
"""Axes of a recurrent operator's last state: direction, batch, state."""
_NAMING_AXES = frozenset(
    {"Crop", "ExpandDims", "Padding", "Permute", "Reduction", "Slice", "Softmax", "Squeeze"}
)
"""Layers of one operand that are told of its axes."""
_BATCHING = "Reshape"
_INPUT = "Input"
_SPLIT = "Split"
_PASSING_ON = frozenset({_INPUT, _SPLIT})
_BATCH_FIRST = frozenset(
    {"BatchNorm", "GroupNorm", "InstanceNorm", "Interp", "PReLU", "PixelShuffle"}
    | {f"{kind}{dims}" for kind in ("Convolution", "Deconvolution", "Pooling") for dims in ("", "1D", "3D")}
    | {f"{kind}DepthWise{dims}" for kind in ("Convolution", "Deconvolution") for dims in ("", "1D", "3D")}
)
"""Layers whose operators have the batch on the first axis, whatever the network says."""


def certain_faults(judgement: Judgement, conversion: Conversion) -> Iterator[str]:
    """All that no right network of pnnx's shows."""
    if conversion.converter != "pnnx" or not conversion.feedings:
        return
    param = conversion.param or ""
    layers = read_layers(param)
    mixed = any(x.type in RECURRENT_LAYERS for x in layers) and _feeds_other_batches(
        judgement.case, conversion
    )
    if mixed or _feeds_recurrent_without_batch(layers, param):
        yield BESIDE_RECURRENT
    if _states(layers) & given_a_batch(param):
        yield GIVEN_STATE
    if _reads_one_blob_twice(judgement, conversion.feedings[0], layers):
        yield ONE_BLOB


def batch_faults(judgement: Judgement, conversion: Conversion) -> Iterator[str]:
    """All that became of the batch axis, and of the other axes where the converter has no batch at all."""
    if conversion.converter != "pnnx":
        if read_layers(conversion.param or ""):
            yield from axes_faults(judgement.case)
        return
    if not conversion.feedings:
        return
    feeding = conversion.feedings[0]
    layers = read_layers(conversion.param or "")
    if _takes_axis_of_bias(layers, conversion.param or ""):
        yield AXIS_OF_BIAS
    kept = kept_message(judgement, conversion, feeding, layers)
    if kept:
        yield kept
    if _matrix_loses_it(judgement, conversion, feeding, layers):
        yield MATRIX_LOSES_IT
    if _batches_lower_rank(judgement.case, feeding):
        yield LOWER_BATCH
    if _gives_state(judgement, feeding, layers):
        yield GIVEN_STATE
    batched = any(binding.batch_axis is not None for binding in feeding.inputs)
    if batched and _transposes(judgement.case):
        yield TRANSPOSED
    if not batched and makers_of_five_axes(judgement.case):
        yield FIVE_AXES
    beside = _beside_recurrent(feeding, layers)
    if beside:
        yield beside


def _takes_axis_of_bias(layers: Iterable[Layer], param: str) -> bool:
    """Whether a batch is made behind a product with a bias, which has one already, as its operands have.

    pnnx takes the axis of ``addmm`` from the first operand, the bias (``convert_batch_layout.cpp``).
    """
    sums = {x.outputs[0] for x in layers if x.type == "Gemm" and len(x.inputs) == _WITH_BIAS}
    return bool(sums & given_a_batch(param))


def _states(layers: Iterable[Layer]) -> set[str]:
    """Blobs that are the last state of a recurrent layer, be it by way of a ``Split``."""
    states: set[str] = set()
    for layer in layers:
        if layer.type in RECURRENT_LAYERS:
            states |= {*layer.outputs[1:]}
        elif layer.type == _SPLIT and states & {*layer.inputs}:
            states |= {*layer.outputs}
    return states


def _reads_one_blob_twice(judgement: Judgement, feeding: Feeding, layers: Iterable[Layer]) -> bool:
    """Whether an output and what it is transposed to are one blob with one batch axis.

    Leaving out what moves only the batch axis, pnnx gives its operand the axis of what it made
    (``eliminate_noop.cpp``).
    """
    origins = {name: layer.inputs[0] for layer in layers if layer.type == _SPLIT for name in layer.outputs}
    made = judgement.reference.outputs
    read: dict[tuple[str, int | None], list[str]] = {}
    for b in feeding.outputs:
        if b.tensor in made:
            read.setdefault((origins.get(b.blob, b.blob), b.batch_axis), []).append(b.tensor)
    pairs = ((made[names[0]], made[name]) for names in read.values() for name in names[1:])
    return any(not np.array_equal(*pair) and _are_shuffled(*pair) for pair in pairs)


def _are_shuffled(one: Array, other: Array) -> bool:
    """Whether two arrays have the same numbers, in whatever order."""
    return one.dtype == other.dtype and np.array_equal(np.sort(one, None), np.sort(other, None))


def _feeds_other_batches(case: Case, conversion: Conversion) -> bool:
    """Whether inputs are fed with batches of other sizes: one has a batch axis that is none of its own."""
    fed = [(case.inputs.get(b.tensor), b.batch_axis) for b in conversion.feedings[0].inputs]
    return len({a.shape[axis] for a, axis in fed if a is not None and axis is not None}) > 1


def _feeds_recurrent_without_batch(layers: Iterable[Layer], param: str) -> bool:
    """Whether a recurrent layer reads what had its batch made an axis, for a layer in front of it.

    It reads time and features; a blob of three axes is none of its.
    """
    unbatched = without_a_batch(param) | made_of_three_axes(param)
    for layer in layers:
        if layer.type in RECURRENT_LAYERS and layer.inputs[0] in unbatched:
            return True
        if layer.type != _BATCHING and unbatched & {*layer.inputs}:
            unbatched |= {*layer.outputs}
    return False


def _batches_lower_rank(case: Case, feeding: Feeding) -> bool:
    """Whether an input's batch axis is no first axis beside an operand of more axes.

    pnnx gives the result the same batch axis, without aligning the two (``solve_batch_index.cpp``).
    """
    values = tensor_values(case) or {}
    taken = ((b.tensor, b.batch_axis) for b in feeding.inputs if b.batch_axis is not None)
    axes = {name: axis for name, axis in taken if name in values}
    for node in case.model.graph.node:
        operands = [values[name] for name in node.input if name in values]
        ranks = {array.ndim for array in operands}
        lower = [name for name in node.input if name in axes and values[name].ndim < max(ranks, default=0)]
        if node.op_type in _BINARY and any(values[name].shape[axes[name]] > 1 for name in lower):
            return True
    return False


def _gives_state(judgement: Judgement, feeding: Feeding, layers: Sequence[Layer]) -> bool:
    """Whether a recurrent layer's last state is an output that has a batch, or meets what minds its axes.

    pnnx gives only the first output of such a layer its batch axis (``convert_batch_layout.cpp``): axes that
    are named behind the state are counted as if it had that axis still.
    """
    states = _states(layers)
    behind = set(states)
    for layer in layers:
        if behind & {*layer.inputs} and layer.type not in RECURRENT_LAYERS:
            if layer.type in _NAMING_AXES:
                return True
            behind |= {*layer.outputs}
    readers = (layer for layer in layers if layer.type != _SPLIT and layer.type not in RECURRENT_LAYERS)
    if any(states & {*layer.inputs} and len(layer.inputs) > 1 for layer in readers):
        return True
    made = judgement.reference.outputs
    given = (b for b in feeding.outputs if b.blob in states and b.batch_axis is None and b.tensor in made)
    shapes = (made[b.tensor].shape for b in given)
    return any(len(shape) == _OF_STATE and shape[_OF_RECURRENT] > 1 for shape in shapes)


def _matrix_loses_it(
    judgement: Judgement, conversion: Conversion, feeding: Feeding, layers: Iterable[Layer]
) -> bool:
    """Whether an operand of a product has one axis fewer, because an image beside it has a batch.

    The first operand may well be fed so.
    """
    if all(binding.batch_axis is None for binding in feeding.inputs):
        return False
    case = judgement.case
    products = [node for node in case.model.graph.node if node.op_type in PRODUCTS]
    operands = {name for node in products for name in node.input}
    fed = {b.tensor for b in feeding.inputs if b.batch_axis is not None}
    further = {name for node in products for name in node.input[1:]}
    if any(name in fed and case.inputs[name].ndim == _OF_MATRIX for name in further):
        return True
    matrices = {
        tuple(t.dims[:0:-1]) for t in stored_tensors(case) if t.name in operands and t.dims[:1] == [1]
    }
    used = {name for layer in layers if layer.type in PRODUCTS for name in layer.inputs}
    constants = written_constants(conversion.param or "")
    return any(blob in used and written in matrices for blob, written in constants)


def _transposes(case: Case) -> bool:
    """Whether a ``Gemm`` takes what a node made transposed: pnnx forgets the shape of that."""
    gemms = (n for n in case.model.graph.node if n.op_type == "Gemm" and n.input[0] not in case.inputs)
    return any(attribute.name == "transA" and attribute.i for node in gemms for attribute in node.attribute)


def makers_of_five_axes(case: Case) -> tuple[str, ...]:
    """Types of the operators that make a tensor of more axes than a blob has out of one that has no more.

    None where an input has so many: that one is fed with a batch, or not at all.
    """
    values = tensor_values(case) or {}
    large = {name for name, array in values.items() if array.ndim > _MOST_AXES}
    if large & set(case.inputs):
        return ()
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return tuple(sorted({n.op_type for n in nodes if large & set(n.output) and not large & set(n.input)}))


def _beside_recurrent(feeding: Feeding, layers: Sequence[Layer]) -> str:
    """Whether a recurrent layer has a neighbour that computes, and one of the two has another batch axis.

    A layout in front of a recurrent layer and one behind it are pnnx's in two places.
    """
    makers: dict[str, str] = {}
    neighbours: set[str] = set()
    batch_first: set[str] = set()
    if not any(layer.type in RECURRENT_LAYERS for layer in layers):
        return ""
    in_front = False
    behind: set[str] = set()
    for layer in layers:
        before = {makers.get(name, _INPUT) for name in layer.inputs}
        recurrent = layer.type in RECURRENT_LAYERS
        if recurrent:
            before = {makers.get(name, _INPUT) for name in layer.inputs[:1]}
            neighbours |= before - {_INPUT, layer.type}
            in_front = in_front or bool(before - {_INPUT, *RECURRENT_LAYERS})
        elif layer.type not in _PASSING_ON and before & RECURRENT_LAYERS:
            neighbours.add(layer.type)
        if recurrent or behind & {*layer.inputs}:
            behind |= {*layer.outputs}
        elif layer.type in _BATCH_FIRST:
            in_front = True
        if layer.type in _BATCH_FIRST:
            batch_first.add(layer.type)
        passed_on = next(iter(before), _INPUT) if layer.type in _PASSING_ON else layer.type
        makers |= dict.fromkeys(layer.outputs, passed_on)
    axes = {binding.batch_axis for binding in (*feeding.inputs, *feeding.outputs)}
    if not batch_first and (not neighbours or axes == {_OF_RECURRENT}):
        return ""
    return BESIDE_RECURRENT if in_front else BEHIND_RECURRENT
