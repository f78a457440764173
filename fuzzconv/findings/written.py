"""Causes that what a converter wrote tells by itself, whatever operator of the graph showed them.

``telling_message`` looks at the converted network, ``misstored`` at how the damaged constant was stored,
``storage_cause`` at what reduction could not make plain. Such a cause has one signature: the operators it
happened to be met at stay out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np
import onnx

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.batch import (
    FIVE_AXES,
    FROM_THE_END,
    LEGACY_REASONS,
    ONE_AXIS,
    TRANSPOSED,
    batch_message,
    of_one_axis,
)
from fuzzconv.findings.batch import MESSAGES as BATCH_MESSAGES
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.fusion import FUSED, GELU, fusion_message, gelu_message
from fuzzconv.findings.legacy import (
    FLATTENED,
    INDEX_KEEPS_AXIS,
    KERNEL_LEFT_OUT,
    KERNEL_OF_THREE,
    POOLED_AXES,
    WITHOUT_ORDER,
    legacy_message,
)
from fuzzconv.findings.legacy import MESSAGES as LEGACY_MESSAGES
from fuzzconv.findings.nearest import NEAREST, RULE, nearest_message
from fuzzconv.findings.parameters import (
    BIAS_AS_STATE,
    ELLIPSIS,
    FOLDED_ALONG_ROWS,
    INTEGERS,
    LIST_AS_INDEX,
    WITHOUT_AXES,
    WITHOUT_KEEPDIMS,
    WITHOUT_PADS,
    bias_is_state,
    computes_with_integers,
    layer_lines,
    parameter_message,
)
from fuzzconv.findings.parameters import MESSAGES as PARAMETER_MESSAGES
from fuzzconv.findings.subgraph import moving_nodes, operator_nodes
from fuzzconv.findings.traits import COMPUTED, EXTERNAL, Trait, operators_of, traits_of
from fuzzconv.findings.wordless import MADE_BY_NONE, has_output_of_none, wordless_message
from fuzzconv.judgement import Judgement
from fuzzconv.verdict import Kind, Verdict

NOTHING_LEFT = "no layer left before the output"
IN_LIST = "numbers of a Constant node"
"""In ``value_float``, ``value_ints`` and their like."""
CONSTANT_AS_BLOB = "layer given a constant as a further input"
WEIGHT_AS_BLOB = "weight of a layer that is another's operand too"
SYMPTOMS = BATCH_MESSAGES | PARAMETER_MESSAGES | LEGACY_MESSAGES | {MADE_BY_NONE, NOTHING_LEFT, NEAREST}
"""What comes of these is chance: a wrong shape or value, a blob that can't be extracted, a crash."""
RIGHT_BY_LUCK = (BATCH_MESSAGES - {TRANSPOSED}) | {
    FLATTENED,
    INDEX_KEEPS_AXIS,
    WITHOUT_ORDER,
    LIST_AS_INDEX,
    POOLED_AXES,
    WITHOUT_KEEPDIMS,
}
"""Where such a network is right on one device or with one packing, that is luck."""

_SHORT_FILE = "ModelBin read"
"""ncnn's first words when the ``.bin`` ends too early."""
_TOO_MANY_INPUTS = "invalid bottom_count or top_count for one_blob_only layer"
"""What ncnn says of a layer that takes one input and was given several."""
_OF_SEVERAL = frozenset({"BinaryOp", "Concat", "Eltwise", "Gemm", "MatMul"})
"""Layers that rightly take a constant as a further input."""
_REFUSED_LAYER = re.compile(r"layer load_(?:param|model) \d+ (\S+) failed")
_CONSTANT = re.compile(r"'(.*?)' (\w+)\[")
_WRONG_VALUES = frozenset({Kind.NAN, Kind.DIVERGENCE})
_RESULTS = _WRONG_VALUES | {Kind.SHAPE_MISMATCH}
_WITH_KERNELS = frozenset({"Conv", "ConvTranspose"})
DOUBLE = "constant(float64)"
TYPED_HALF = "constant(float16,typed field)"
FIVE_DIMS = "MemoryData(rank=5)"
BATCH_OF_FOUR = "MemoryData(rank=4,batch)"
NOT_FLOAT32 = "not float32"
_OTHER_FLOATS = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16})
_FED_WEIGHTS = frozenset(
    f"{name}{COMPUTED}"
    for name in ("W", "R", "B", "scale", "mean", "var", "input_mean", "input_var", "slope")
)
"""Traits of layers that have no weights of their own; a state or a summand may well be fed."""
_SHOWN_BY_REFUSAL = frozenset({FIVE_AXES, ELLIPSIS, FROM_THE_END, ONE_AXIS, KERNEL_LEFT_OUT, KERNEL_OF_THREE})
_BY_RULE = f"onnxruntime gives the same values by the rule {', '.join(map('='.join, RULE.items()))}"
_ENDS = frozenset({"pnnx.Input", "pnnx.Output", "pnnx.Attribute", ""})
_MOST_DIMS = 4
"""ncnn's blobs have no more dimensions."""


