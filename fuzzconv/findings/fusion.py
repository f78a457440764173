"""Graphs that a converter took for one layer: ``fusion_message`` names the layer.

A converter recognises attention, normalisations and activations that are written out in many operators. Where
the layer it makes of them is wrong, the cause is that recognition, and it takes all of the operators to show
it; so the layer names the cause, and not its twenty operators.
"""

from __future__ import annotations

from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.subgraph import operator_nodes
from fuzzconv.judgement import Judgement

FUSED = "operators fused into one "
FEWEST = 4
"""So many operators at least: fewer are told by their names better."""
_NOT_COMPUTING = frozenset({"Input", "Split", "MemoryData", "Noop"})


def fusion_message(judgement: Judgement, conversion: Conversion) -> str:
    """``operators fused into one LAYER`` where a wrong network has one computing layer; else empty."""
    if len(operator_nodes(judgement.case.model)) < FEWEST:
        return ""
    types = [layer.type for layer in read_layers(conversion.param or "") if layer.type not in _NOT_COMPUTING]
    return f"{FUSED}{types[0]}" if len(types) == 1 else ""
