"""Invalid models that kill whoever infers their shapes, onnx and onnxruntime alike, instead of being refused.

Both share onnx's inference functions, and both run inside our own processes.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx


def fatal_flaw(model: onnx.ModelProto) -> str:
    """What makes a model deadly to infer shapes of; empty when there is no such thing.

    ``Split`` from opset 18 on: sizes are counted by ``num_outputs``, and read for each output there is
    (``onnx/defs/tensor/defs.cc``).
    """
    for node in _nodes(model.graph):
        told = [a.i for a in node.attribute if a.name == "num_outputs"]
        if node.op_type == "Split" and told and told[0] != len(node.output):
            return f"Split has {len(node.output)} outputs and num_outputs={told[0]}"
    return ""


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes of a graph and of the graphs within it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)