def telling_message(judgement: Judgement, verdict: Verdict) -> str:
    """What is plainly wrong with the network that can't be loaded or run, or is wrong; else empty."""
    conversion = judgement.conversion_on(verdict.route)
    if conversion is None:
        return ""
    case = judgement.case
    if verdict.stage in ("run", "compare") and _feeds_nothing(conversion, verdict):
        return NOTHING_LEFT
    if verdict.stage == "run":
        return _lacking(case, conversion) or batch_message(judgement, conversion)
    if verdict.kind is Kind.CRASH:
        return wordless_message(case, verdict)
    if verdict.kind.is_weight_fault:
        nodes = [case.model.graph.node[position] for position in moving_nodes(case)]
        if conversion.converter != "pnnx":
            layer = str(verdict.evidence.get("layer_type"))
            misplaced = verdict.kind is Kind.WEIGHT_SHIFT and layer.startswith("Deconvolution")
            return ONE_AXIS if misplaced and "ConvTranspose" in of_one_axis(case) else ""
        return BIAS_AS_STATE if bias_is_state(nodes, layer_lines(conversion)) else ""
    if verdict.kind is Kind.LOAD_FAILURE and _TOO_MANY_INPUTS in str(verdict.evidence.get("message")):
        tensors = list(stored_tensors(case))
        lists = {tensor.name for tensor in tensors if tensor.data_type == onnx.TensorProto.INT64}
        if _given(lists, conversion.param or ""):
            return CONSTANT_AS_BLOB
        arrays = {tensor.name for tensor in tensors if tensor.dims}
        return WEIGHT_AS_BLOB if _given(arrays - lists, conversion.param or "") else ""
    if verdict.kind is Kind.LOAD_FAILURE:
        refused = _REFUSED_LAYER.search(str(verdict.evidence.get("message")))
        told = _lacking(case, conversion) or batch_message(judgement, conversion)
        return told if refused and told in _SHOWN_BY_REFUSAL else ""
    if not conversion.feedings:
        return ""
    lines = [line.split() for line in (conversion.param or "").splitlines()]
    inputs = {words[4] for words in lines if len(words) > 4 and words[0] == "Input"}
    outputs = conversion.feedings[0].outputs
    wrong = [b.tensor for b in outputs if b.blob in inputs and b.tensor == verdict.evidence.get("output")]
    if wrong and _is_an_input(judgement, wrong[0]):
        return NOTHING_LEFT
    read = {b.tensor for b in outputs}
    if (
        conversion.converter == "pnnx"
        and verdict.evidence.get("output") not in read
        and has_output_of_none(case)
    ):
        return MADE_BY_NONE
    told = _lacking(case, conversion) or batch_message(judgement, conversion)
    told = told or gelu_message(case, verdict, conversion) or nearest_message(judgement, verdict)
    if not told and verdict.kind in _WRONG_VALUES and conversion.converter == "pnnx":
        told = INTEGERS if computes_with_integers(conversion) else ""
    return told or (fusion_message(judgement, conversion) if verdict.kind in _RESULTS else "")


def passes_tell(judgement: Judgement, verdict: Verdict) -> str:
    """Evidence in ``pnnx.param`` that pnnx's own passes made another operator of the graph's; else empty."""
    conversion = judgement.conversion_on(verdict.route)
    message = telling_message(judgement, verdict) if conversion and conversion.converter == "pnnx" else ""
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace") if conversion else ""
    if message == LIST_AS_INDEX:
        return "pnnx.param has an operator that takes one index where the graph gives a list"
    if message == GELU:
        return "pnnx.param has gelu in its exact form, the graph has the tanh form"
    if message == WITHOUT_KEEPDIMS and "keepdim" not in text:
        return "pnnx.param has no keepdim for the reduction"
    if message == FOLDED_ALONG_ROWS and "BatchNorm" not in text:
        return "pnnx.param has the product alone, the norm is in its weights"
    if message == NEAREST:
        return f"{_BY_RULE}, the one that F.interpolate has"
    fused = message.removeprefix(FUSED) if message.startswith(FUSED) else ""
    if fused and len([t for t in map(_type_of, text.splitlines()[2:]) if t not in _ENDS]) == 1:
        return f"pnnx.param has one operator for the whole graph, the one that became {fused}"
    return ""


