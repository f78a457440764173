"""Crashes of converters that tell nothing of their own: what in the graph makes them die.

pnnx dies later than it is damaged, at a place that is chance, so the graph names the cause and not the
operators around it. ``wordless_message`` knows the faults that were found by reading the source; another one
that shows the same way keeps the signature of its operators.
"""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import onnx

from fuzzconv.case import Case
from fuzzconv.findings.draft import stored_tensors
from fuzzconv.findings.parameters import BIAS, LIST_AS_INDEX, gathers_list
from fuzzconv.findings.subgraph import moving_nodes
from fuzzconv.findings.tails import RECURRENT_LAYERS
from fuzzconv.verdict import Kind, Verdict

SHARED_IN_SUM = "further operand of Sum that is used elsewhere"
MADE_BY_NONE = "output that no node makes"
FOLDED_OUTPUT = "output that is computed from constants alone"
FILLED = "integer input that the shape inference fills with a number of its own"
NOT_FILLED = "integer input that the shape inference does not fill"
CONSTANT_OUTPUT = "constant as an output of the graph"
UNREAD_NUMBER = "number of a type that the converter does not read"
WITHOUT_BIAS = "recurrent layer without a bias, which is read all the same"
NO_FLOATS = "numbers in another field than the two that the converter looks into"
LONE_OPERAND = "operand that has no second one, or a scalar in front of it"

HEAP = re.compile(
    r".*(double free|corrupt|(malloc|free)\w*\(\)|realloc\(\)|invalid pointer|malloc assertion).*"
)
"""What the C library says of a damaged heap."""
_WORDLESS = re.compile(
    r"#+ pass_\w+( onnx)?|\(it printed nothing\)|"
    rf"(SIG\w+: )?shape_inference \.\.\.(.*\[W:onnxruntime.*)?|{HEAP.pattern}"
)
_BAD_READ = "SIGSEGV"
_LOOKING = {
    "BatchNormalization": (4,),
    "ConvTranspose": (1,),
    "GRU": (1, 2, 3),
    "LSTM": (1, 2, 3),
    "MatMul": (1,),
    "RNN": (1, 2, 3),
    "Transpose": (0,),
}
"""Operands whose numbers onnx2ncnn turns round by itself, from ``raw_data`` or else from ``float_data``."""
_MATRICES_ALONE = frozenset({"MatMul", "Transpose"})
_SWAPPED = [1, 0]
_INDEX = "CHECK failed: (index)"
"""What protobuf says of an element that a list does not have."""
_RUN = "ort Run failed"
"""pnnx fills int64 inputs with 7, int32 ones and single numbers not at all, and uses what a run yields that
failed (``shape_inference.cpp``)."""
NO_PARAMETER = "map::at"
"""What the C++ library says of a parameter that is not there."""
_READ_TYPES = frozenset(
    {onnx.TensorProto.INT32, onnx.TensorProto.INT64, onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL}
    | {onnx.TensorProto.FLOAT16}
)
_IN_HALF = "fp16=1"
_NOT_IN_MAP = re.compile(r"\bmap::at$")
"""What is said of an operand that is no longer there, not of an attribute (``unordered_map::at``)."""
_BINARY = frozenset({"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"})
_TURNED = frozenset({"Sub", "Div"})
"""They get another name when their scalar is taken away, and are not looked at again."""
_NOTHING_DONE = frozenset({"Identity", "Dropout"})
_NOT_UNROLLED = 2
"""Operands of ``Sum`` that pnnx's ``add`` takes; each further one gets an ``add`` of its own."""


def wordless_message(case: Case, verdict: Verdict) -> str:
    """The known cause in the graph of a crash without a word of the tool's own; empty when there is none."""
    said = str(verdict.evidence.get("message") or "")
    if verdict.kind is not Kind.CRASH or verdict.stage != "convert":
        return ""
    if verdict.route.converter != "pnnx":
        if verdict.evidence.get("signal") == _BAD_READ and readers_of_no_floats(case):
            return NO_FLOATS
        if _INDEX in said and lacks_bias(case):
            return WITHOUT_BIAS
        return LONE_OPERAND if _INDEX in said and _has_lone_operand(case) else ""
    integers = [array for array in case.inputs.values() if array.dtype.kind in "iu"]
    if _RUN in said and integers:
        filled = any(array.ndim and array.dtype == np.int64 for array in integers)
        return FILLED if filled else NOT_FILLED
    if NO_PARAMETER in said and any(map(_is_unread_number, stored_tensors(case))):
        return UNREAD_NUMBER
    if NO_PARAMETER in said and output_of_none(case) == FOLDED_OUTPUT:
        return CONSTANT_OUTPUT
    if _shares_in_sum(case) and _NOT_IN_MAP.search(said):
        return SHARED_IN_SUM
    if not _WORDLESS.fullmatch(said):
        return ""
    if verdict.route.setting == _IN_HALF and any(
        t.data_type == onnx.TensorProto.DOUBLE for t in stored_tensors(case)
    ):
        return ""  # what writes doubles in half damages the heap by itself
    if _shares_in_sum(case):
        return SHARED_IN_SUM
    if HEAP.search(said) and gathers_list(case):
        return LIST_AS_INDEX
    none = output_of_none(case)
    return none if none != FOLDED_OUTPUT or _looks_past_outputs(case) else ""


