"""What has part in what: the flow of data through a graph, ONNX's or ncnn's.

Marks are bits of an integer, given to steps and to tensors; ``Flow.spread`` tells which of them reach each
step and each tensor, at one integer operation per edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import onnx

from fuzzconv.converters.layers import Layer

Marks = Mapping[str, int]


@dataclass(frozen=True)
class Step:
    """A node or layer: a name that no other has, and the tensors it reads and writes."""

    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]


@dataclass(frozen=True)
class Flow:
    """The steps of a graph, in an order in which each tensor is written before it is read."""

    steps: Sequence[Step]

    def spread(self, of_steps: Marks, of_tensors: Marks) -> tuple[Marks, Marks]:
        """The marks of everything before each step (its own left out), and before each tensor."""
        at_steps: dict[str, int] = {}
        at_tensors = dict(of_tensors)
        for step in self.steps:
            arrived = 0
            for name in step.inputs:
                arrived |= at_tensors.get(name, 0)
            at_steps[step.name] = arrived
            for name in step.outputs:
                at_tensors[name] = at_tensors.get(name, 0) | arrived | of_steps.get(step.name, 0)
        return at_steps, at_tensors


def flow_of_graph(graph: onnx.GraphProto) -> Flow:
    """The flow of an ONNX graph."""
    return Flow([Step(step_name(node), node.input, node.output) for node in graph.node])


def step_name(node: onnx.NodeProto) -> str:
    """What a node is called in a flow: as its first output."""
    return next(filter(None, node.output), "")


def flow_of_layers(layers: Iterable[Layer]) -> Flow:
    """The flow of an ncnn network."""
    return Flow([Step(layer.name, layer.inputs, layer.outputs) for layer in layers])
