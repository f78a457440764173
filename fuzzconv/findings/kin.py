"""Operators that the tools under test handle with one piece of code: a bug of one is usually a bug of all.

Two findings of one kind that differ only in which of such operators they name are one cause; the later one
becomes a *variant* of the earlier. The groups follow the sources of pnnx (``pass_ncnn``), onnx2ncnn and ncnn
(one layer type, one branch).
"""

from __future__ import annotations

from dataclasses import replace

from fuzzconv.findings.finding import Signature
from fuzzconv.findings.signature import covers
from fuzzconv.findings.traits import split_operator

_GROUPS = {
    "Reduction": "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
    "ReduceSum ReduceSumSquare",
    "BinaryOp": "Add Sub Mul Div Pow Max Min Sum Mean",
    "Comparison": "Equal Greater GreaterOrEqual Less LessOrEqual",
    "Logical": "And Or Xor Not",
    "GlobalPooling": "GlobalAveragePool GlobalMaxPool GlobalLpPool",
    "Squeeze": "Squeeze Unsqueeze",
    "Recurrent": "LSTM GRU RNN",
    "ArgReduction": "ArgMax ArgMin",
}
_GROUP_OF = {operator: group for group, names in _GROUPS.items() for operator in names.split()}


def grouped(signature: Signature) -> Signature:
    """The signature with group names in place of the operators' own."""
    return replace(signature, operators=tuple(map(_grouped, signature.operators)))


def is_variant(known: Signature, other: Signature) -> bool:
    """Whether ``other`` is covered by ``known`` but for operators of one group."""
    return covers(grouped(known), grouped(other))


def _grouped(text: str) -> str:
    name, words = split_operator(text)
    group = _GROUP_OF.get(name, name)
    return f"{group}({','.join(sorted(words))})" if words else group
