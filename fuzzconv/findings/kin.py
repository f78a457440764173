"""Operators that the tools under test handle with one piece of code: a bug of one is usually a bug of all.

Two findings of one kind that differ only in which of such operators they name are one cause; the later one
becomes a *variant* of the earlier. The groups follow the sources of pnnx (``pass_ncnn``), onnx2ncnn and ncnn
(one layer type, one branch).

Damage shows where it happens to: constants that a converter does not read make it crash, or write too little,
or write what ncnn refuses, and of a crash without a word of the tool's own its place is chance. So
``is_symptom`` holds such findings together whatever their families say.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

import onnx

from fuzzconv.findings.finding import Signature
from fuzzconv.findings.signature import UNKNOWN_LAYER, covers, same_frame
from fuzzconv.findings.storage import FIVE_DIMS, IN_LIST, NOT_FLOAT32, TYPED_HALF
from fuzzconv.findings.traits import EXTERNAL, OLD_OPSET, split_operator
from fuzzconv.findings.written import SYMPTOMS

_GROUPS = {
    "Reduction": "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum ReduceSumSquare",
    "BinaryOp": "Add Sub Mul Div Pow Max Min",
    "Comparison": "Equal Greater GreaterOrEqual Less LessOrEqual",
    "Logical": "And Or Xor Not",
    "Pooling": "AveragePool MaxPool LpPool",
    "GlobalPooling": "GlobalAveragePool GlobalMaxPool GlobalLpPool",
    "Squeeze": "Squeeze Unsqueeze",
    "Recurrent": "LSTM GRU RNN",
    "ArgReduction": "ArgMax ArgMin",
    "LayerNorm": "LayerNormalization RMSNormalization",
    "Softmax": "Softmax LogSoftmax Hardmax",
    "Interp": "Resize Upsample",
}
_OF_OWN_FUNCTIONS = frozenset({"BinaryOp", "Comparison", "Logical", "Reduction", "Softmax"})
"""Groups whose operators share all but the function: what two of them have no word in common for is that."""
_WORDLESS = re.compile(r"(SIG\w+)?(: )?(heap corruption|#+ pass_\w+( onnx)?|\(it printed nothing\))?")
_NCNN = "ncnn"
_INTEGERS = frozenset({"int64", "int32"})
"""One type to ncnn. As weights fp16=1 has no business with them: they are as wrong with it as without."""
_UNREAD = (EXTERNAL, IN_LIST, "constants(computed)", f"constants({NOT_FLOAT32})", TYPED_HALF, FIVE_DIMS)
"""Constants of which a converter reads nothing, so that what it says comes from what happens to be there."""
_EITHER_ONE = {
    "first constant": "constant",
    "other constant": "constant",
    "sizes": "scales",
    "initial_c": "initial_h",
}
"""Words one of which an operator always has, whatever its cause: which one says little."""
_VALUE_IGNORED = re.compile(r"(coordinate_transformation_mode|nearest_mode)=(?!align_corners)\w+")
"""Attributes whose value nothing is made of, unless it is this one: any of the others is as wrong."""
_DECISIVE = frozenset({"alpha", "broadcast", "coordinate_transformation_mode", "nearest_mode", OLD_OPSET})
"""Words that no operator beside has an interest in: with them an operator is wrong in whatever company."""
_ANY_ONE = frozenset({"axis"})
"""Attributes whose value says little: an operator has to have one."""
_SIZE = re.compile(r"large|rank=\d+")
_GROUP_OF = {operator: group for group, names in _GROUPS.items() for operator in names.split()}


def grouped(signature: Signature) -> Signature:
    """The signature with group names in place of the operators' own."""
    return replace(signature, operators=tuple(map(_grouped, signature.operators)))


def is_variant(known: Signature, other: Signature) -> bool:
    """Whether ``other`` is covered by ``known`` but for operators of one group.

    Words of size (``large``, ``rank=3``) tell how far reduction came: what differs in them alone is one too.
    """
    alone = len(known.operators) == len(other.operators) == 1 and not known.message
    if alone and _differ_in_function(known.operators[0], other.operators[0]):
        return False
    one, two = grouped(known), grouped(other)
    return covers(one, two) or (same_frame(one, two) and _sizeless(one) == _sizeless(two))


def is_generalised(known: Signature, other: Signature) -> bool:
    """Whether ``known`` is a special case of ``other`` that happened to be found first.

    What it was special in may be how its case was built; an attribute had a say in it.
    """
    attributes = (_lost_attributes(*pair) for pair in zip(known.operators, other.operators, strict=False))
    by_chance = bool(known.condition)  # what one option or device alone does depends on sizes and packing
    return is_variant(other, known) and (by_chance or not any(attributes))


