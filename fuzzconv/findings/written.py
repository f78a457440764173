"""Causes that what a converter wrote tells by itself, whatever operator of the graph showed them.

``telling_message`` looks at the converted network. Such a cause has one signature: the operators it happened
to be met at stay out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import chain

import numpy as np
import onnx

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.axes import FROM_THE_END, ONE_AXIS, of_one_axis
from fuzzconv.findings.axes import MESSAGES as AXES_MESSAGES
from fuzzconv.findings.batch import FIVE_AXES, TRANSPOSED, batch_faults, certain_faults
from fuzzconv.findings.batch import MESSAGES as BATCH_MESSAGES
from fuzzconv.findings.broadcasts import LOWER_RANK, have_other_ranks
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.fusion import fusion_message, gelu_message
from fuzzconv.findings.kernels import KERNEL_LEFT_OUT, KERNEL_OF_THREE
from fuzzconv.findings.kernels import LAYERS as LAYERS_WITH_KERNEL
from fuzzconv.findings.legacy import (
    DEFAULT_ORDER,
    INDEX_KEEPS_AXIS,
    POOLED_AXES,
    WITHOUT_ORDER,
    legacy_faults,
)
from fuzzconv.findings.legacy import MESSAGES as LEGACY_MESSAGES
from fuzzconv.findings.nearest import NEAREST, nearest_message
from fuzzconv.findings.parameters import (
    BIAS_AS_STATE,
    ELLIPSIS,
    FOLDED_ALONG_ROWS,
    INTEGERS,
    LIST_AS_INDEX,
    WITHOUT_AXIS,
    WITHOUT_KEEPDIMS,
    bias_is_state,
    computes_with_integers,
    folds_along_rows,
    layer_lines,
    parameter_faults,
)
from fuzzconv.findings.parameters import MESSAGES as PARAMETER_MESSAGES
from fuzzconv.findings.products import FLATTENED
from fuzzconv.findings.reshapes import WITHOUT_ALL
from fuzzconv.findings.storage import RESULTS
from fuzzconv.findings.subgraph import moving_nodes, operator_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS
from fuzzconv.findings.traits import Trait, operators_of, traits_of
from fuzzconv.findings.wordless import (
    CONSTANT_OUTPUT,
    FOLDED_OUTPUT,
    MADE_BY_NONE,
    WITHOUT_BIAS,
    lacks_bias,
    output_of_none,
    wordless_message,
)
from fuzzconv.judgement import Judgement
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

NOTHING_LEFT = "no layer left before the output"
CONSTANT_AS_BLOB = "layer given a constant as a further input"
WEIGHT_AS_BLOB = "weight of a layer that is another's operand too"
SYMPTOMS = AXES_MESSAGES | BATCH_MESSAGES | PARAMETER_MESSAGES | LEGACY_MESSAGES
SYMPTOMS |= {CONSTANT_OUTPUT, FOLDED_OUTPUT, MADE_BY_NONE, NOTHING_LEFT, NEAREST, WITHOUT_BIAS}
"""What comes of these is chance: a wrong shape or value, a blob that can't be extracted, a crash."""
RIGHT_BY_LUCK = (
    AXES_MESSAGES
    | (BATCH_MESSAGES - {TRANSPOSED})
    | {
        FLATTENED,
        INDEX_KEEPS_AXIS,
        WITHOUT_ORDER,
        DEFAULT_ORDER,
        LIST_AS_INDEX,
        POOLED_AXES,
        WITHOUT_AXIS,
        WITHOUT_KEEPDIMS,
    }
)
"""Where such a network is right on one device or with one packing, that is luck."""
_TOO_MANY_INPUTS = "invalid bottom_count or top_count for one_blob_only layer"
"""What ncnn says of a layer that takes one input and was given several."""
_OF_SEVERAL = frozenset({"BinaryOp", "Concat", "Eltwise", "Gemm", "MatMul"})
"""Layers that rightly take a constant as a further input."""
_REFUSED_LAYER = re.compile(r"layer load_(?:param|model) \d+ (\S+) failed")
_WRONG_VALUES = frozenset({Kind.NAN, Kind.DIVERGENCE})
_SHOWN_BY_REFUSAL: Mapping[str, tuple[str, ...]] = {
    ELLIPSIS: ("Einsum",),
    FIVE_AXES: ("",),
    FROM_THE_END: ("Crop", "Softmax"),
    KERNEL_LEFT_OUT: LAYERS_WITH_KERNEL,
    KERNEL_OF_THREE: LAYERS_WITH_KERNEL,
    ONE_AXIS: ("Deconvolution", "InstanceNorm", "Pooling"),
    WITHOUT_ALL: ("Reshape",),
    WITHOUT_AXIS: ("Slice",),
}
"""Causes for which ncnn refuses a layer, and how that layer's type begins."""


