"""Evidence, in a converter's own files, for the stage that first went wrong.

``telling_message`` names what a network lacks; here ``pnnx.param`` beside the ``.param`` says who lost it:
pnnx's passes (``passes_tell``) or the lowering to ncnn (``files_tell``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import onnx

from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.axes import REASONS
from fuzzconv.findings.batch import FIVE_AXES
from fuzzconv.findings.batch import MESSAGES as BATCH_MESSAGES
from fuzzconv.findings.fusion import FUSED, GELU
from fuzzconv.findings.legacy import MESSAGES as LEGACY_MESSAGES
from fuzzconv.findings.nearest import NEAREST, RULE
from fuzzconv.findings.parameters import (
    BIAS_AS_STATE,
    FOLDED_ALONG_ROWS,
    INTEGERS,
    LARGEST_OF_ALL,
    LIST_AS_INDEX,
    SAME,
    SAME_OF_ONE,
    TWO_OF_MANY,
    WITHOUT_AXES,
    WITHOUT_AXIS,
    WITHOUT_KEEPDIMS,
    WITHOUT_PADS,
    layer_lines,
    settings_of,
)
from fuzzconv.findings.written import NOTHING_LEFT, telling_message
from fuzzconv.judgement import Judgement
from fuzzconv.verdict import Verdict

_BY_RULE = f"onnxruntime gives the same values by the rule {', '.join(map('='.join, RULE.items()))}"
_POOLINGS = frozenset({"Pooling", "Pooling1D"})
_SAME_MODES = frozenset({"2", "3"})
_ENDS = frozenset({"pnnx.Input", "pnnx.Output", "pnnx.Attribute", ""})


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
    if message == BIAS_AS_STATE and "bias=False" in text:
        return "pnnx.param has a recurrent operator with a state and without a bias"
    if message == SAME_OF_ONE and "F.pad" in text:
        return "pnnx.param has the pads that auto_pad means for strides of 1"
    if message == LARGEST_OF_ALL:
        return "pnnx.param has a maximum over all elements"
    if message == WITHOUT_AXIS:
        return "pnnx.param has dim=None for the axis"
    if message == TWO_OF_MANY:
        return "pnnx.param compares two of the operands"
    if message == NEAREST:
        return f"{_BY_RULE}, the one that F.interpolate has"
    fused = message.removeprefix(FUSED) if message.startswith(FUSED) else ""
    if fused and len([t for t in map(_type_of, text.splitlines()[2:]) if t not in _ENDS]) == 1:
        return f"pnnx.param has one operator for the whole graph, the one that became {fused}"
    return ""


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
    if message == INTEGERS:
        return ".param has a layer that computes in floating point, and model_ncnn.py feeds it integers"
    if message == NEAREST:
        return f"{_BY_RULE}, the one that Interp has"
    if conversion.converter != "pnnx" and message in REASONS.keys() | LEGACY_MESSAGES:
        return f"{message}: {REASONS.get(message, 'so onnx2ncnn writes it, on every device')}"
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


def layer_tells(judgement: Judgement, verdict: Verdict) -> str:
    """Evidence that a layer is told all that its operator says, and does something else; else empty.

    ncnn counts what ``auto_pad`` adds in an average that is to leave it out: only pads that are written as
    numbers are taken off again (``src/layer/pooling.cpp``, ``pooling1d.cpp``).
    """
    conversion = judgement.conversion_on(verdict.route)
    nodes = [node for node in judgement.case.model.graph.node if node.op_type == "AveragePool"]
    told = [{a.name: a for a in node.attribute} for node in nodes]
    asked = [a for a in told if "auto_pad" in a and a["auto_pad"].s in SAME and not _counts_pads(a)]
    layers = [words for words in layer_lines(conversion) if words[0] in _POOLINGS] if conversion else []
    given = [w for w in layers if settings_of(w).get("5") in _SAME_MODES and settings_of(w).get("6") == "0"]
    if asked and len(given) == len(layers) == len(nodes):
        return "the layer is told of auto_pad and not to count what it adds, and counts it on every device"
    return ""


def _counts_pads(attributes: Mapping[str, onnx.AttributeProto]) -> bool:
    return "count_include_pad" in attributes and bool(attributes["count_include_pad"].i)


def _type_of(line: str) -> str:
    return line.partition(" ")[0]


def _made_for(pnnx_param: str, names: list[str], output: str) -> str:
    """The operator that ``pnnx.param`` has for one graph output alone; empty when there is none."""
    layers = read_layers(pnnx_param)
    operands = [layer.inputs[0] for layer in layers if layer.type == "pnnx.Output" and layer.inputs]
    if output not in names or len(operands) != len(names):
        return ""
    operand = operands[names.index(output)]
    makers = [layer.type for layer in layers if operand in layer.outputs and layer.type != "pnnx.Input"]
    return "".join(makers) if operands.count(operand) == 1 else ""
