"""Graphs that a converter took for one layer: ``fusion_message`` names the layer.

A converter recognises attention, normalisations and activations that are written out in many operators. Where
the layer it makes of them is wrong, the cause is that recognition, and it takes all of the operators to show
it; so the layer names the cause, and not its twenty operators.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.subgraph import operator_nodes
from fuzzconv.judgement import Judgement
from fuzzconv.verdict import Kind, Verdict

FUSED = "operators fused into one "
GELU = "Gelu in its tanh form taken for the exact one"
_EXACT_GELU = ("F.gelu ", "nn.GELU ")
_EXACT_OPERATORS = frozenset({"Erf", "Gelu"})
_ERF = re.compile(r"^torch\.erf |\berf\(", re.MULTILINE)
_LARGEST_OF_TANH = 1e-3
FEWEST = 4
"""So many operators at least: fewer are told by their names better."""
_ATTENTION = frozenset({"MultiHeadAttention", "SDPA"})
FEWEST_OF_ATTENTION = 10
_MOST_BESIDE = 5
_NOT_COMPUTING = frozenset({"Input", "Split", "MemoryData", "Noop"})


def fusion_message(judgement: Judgement, conversion: Conversion) -> str:
    """``operators fused into one LAYER`` where a wrong network has one computing layer; else empty.

    Attention made of a dozen operators is named also with a few layers beside it.
    """
    count = len(operator_nodes(judgement.case.model))
    types = [layer.type for layer in read_layers(conversion.param or "") if layer.type not in _NOT_COMPUTING]
    attention = sorted(_ATTENTION & set(types))
    made_of_many = count >= FEWEST_OF_ATTENTION and "Attention" not in judgement.case.operators
    if attention and made_of_many and len(types) <= _MOST_BESIDE:
        return f"{FUSED}{attention[0]}"
    made = len(types) == 1 and count >= FEWEST and not _is_named(types[0], judgement.case.operators)
    return f"{FUSED}{types[0]}" if made else ""


def _is_named(layer: str, operators: Collection[str]) -> bool:
    """Whether the graph has an operator of the layer's name: the others around it only move data."""
    names = [(layer.lower(), operator.lower()) for operator in operators]
    return any(one.startswith(other) or other.startswith(one) for one, other in names)


def gelu_message(case: Case, verdict: Verdict, conversion: Conversion) -> str:
    """``GELU`` where pnnx made the exact function of the tanh form, which explains errors of that size.

    The two differ by less than 5e-4, which is more of a small result; what is further off has another cause.
    """
    errors = (_number(verdict.evidence.get(name)) for name in ("max_abs", "max_rel"))
    near = verdict.kind is Kind.DIVERGENCE and min(errors) < _LARGEST_OF_TANH
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace")
    exact = sum(line.startswith(_EXACT_GELU) and "approximate=tanh" not in line for line in text.splitlines())
    told = [node.op_type in _EXACT_OPERATORS for node in case.model.graph.node].count(True)
    told -= len(_ERF.findall(text))  # what is left of Erf has become no gelu
    return GELU if near and exact > max(told, 0) and "Tanh" in case.operators else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("inf")