def telling_message(judgement: Judgement, verdict: Verdict) -> str:
    """What is plainly wrong with the network that can't be loaded or run, or is wrong; else empty."""
    conversion = judgement.conversion_on(verdict.route)
    if conversion is None:
        return ""
    case = judgement.case
    if verdict.stage in ("run", "compare") and _feeds_nothing(conversion, verdict):
        return NOTHING_LEFT
    if verdict.stage == "run":
        return _told_by_network(judgement, conversion)
    if verdict.kind is Kind.CRASH and verdict.stage == "load":
        if conversion.converter != "pnnx":
            return ""
        # What a wrong batch axis damages in one run may show in the loading of the next.
        faults = chain(certain_faults(judgement, conversion), batch_faults(judgement, conversion))
        return next(faults, "")
    if verdict.kind is Kind.CRASH:
        return wordless_message(case, verdict)
    if verdict.kind.is_weight_fault:
        if conversion.converter != "pnnx":
            layer = str(verdict.evidence.get("layer_type"))
            if layer in RECURRENT_LAYERS and lacks_bias(case):
                return WITHOUT_BIAS
            whole = all(t.data_type == onnx.TensorProto.FLOAT for t in stored_tensors(case))
            misplaced = layer.startswith("Deconvolution") and (whole or verdict.kind is Kind.WEIGHT_SHIFT)
            return ONE_AXIS if misplaced and "ConvTranspose" in of_one_axis(case) else ""
        nodes = [case.model.graph.node[position] for position in moving_nodes(case)]
        if bias_is_state(nodes, layer_lines(conversion)):
            return BIAS_AS_STATE
        return FOLDED_ALONG_ROWS if folds_along_rows(conversion) else ""
    if verdict.kind is Kind.LOAD_FAILURE and _TOO_MANY_INPUTS in str(verdict.evidence.get("message")):
        tensors = list(stored_tensors(case))
        lists = {tensor.name for tensor in tensors if tensor.data_type == onnx.TensorProto.INT64}
        if _given(lists, conversion.param or ""):
            return CONSTANT_AS_BLOB
        arrays = {tensor.name for tensor in tensors if tensor.dims}
        return WEIGHT_AS_BLOB if _given(arrays - lists, conversion.param or "") else ""
    if verdict.kind is Kind.LOAD_FAILURE:
        return _told_by_refusal(judgement, conversion, str(verdict.evidence.get("message")))
    if not conversion.feedings:
        return ""
    lines = [line.split() for line in (conversion.param or "").splitlines()]
    inputs = {words[4] for words in lines if len(words) > 4 and words[0] == "Input"}
    outputs = conversion.feedings[0].outputs
    wrong = [b.tensor for b in outputs if b.blob in inputs and b.tensor == verdict.evidence.get("output")]
    if wrong and _is_an_input(judgement, wrong[0]):
        return NOTHING_LEFT
    read = {b.tensor for b in outputs}
    lost = str(verdict.evidence.get("output") or "")
    if conversion.converter == "pnnx" and lost and lost not in read and (none := output_of_none(case, lost)):
        return none
    if conversion.converter != "pnnx" and lost in {tensor.name for tensor in stored_tensors(case)}:
        return CONSTANT_OUTPUT
    told = _told_by_network(judgement, conversion)
    told = told or gelu_message(case, verdict, conversion) or nearest_message(judgement, verdict)
    if not told and verdict.kind in _WRONG_VALUES and conversion.converter == "pnnx":
        told = INTEGERS if computes_with_integers(conversion) else ""
    if not told and conversion.converter != "pnnx" and not _is_plain(verdict.route):
        told = LOWER_RANK if have_other_ranks(case, conversion) else ""
    return told or (fusion_message(judgement, conversion) if verdict.kind in RESULTS else "")


