"""One line for people about a finding, e.g. ``pnnx: AveragePool with ceil_mode=1 gives wrong values``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fuzzconv.errors import UsageError
from fuzzconv.findings.axes import FIRST_AXIS, FROM_THE_END, ONE_AXIS, WITHOUT_SLICED
from fuzzconv.findings.batch import (
    AXIS_OF_BIAS,
    BEHIND_RECURRENT,
    BESIDE_RECURRENT,
    FIVE_AXES,
    GIVEN_STATE,
    LOWER_BATCH,
    ONE_BLOB,
    TRANSPOSED,
)
from fuzzconv.findings.broadcasts import LOWER_RANK
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.fusion import FUSED, GELU
from fuzzconv.findings.kept import CONSTANT_KEEPS_IT, MATRIX_LOSES_IT, STATE_KEEPS_IT
from fuzzconv.findings.kernels import KERNEL_LEFT_OUT, KERNEL_OF_THREE
from fuzzconv.findings.legacy import (
    CEIL_OVER_SAME,
    CROPS_NOTHING,
    DEFAULT_AXIS,
    DEFAULT_ORDER,
    GATHER_DEFAULT,
    INDEX_KEEPS_AXIS,
    NOT_FLATTENED,
    ONE_OPERAND,
    PAD_OF_ONE,
    POOLED_AXES,
    RECURRENT_AXES,
    RECURRENT_BATCH,
    SHORTENED,
    WITHOUT_ORDER,
)
from fuzzconv.findings.nearest import NEAREST
from fuzzconv.findings.parameters import (
    AXES_MISSING,
    BIAS_AS_STATE,
    ELLIPSIS,
    FOLDED_ALONG_ROWS,
    FOUR_REPEATS,
    INTEGERS,
    LARGEST_OF_ALL,
    LIST_AS_INDEX,
    NOT_WHOLE,
    SAME_OF_ONE,
    TWO_OF_MANY,
    WITHOUT_AXES,
    WITHOUT_AXIS,
    WITHOUT_KEEPDIMS,
    WITHOUT_PADS,
    WITHOUT_SIZES,
)
from fuzzconv.findings.products import FLATTENED, PRODUCT_AS_GEMM
from fuzzconv.findings.reshapes import FIVE_SIZES, WITHOUT_ALL, WITHOUT_FIRST, ZERO_COPIES
from fuzzconv.findings.signature import UNKNOWN_TORCH
from fuzzconv.findings.storage import IN_LIST
from fuzzconv.findings.traits import LARGE, OLD_OPSET, split_operator
from fuzzconv.findings.wordless import (
    CONSTANT_OUTPUT,
    FILLED,
    FOLDED_OUTPUT,
    LONE_OPERAND,
    MADE_BY_NONE,
    NO_FLOATS,
    NOT_FILLED,
    SHARED_IN_SUM,
    UNREAD_NUMBER,
    WITHOUT_BIAS,
)
from fuzzconv.findings.written import CONSTANT_AS_BLOB, NOTHING_LEFT, WEIGHT_AS_BLOB
from fuzzconv.runtime.options import SWITCHES, switches_of
from fuzzconv.verdict import Kind, Verdict

_PHRASES = {
    OLD_OPSET: "its meaning in older opsets",
    IN_LIST: "value_float(s) or value_int(s) of a Constant node",
    "not float32": "a constant that is not float32",
    "nothing written": "no bytes written for it",
    "large": f"a dimension above {LARGE}",
    "broadcast": "broadcasting",
    "first constant": "a constant first operand",
    "other constant": "a constant operand",
    "Constant node": "a Constant node as input",
    "typed field": "a weight in a typed field",
    "external data": "external data",
    "batch": "a first size above 1",
}
_ANY = {
    NOTHING_LEFT: "an output that no layer is left for",
    WITHOUT_AXES: "a reduction over some axes, none of them passed on,",
    WITHOUT_KEEPDIMS: "a reduction of everything, keepdims not passed on,",
    WITHOUT_PADS: "a padding of which not all pads are passed on",
    POOLED_AXES: "a layer behind global pooling, which leaves no axes of size 1,",
    LIST_AS_INDEX: "Gather with a list of indices",
    SHARED_IN_SUM: "Sum of three or more, one of the further operands used elsewhere too,",
    GELU: "Gelu written out in its tanh form",
    UNREAD_NUMBER: "a constant of one element of a type that is not read (float64, bfloat16, int16, …)",
    LONE_OPERAND: "an operator of two whose first operand is a scalar constant or its only one",
    MADE_BY_NONE: "an output that is an input",
    FOLDED_OUTPUT: "an output that is computed from constants alone",
    UNKNOWN_TORCH: "an operator that stays torch's",
    CONSTANT_AS_BLOB: "a layer of one input that is given a constant (axes, pads) as a second one",
    ONE_BLOB: "an output beside another one that differs in its batch axis alone",
    GIVEN_STATE: "the last state of a recurrent layer, taken for one without a batch,",
    STATE_KEEPS_IT: "a constant (a recurrent state, say) that keeps a batch axis other than the first",
    CONSTANT_KEEPS_IT: "a constant that keeps its batch axis where the others lose theirs",
    ELLIPSIS: "Einsum of several operands with an ellipsis",
    ONE_OPERAND: "a sum of one operand",
    WITHOUT_ORDER: "Transpose of an order that there is no Permute for",
    DEFAULT_ORDER: "Transpose of the order that is its default",
    SHORTENED: "Concat along the first axis beside a constant that has lost it",
    ONE_AXIS: "an image of other than two axes, written as one of two",
    FROM_THE_END: "an axis counted from the end",
    FILLED: "an integer input that its shape inference fills with 7",
    NOT_FILLED: "an int32 or scalar input, which its shape inference leaves as it is in memory,",
    WITHOUT_SLICED: "no axes given",
    CONSTANT_OUTPUT: "a constant as an output of the graph",
    FIRST_AXIS: "an operator along the first axis, which is taken for a batch",
    WITHOUT_SIZES: "Split in equal parts",
    WITHOUT_AXIS: "Split along its default axis",
    FOUR_REPEATS: "repeating along four axes",
    FOLDED_ALONG_ROWS: "a BatchNormalization behind a product of rank 3, folded into it,",
    TRANSPOSED: "Gemm with transA=1 behind a layer with a batch",
    FIVE_AXES: "a tensor of five axes, none of which is a batch,",
    MATRIX_LOSES_IT: "a product with a matrix whose first axis is taken for a batch",
    NEAREST: "Resize to the nearest element by another rule than asymmetric and floor",
    NOT_WHOLE: "Resize to sizes along one axis",
    TWO_OF_MANY: "Max or Min of more than two operands",
    SAME_OF_ONE: "a pooling with auto_pad=SAME_… and strides, whose pads are those of stride 1,",
    AXES_MISSING: "Unsqueeze with several axes, one of which is taken for the batch,",
    BIAS_AS_STATE: "a recurrent layer whose bias is taken for its state",
    INDEX_KEEPS_AXIS: "a layer behind Gather with one index, whose axis is kept,",
    LARGEST_OF_ALL: "Max or Min of one operand, taken for one over its elements,",
    WITHOUT_BIAS: "a recurrent layer without a bias",
    NO_FLOATS: "weights of another type than float32 in a typed field",
    FIVE_SIZES: "Reshape to five axes",
    WITHOUT_FIRST: "Reshape to a first axis of more than one, which is dropped,",
    WITHOUT_ALL: "Reshape to six axes or none",
    FLATTENED: "MatMul of more than two axes, which are lost,",
    KERNEL_LEFT_OUT: "kernel_shape left out",
    RECURRENT_BATCH: "a recurrent layer whose batch is taken for its steps",
    RECURRENT_AXES: "a recurrent layer, which leaves no axis for directions,",
    CROPS_NOTHING: "Slice along the batch alone, written as a Crop without axes,",
    LOWER_RANK: "an operator whose operands have different numbers of axes",
    PRODUCT_AS_GEMM: "MatMul of what is no single matrix, written as a Gemm,",
    INTEGERS: "a layer that computes with an integer input as if it were floating point",
    PAD_OF_ONE: "Pad of a tensor of one axis",
    LOWER_BATCH: "an operand with a batch and fewer axes than the other one",
    GATHER_DEFAULT: "Gather along the first axis by default",
    ZERO_COPIES: "Reshape that copies a size by 0, to another number of axes,",
    DEFAULT_AXIS: "Softmax along the last axis by default",
    NOT_FLATTENED: "Softmax of older opsets over several axes",
    AXIS_OF_BIAS: "a layer behind a product, whose batch axis is taken from its bias,",
    CEIL_OVER_SAME: "a pooling with auto_pad=SAME_… and ceil_mode=1",
    KERNEL_OF_THREE: "images of three axes",
    WEIGHT_AS_BLOB: "a weight that is another layer's operand too",
    BEHIND_RECURRENT: "a layer with another batch axis behind a recurrent one",
    BESIDE_RECURRENT: "a recurrent layer beside a layer with another batch axis",
}
_ANY_CRASH = "an error of its onnxruntime"
_CONDITIONS = {"fp16=1": "with fp16=1", "vulkan": "on Vulkan"}
_OUTCOMES = {
    Kind.NAN: "gives NaN or infinity",
    Kind.NONDETERMINISM: "gives different values from run to run",
    Kind.WEIGHT_LOST: "loses weights",
    Kind.WEIGHT_NAN: "makes weights NaN or infinite",
}
_LONGEST_MESSAGE = 120
_MOST_NAMED = 5
UNDEFINED = "undefined"
"""Key of a verdict's evidence: the wrong values are others in another process."""


