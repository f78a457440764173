"""Causes that lie in how constants are stored, whatever operator of the graph has them.

``misstored`` looks at how the damaged constant was stored, ``storage_cause`` at what reduction could not make
plain. The operators it happened to be met at stay out of the signature.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import onnx

from fuzzconv.case import Case
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.subgraph import moving_nodes, operator_nodes
from fuzzconv.findings.traits import COMPUTED, EXTERNAL, Trait, traits_of
from fuzzconv.verdict import Kind, Verdict

IN_LIST = "numbers of a Constant node"
"""In ``value_float``, ``value_ints`` and their like."""
DOUBLE = "constant(float64)"
TYPED_HALF = "constant(float16,typed field)"
FIVE_DIMS = "MemoryData(rank=5)"
BATCH_OF_FOUR = "MemoryData(rank=4,batch)"
NOT_FLOAT32 = "not float32"
_SHORT_FILE = "ModelBin read"
"""ncnn's first words when the ``.bin`` ends too early."""
_CONSTANT = re.compile(r"'(.*?)' (\w+)\[")
RESULTS = frozenset({Kind.SHAPE_MISMATCH, Kind.NAN, Kind.DIVERGENCE})
_WITH_KERNELS = frozenset({"Conv", "ConvTranspose"})
_OTHER_FLOATS = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16})
_FED_WEIGHTS = frozenset(
    f"{name}{COMPUTED}"
    for name in ("W", "R", "B", "scale", "mean", "var", "input_mean", "input_var", "slope")
)
"""Traits of layers that have no weights of their own; a state or a summand may well be fed."""
_MOST_DIMS = 4
"""ncnn's blobs have no more dimensions."""


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


def storage_cause(case: Case, verdict: Verdict, traits: Collection[Trait]) -> tuple[str, ...]:
    """The storage of constants that a reduced case fails for, where that is no matter of its operators.

    Reduction makes storage plain first, and float64 into float32, so what is left of those it could not take
    away: the failure was gone without. A wrong result may be one operator's even so, unless no reader takes
    such constants; a crash and unread weights come from the reader of constants.
    """
    words = sorted({trait.word for trait in traits if trait.word.startswith(EXTERNAL)})
    converter = verdict.route.converter
    if words and verdict.kind is Kind.CRASH and all(0 in t.dims for t in case.model.graph.initializer):
        return ("constants(external data of no bytes)",)
    if words and (verdict.kind not in RESULTS or converter == "onnx2ncnn"):  # which reads none of it
        return (f"constants({words[-1]})",)
    if converter == "pnnx" and any(trait.word == "typed field" for trait in traits):
        typed = {_storage(tensor, converter) for tensor in stored_tensors(case)} & {TYPED_HALF}
        if typed:
            return (TYPED_HALF,)
    if _has_data_of_five_axes(case) and (converter == "onnx2ncnn" or verdict.kind.is_weight_fault):
        return (FIVE_DIMS,)
    if converter == "onnx2ncnn":
        elsewhere = _kept_elsewhere(case, verdict)
        told_by_result = elsewhere == NOT_FLOAT32 or (elsewhere == IN_LIST and _has_floats_in_list(case))
        if told_by_result or (elsewhere and verdict.kind not in RESULTS):
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