def _type_of(line: str) -> str:
    return line.partition(" ")[0]


def files_tell(judgement: Judgement, verdict: Verdict) -> str:
    """Evidence in ``pnnx.param`` that pnnx lost on the way to ncnn what its passes still had; else empty.

    Batch axes are no matter of its passes: ``pnnx.param`` has every axis, and ``.param`` lacks one.
    """
    conversion = judgement.conversion_on(verdict.route)
    message = telling_message(judgement, verdict)
    if conversion is None or not message:
        return ""
    if message == FIVE_AXES:
        return f"{message}: pnnx.param has the operators as the graph has them"
    if message == NEAREST:
        return f"{_BY_RULE}, the one that Interp has"
    if conversion.converter != "pnnx" and message in LEGACY_REASONS.keys() | LEGACY_MESSAGES:
        return f"{message}: {LEGACY_REASONS.get(message, 'so onnx2ncnn writes it, on every device')}"
    if message in BATCH_MESSAGES:
        return f"{message}: pnnx.param has all axes, and model_ncnn.py takes one for the batch"
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace")
    if message == WITHOUT_AXES and re.search(r"\bdim=\(?-?\d", text):
        return "pnnx.param has the axes of the reduction, .param has none"
    if message == WITHOUT_PADS and re.search(r"^F\.pad .*\bpad=\(", text, re.MULTILINE):
        return "pnnx.param has the pads, .param lacks some of them"
    if message == NOTHING_LEFT:
        names = [output.name for output in judgement.case.model.graph.output]
        made = _made_for(text, names, str(verdict.evidence.get("output")))
        return f"pnnx.param has {made} before the output, .param has nothing" if made else ""
    return ""


def _made_for(pnnx_param: str, names: list[str], output: str) -> str:
    """The operator that ``pnnx.param`` has for one graph output alone; empty when there is none."""
    layers = read_layers(pnnx_param)
    operands = [layer.inputs[0] for layer in layers if layer.type == "pnnx.Output" and layer.inputs]
    if output not in names or len(operands) != len(names):
        return ""
    operand = operands[names.index(output)]
    makers = [layer.type for layer in layers if operand in layer.outputs and layer.type != "pnnx.Input"]
    return "".join(makers) if operands.count(operand) == 1 else ""


def storage_cause(case: Case, verdict: Verdict, traits: Collection[Trait]) -> tuple[str, ...]:
    """The storage of constants that a reduced case fails for, where that is no matter of its operators.

    Reduction makes storage plain first, and float64 into float32, so what is left of those it could not take
    away: the failure was gone without. A wrong result may be one operator's even so, unless no reader takes
    such constants; a crash and unread weights come from the reader of constants.
    """
    words = sorted({trait.word for trait in traits if trait.word.startswith(EXTERNAL)})
    if words and verdict.kind not in _RESULTS:
        return (f"constants({words[-1]})",)
    converter = verdict.route.converter
    if converter == "pnnx" and any(trait.word == "typed field" for trait in traits):
        typed = {_storage(tensor, converter) for tensor in stored_tensors(case)} & {TYPED_HALF}
        if typed:
            return (TYPED_HALF,)
    if _has_data_of_five_axes(case) and (converter == "onnx2ncnn" or verdict.kind.is_weight_fault):
        return (FIVE_DIMS,)
    if converter == "onnx2ncnn":
        elsewhere = _kept_elsewhere(case, verdict)
        told_by_result = elsewhere == NOT_FLOAT32 or (elsewhere == IN_LIST and _has_floats_in_list(case))
        if told_by_result or (elsewhere and verdict.kind not in _RESULTS):
            return (f"constants({elsewhere})",)
    doubles = any(tensor.data_type == onnx.TensorProto.DOUBLE for tensor in stored_tensors(case))
    if verdict.kind is Kind.CRASH and doubles and any(trait.word == "float64" for trait in traits):
        return (DOUBLE,)
    return ()


def _has_data_of_five_axes(case: Case) -> bool:
    """Whether a constant that is no kernel has more axes than a ``MemoryData`` can have."""
    large = {tensor.name for tensor in stored_tensors(case) if len(tensor.dims) > _MOST_DIMS}
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return any(large & set(node.input) for node in nodes if node.op_type not in _WITH_KERNELS)