def title_of(signature: Signature, verdict: Verdict) -> str:
    """The title of a finding: who, what, when it happens and what comes of it."""
    subject = _operators(signature.operators) or _told(signature.message)
    if signature.operators and signature.message in _ANY:
        subject += f" ({_ANY[signature.message].rstrip(',')})"
    conditions = [_condition(c) for c in signature.condition.split("+") if c]
    only = ["only"] if conditions else []
    return " ".join([f"{_culprits(signature)}:", subject, *conditions, *only, _outcome(signature, verdict)])


def _operators(operators: Sequence[str]) -> str:
    """All of them, or the ends of a long chain."""
    if len(operators) > _MOST_NAMED:
        operators = (operators[0], f"{len(operators) - 2} operators", operators[-1])
    return " then ".join(map(_operator, operators))


def _told(message: str) -> str:
    if message.startswith(FUSED):
        return f"a graph taken for one {message.removeprefix(FUSED)} layer"
    return _ANY.get(message, _ANY_CRASH)


def _condition(word: str) -> str:
    """A condition for people; an option row by the fields of ``ncnn.Option`` that it sets."""
    if word in _CONDITIONS:
        return _CONDITIONS[word]
    try:
        settings = {k: v for switch in switches_of(word) for k, v in SWITCHES[switch].items()}
    except UsageError:
        return f"on {word}"
    return f"with {', '.join(f'{name}={int(value)}' for name, value in settings.items())}"