def _is_unread_number(tensor: onnx.TensorProto) -> bool:
    """Whether a constant is one number of a type that ``pass_onnx.cpp`` has no reader for."""
    return tensor.data_type not in _READ_TYPES and all(size == 1 for size in tensor.dims)


def _has_lone_operand(case: Case) -> bool:
    """onnx2ncnn reads a second operand, also where it has just taken a scalar away from in front of it.

    Source: ``fuse_binaryop_with_scalar`` of ``onnx2ncnn.cpp``.
    """
    scalars = {tensor.name for tensor in stored_tensors(case) if not tensor.dims}
    for node in case.model.graph.node:
        if node.op_type in _BINARY and len(node.input) == 1:
            return True
        if node.op_type in _BINARY - _TURNED and node.input[0] in scalars:
            return True
    return False


def lacks_bias(case: Case) -> bool:
    """Whether a recurrent operator has no bias: onnx2ncnn reads one, and writes what it has not read."""
    nodes = (case.model.graph.node[position] for position in moving_nodes(case))
    return any(not any(n.input[BIAS : BIAS + 1]) for n in nodes if n.op_type in RECURRENT_LAYERS)


def readers_of_no_floats(case: Case) -> tuple[str, ...]:
    """Types of the operators that onnx2ncnn reads constants of that lie in no field it looks into.

    Each has a branch that reads from a null pointer then (``float_data().data()`` in ``onnx2ncnn.cpp``).
    """
    outside = {t.name for t in case.model.graph.initializer} if case.external_data else set()
    unread = {
        tensor.name: len(tensor.dims)
        for tensor in stored_tensors(case)
        if not tensor.HasField("raw_data") and not tensor.float_data and 0 not in tensor.dims
    }
    found = set()
    for node in case.model.graph.node:
        read = {node.input[i] for i in _LOOKING.get(node.op_type, ()) if i < len(node.input)} - outside
        ranks = {unread[name] for name in read & unread.keys()}
        fits = node.op_type not in _MATRICES_ALONE or ranks == {len(_SWAPPED)}
        swapped = node.op_type != "Transpose" or any([*a.ints] == _SWAPPED for a in node.attribute)
        if ranks and fits and swapped:
            found.add(node.op_type)
    return tuple(sorted(found))


def _shares_in_sum(case: Case) -> bool:
    """pnnx forgets all other readers of a third operand (``pass_onnx.cpp``, "unroll sum")."""
    readers = Counter(name for node in case.model.graph.node for name in node.input)
    sums = (node for node in case.model.graph.node if node.op_type == "Sum")
    return any(readers[name] > 1 for node in sums for name in node.input[_NOT_UNROLLED:])


def output_of_none(case: Case, lost: str = "") -> str:
    """What the lost output, or any, is if no node makes it: an input or a constant, once idle nodes are gone.

    pnnx gives the one a new name too few (``canonicalize.cpp``) and expects the other of a run that has no
    such output (``shape_inference.cpp``).
    """
    told = _outputs(case)
    wanted = {told[lost]} if lost in told else set(told.values())
    return next((message for message in (MADE_BY_NONE, FOLDED_OUTPUT) if message in wanted), "")


def _outputs(case: Case) -> dict[str, str]:
    """What each output is if no node makes it; empty for what one makes."""
    graph = case.model.graph
    moving = [graph.node[position] for position in moving_nodes(case)]
    made = {name for node in moving if node.op_type not in _NOTHING_DONE for name in node.output}
    idle = [node for node in graph.node if node.op_type in _NOTHING_DONE]
    passed = {node.output[0]: node.input[0] for node in idle}
    made |= {name for node in idle for name in node.output[1:]}

    def told(name: str) -> str:
        if name in passed:
            return told(passed[name])
        return "" if name in made else MADE_BY_NONE if name in case.inputs else FOLDED_OUTPUT

    return {output.name: told(output.name) for output in graph.output}


def _looks_past_outputs(case: Case) -> bool:
    """Whether pnnx, bringing outputs into their order again, looks for one behind those that it still has."""
    told = list(_outputs(case).values())
    first = told.index(FOLDED_OUTPUT) if FOLDED_OUTPUT in told else len(told)
    return "" in told[first:] or set(told) == {FOLDED_OUTPUT}
