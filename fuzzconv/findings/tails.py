"""Nodes that only spell out a recurrent layer's result in ONNX, and are no layer of the converted network.

ONNX gives an axis to the directions; every exporter writes ``Squeeze``, or ``Transpose`` and ``Reshape``,
behind ``LSTM``, ``GRU`` and ``RNN`` to be rid of it; a converter takes the lot for one layer. Which tail a
failing case has says nothing about its cause, so ``absorbed`` nodes stay out of signatures.
"""

from __future__ import annotations

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import Layer, read_layers

RECURRENT_LAYERS = frozenset({"LSTM", "GRU", "RNN"})
"""Types of ncnn layers, and ONNX operators, alike."""
_MOVERS = frozenset({"Squeeze", "Transpose", "Reshape"})
_MOVING_LAYERS = frozenset({"Squeeze", "Permute", "Reshape", "ExpandDims", "Flatten"})


def absorbed(case: Case, conversion: Conversion | None) -> frozenset[int]:
    """Positions of the tail nodes that the converter took into a recurrent layer.

    None where the network moves data behind such a layer: then a tail was converted, perhaps wrongly.
    """
    if conversion is None or not conversion.param or _moves_behind(read_layers(conversion.param)):
        return frozenset()
    nodes = case.model.graph.node
    given: set[str] = set()
    tail = set()
    for i, node in enumerate(nodes):
        if node.op_type in RECURRENT_LAYERS:
            given |= set(node.output)
        elif node.op_type in _MOVERS and node.input and node.input[0] in given:
            tail.add(i)
            given |= set(node.output)
    return frozenset(tail)


def _moves_behind(layers: list[Layer]) -> bool:
    """Whether a layer that moves data hangs behind a recurrent one; true without a recurrent one."""
    behind: set[str] = set()
    for layer in layers:
        if layer.type in RECURRENT_LAYERS or behind & set(layer.inputs):
            if behind & set(layer.inputs) and layer.type in _MOVING_LAYERS:
                return True
            behind |= set(layer.outputs)
    return not behind