def _culprits(signature: Signature) -> str:
    """Whose bug it seems: where both converters' results are wrong alike on the CPU too, that is open."""
    if signature.converter == "ncnn" and signature.family == "result" and not signature.condition:
        return "pnnx and onnx2ncnn"
    return signature.converter


def _operator(text: str) -> str:
    name, words = split_operator(text)
    phrases = [_phrase(word) for word in sorted(words)]
    if not phrases:
        return name
    listed = " and ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))
    return f"{name} with {listed}"


def _phrase(word: str) -> str:
    name, _, number = word.partition("=")
    if name == "inputs":
        return "one input" if number == "1" else f"{number} inputs"
    return f"rank {number}" if name == "rank" else _PHRASES.get(word, word)


def _outcome(signature: Signature, verdict: Verdict) -> str:
    evidence = verdict.evidence
    if signature.family == "crash":
        who = "the converter" if signature.stage == "convert" else f"ncnn ({signature.stage})"
        told = (
            evidence.get("signal") if signature.operators or signature.message in _ANY else signature.message
        )
        return f"crashes {who}{_in_brackets(told)}"
    if signature.family == "hang":
        return f"hangs {'the converter' if signature.stage == 'convert' else 'ncnn'}"
    if signature.family == "refused":
        return f"is refused{_in_brackets(signature.message)}"
    if signature.family == "load":
        unknown = evidence.get("unknown_layer")
        told = evidence.get("message") if signature.message in _ANY else signature.message
        return f"can't be run by ncnn{_in_brackets(f'unknown layer {unknown}' if unknown else told)}"
    return _wrong_values(verdict)


def _wrong_values(verdict: Verdict) -> str:
    evidence = verdict.evidence
    if evidence.get(UNDEFINED) and verdict.kind is not Kind.SHAPE_MISMATCH:
        return "gives undefined values, others in each process"
    if verdict.kind is Kind.SHAPE_MISMATCH:
        shapes = (evidence.get("actual_shape"), evidence.get("shape"))
        told = f"{shapes[0]} instead of {shapes[1]}" if all(s is not None for s in shapes) else None
        return f"gives the wrong shape{_in_brackets(told)}"
    if verdict.kind is Kind.DIVERGENCE:
        error = evidence.get("max_abs")
        told = f"max error {error:.2g}" if isinstance(error, float) and math.isfinite(error) else None
        return f"gives wrong values{_in_brackets(told)}"
    if verdict.kind is Kind.WEIGHT_SHIFT:
        shift = evidence.get("shift_bytes")
        return f"puts weights in the wrong place{_in_brackets(f'{shift} bytes off' if shift else None)}"
    return _OUTCOMES[verdict.kind]


def _in_brackets(told: object) -> str:
    return f" ({str(told)[:_LONGEST_MESSAGE]})" if told else ""