def is_part(known: Signature, other: Signature) -> bool:
    """Whether ``known`` is one operator's, by a word that names its fault, and in ``other`` too."""
    one, two = grouped(known), grouped(other)
    if not same_frame(one, two) or len(one.operators) != 1:
        return False
    (name, words), *_ = map(split_operator, one.operators)
    others = list(map(split_operator, two.operators))
    return bool(words & _DECISIVE) and any(other[0] == name and words <= other[1] for other in others)


def is_symptom(known: Signature, other: Signature) -> bool:
    """Whether one cause shows both: constants that are not read, a batch axis gone, damaged memory."""
    told = known.message in SYMPTOMS and known.message == other.message
    told = told and grouped(known).operators == grouped(other).operators
    if told and known.condition == other.condition and _NCNN in (known.converter, other.converter):
        return True
    if known.converter != other.converter:
        return False
    if known.family == other.family == "weights" and known.operators == other.operators:
        integers = any(_INTEGERS & split_operator(operator)[1] for operator in known.operators)
        if integers and {known.condition, other.condition} <= {"", "fp16=1"}:
            return True
    if known.family == other.family == "result" and known.operators == other.operators:
        return known.converter == _NCNN and _one_row_in_the_other(known, other)
    if {known.family, other.family} == {"crash", "result"} and known.converter == _NCNN and _on_cpu(known):
        return known.condition == other.condition and _of_one_operator(known, other)
    if known.condition != other.condition:
        return False
    if known.operators == other.operators and any(w in o for w in _UNREAD for o in known.operators):
        return True
    if told:
        return True
    if known.message == other.message and known.message.startswith(UNKNOWN_LAYER):
        return bool(_names(known) & _names(other))
    crashes = known.family == other.family == "crash" and known.stage == other.stage
    return crashes and wordless(known) and wordless(other) and is_variant(known, _said(other, known.message))


def _differ_in_function(one: str, other: str) -> bool:
    """Whether two operators of one group are each wrong by itself: no attribute tells what they share."""
    (name, words), (its_name, its_words) = split_operator(_grouped(one)), split_operator(_grouped(other))
    alone = split_operator(one)[0] != split_operator(other)[0] and not words & its_words
    return alone and name == its_name and name in _OF_OWN_FUNCTIONS


def _lost_attributes(one: str, other: str) -> set[str]:
    """The attributes that ``one`` is named with and ``other``, an operator of its group, is not."""
    (name, words), (its_name, its_words) = split_operator(one), split_operator(other)
    if _GROUP_OF.get(name, name) != _GROUP_OF.get(its_name, its_name) or not onnx.defs.has(name):
        return set()
    declared = onnx.defs.get_schema(name).attributes.keys() - _ANY_ONE
    return {word for word in words - its_words if word.partition("=")[0] in declared}


def _one_row_in_the_other(one: Signature, other: Signature) -> bool:
    """Whether both fail under option rows of the CPU alone, and one row sets all that the other sets."""
    rows = [set(signature.condition.split("-")) for signature in (one, other)]
    return _on_cpu(one) and _on_cpu(other) and (rows[0] < rows[1] or rows[1] < rows[0])


def _on_cpu(signature: Signature) -> bool:
    """Whether it fails under an option row of the CPU alone."""
    return bool(signature.condition) and "vulkan" not in signature.condition


def _of_one_operator(one: Signature, other: Signature) -> bool:
    """Whether both are named after one operator, with a word in common: damaged memory shows either way."""
    if not len(one.operators) == len(other.operators) == 1:
        return False
    (name, words), (its_name, its_words) = (split_operator(s.operators[0]) for s in (one, other))
    return name == its_name and any(not _SIZE.fullmatch(word) for word in words & its_words)


def _names(signature: Signature) -> set[str]:
    return {split_operator(text)[0] for text in grouped(signature).operators}


def wordless(signature: Signature) -> bool:
    """Whether the tool itself said nothing of what is wrong."""
    return _WORDLESS.fullmatch(signature.message) is not None


def _said(signature: Signature, message: str) -> Signature:
    return replace(signature, message=message)


def _grouped(text: str) -> str:
    name, words = split_operator(text)
    words = words - _INTEGERS | {"integers"} if words & _INTEGERS else words
    words = frozenset(_VALUE_IGNORED.sub(r"\1", _EITHER_ONE.get(word, word)) for word in words)
    return _joined(_GROUP_OF.get(name, name), words)


def _sizeless(signature: Signature) -> tuple[str, ...]:
    taken_apart = map(split_operator, signature.operators)
    return tuple(_joined(name, {w for w in words if not _SIZE.fullmatch(w)}) for name, words in taken_apart)


def _joined(name: str, words: Collection[str]) -> str:
    return f"{name}({','.join(sorted(words))})" if words else name