def _kept_elsewhere(case: Case, verdict: Verdict) -> str:
    """Where weights are that no tensor holds; onnx2ncnn looks for a layer's weights nowhere else."""
    nodes = case.model.graph.node
    announced = "Unknown data type" in str(verdict.evidence.get("message"))
    if not announced and any(tensor.data_type in _OTHER_FLOATS for tensor in stored_tensors(case)):
        return NOT_FLOAT32
    if any(node.op_type == "Constant" and node.attribute[0].name != "value" for node in nodes):
        return IN_LIST
    fed = verdict.stage != "run" and any(trait.word in _FED_WEIGHTS for trait in traits_of(case))
    return "computed" if fed or set(operator_nodes(case.model)) - moving_nodes(case) else ""


def _has_floats_in_list(case: Case) -> bool:
    """Whether what no tensor holds are operands; sizes and axes may be unread for another reason."""
    constants = [node for node in case.model.graph.node if node.op_type == "Constant"]
    return any(node.attribute[0].name.startswith("value_float") for node in constants)


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


def is_storage(operator: str) -> bool:
    """Whether a signature's ``operator`` names how constants are stored, not an operator."""
    return operator.startswith(("constant(", "constants("))


def misstored(case: Case, verdict: Verdict, condition: str) -> tuple[str, ...]:
    """What was written wrongly, where the damage comes from how a constant is stored, not from its operator.

    One fault of a converter's weight writer shows at every operator that has such a constant.
    """
    evidence = verdict.evidence
    if verdict.kind is Kind.WEIGHT_NAN and condition == "fp16=1":
        return ("fp16 weight",)
    if evidence.get("flushed"):
        return ("subnormal fp16 weight",)
    if verdict.route.converter == "onnx2ncnn" and _SHORT_FILE in str(evidence.get("message")):
        return ("constants(nothing written)",)
    if not verdict.kind.is_weight_fault:
        return ()
    if verdict.route.converter == "onnx2ncnn" and _has_batch(case, evidence):
        return (BATCH_OF_FOUR,)
    culprit = _CONSTANT.match(str(evidence.get("culprit_constant", "")))
    if culprit and culprit[2] != "float32":
        words = "not float32" if evidence.get("culprit_written") else "not float32,nothing written"
        return (f"{evidence.get('culprit_type')}({words})",)
    named = culprit[1] if culprit else evidence.get("constant")
    tensors = list(stored_tensors(case))
    asked = [t for t in tensors if t.name == named] if named is not None else tensors
    if named is None and verdict.route.converter == "onnx2ncnn":
        # The others may be integers that fix a shape.
        asked = [t for t in tensors if len(t.dims) > _MOST_DIMS]
    return tuple(sorted({_storage(t, verdict.route.converter) for t in asked} - {""})[:1])


def _has_batch(case: Case, evidence: Mapping[str, object]) -> bool:
    """Whether the first damaged ``MemoryData`` of onnx2ncnn has four axes, and more than one along the first.

    It writes the three others' sizes, and all of the bytes.
    """
    damaged = evidence.get("culprit_type") or evidence.get("layer_type")
    named = evidence.get("culprit") or evidence.get("layer")
    shapes = [tensor.dims for tensor in stored_tensors(case) if tensor.name == named]
    return damaged == "MemoryData" and any(len(dims) == _MOST_DIMS and dims[0] > 1 for dims in shapes)


def _storage(tensor: onnx.TensorProto, converter: str) -> str:
    """The word for how a constant is stored where the converter's writer can't take that; else empty.

    pnnx copies float64 bytes as they are and has no reader for float16 in a typed field; onnx2ncnn prints no
    size for a constant of five dimensions, and takes all for float32 (``fwrite_tensor_proto_data``).
    """
    if converter == "onnx2ncnn":
        if len(tensor.dims) > _MOST_DIMS:
            return FIVE_DIMS
        return "" if tensor.data_type == onnx.TensorProto.FLOAT else "constants(not float32)"
    if tensor.data_type == onnx.TensorProto.DOUBLE:
        return DOUBLE
    typed = not tensor.HasField("raw_data") and 0 not in tensor.dims
    return TYPED_HALF if tensor.data_type == onnx.TensorProto.FLOAT16 and typed else ""


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


def takers_of_lists(case: Case) -> tuple[str, ...]:
    """Types of the operators that are given a constant list of integers as a further input."""
    lists = {t.name for t in stored_tensors(case) if t.data_type == onnx.TensorProto.INT64}
    return tuple(sorted({node.op_type for node in case.model.graph.node if lists & set(node.input[1:])}))


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


def _lacking(case: Case, conversion: Conversion) -> str:
    """What the network lacks of the graph, whichever converter wrote it."""
    lacking = parameter_message if conversion.converter == "pnnx" else legacy_message
    return lacking(case, conversion)