def faults_of(judgement: Judgement, verdict: Verdict) -> frozenset[str]:
    """All that is plainly wrong with a network, which is often more than one thing.

    A reduction has no business to bring in another one.
    """
    conversion = judgement.conversion_on(verdict.route)
    if conversion is None or not conversion.param:
        return frozenset()
    return frozenset(_faults(judgement, conversion))


def refused_layer(
    judgement: Judgement, verdict: Verdict, traits: Collection[Trait] | None
) -> tuple[str, ...]:
    """The layer that ncnn names when it refuses to load a network of several operators.

    As the operator that it is, with its traits (None takes all there are), else by the layer's type: the
    operators around it only make it what it is.
    """
    conversion = judgement.conversion_on(verdict.route)
    named = _REFUSED_LAYER.search(str(verdict.evidence.get("message")))
    if not named or conversion is None or len(operator_nodes(judgement.case.model)) < 2:
        return ()
    layers = read_layers(conversion.param or "")
    types = [layer.type for layer in layers if layer.name == named[1]][:1]
    told_of = traits_of(judgement.case) if traits is None else traits
    named_alike = [n.op_type in types for n in judgement.case.model.graph.node]
    others = [position for position, alike in enumerate(named_alike) if not alike]
    if any(named_alike):
        return operators_of(judgement.case, told_of, others)[:1]
    return tuple(f"ncnn.{layer_type}" for layer_type in types)


def takers_of_lists(case: Case) -> tuple[str, ...]:
    """Types of the operators that are given a constant list of integers as a further input."""
    lists = {t.name for t in stored_tensors(case) if t.data_type == onnx.TensorProto.INT64}
    return tuple(sorted({node.op_type for node in case.model.graph.node if lists & set(node.input[1:])}))


def _is_plain(route: Route) -> bool:
    return route.device == "cpu" and not route.options


def _feeds_nothing(conversion: Conversion, verdict: Verdict) -> bool:
    """Whether pnnx named an input as another output than the wrong one: its script feeds no input then."""
    if conversion.converter != "pnnx" or not conversion.feedings or conversion.feedings[0].inputs:
        return False
    layers = read_layers(conversion.param or "")
    inputs = {name for layer in layers if layer.type == "Input" for name in layer.outputs}
    outputs = conversion.feedings[0].outputs
    return any(b.blob in inputs and b.tensor != verdict.evidence.get("output") for b in outputs)


def _is_an_input(judgement: Judgement, output: str) -> bool:
    """Whether an output rightly holds what an input holds; else a layer that should be there was dropped."""
    expected = judgement.reference.outputs.get(output)
    fed = judgement.case.inputs.values()
    return expected is None or any(np.array_equal(expected.ravel(), array.ravel()) for array in fed)


def _given(names: Collection[str], param: str) -> bool:
    """Whether a layer is given one of the constants as a further input (onnx2ncnn keeps their names)."""
    layers = read_layers(param)
    constants: set[str] = set()
    for layer in layers:
        if (layer.type == "MemoryData" and set(names) & set(layer.outputs)) or (
            layer.type == "Split" and constants & set(layer.inputs)
        ):
            constants |= set(layer.outputs)
    return any(constants & set(layer.inputs[1:]) for layer in layers if layer.type not in _OF_SEVERAL)


def _told_by_refusal(judgement: Judgement, conversion: Conversion, message: str) -> str:
    """What is wrong with the layer that ncnn says it refuses; empty when it does not say which."""
    refused = _REFUSED_LAYER.search(message)
    types = [x.type for x in read_layers(conversion.param or "") if refused and x.name == refused[1]]
    faults = _faults(judgement, conversion) if types else ()
    return next((f for f in faults if types[0].startswith(_SHOWN_BY_REFUSAL.get(f, ()))), "")


def _told_by_network(judgement: Judgement, conversion: Conversion) -> str:
    """What is wrong with the network, whichever converter wrote it: what is certain, then what it lacks."""
    return next(_faults(judgement, conversion), "")


def _faults(judgement: Judgement, conversion: Conversion) -> Iterator[str]:
    lacking = parameter_faults if conversion.converter == "pnnx" else legacy_faults
    yield from certain_faults(judgement, conversion)
    yield from lacking(judgement.case, conversion)
    yield from batch_faults(judgement, conversion)
