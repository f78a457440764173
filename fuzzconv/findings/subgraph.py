"""Cut a part out of a case's graph, fed with the values it really saw there.

``cuttings`` makes cases of some nodes: weights stay initializers, what other nodes computed becomes a graph
input, or an initializer where it does not depend on the graph's inputs (converters fold some of those).
``connected_parts`` lists the node sets worth cutting out, smallest first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import onnx
from onnx import numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.rebuild import rebuilt, set_items, used_names, value_info

_SHAPE_OPERATORS = frozenset({"Shape", "Size"})
_MOST_PARTS = 4096


def moving_nodes(case: Case) -> set[int]:
    """Positions of the nodes whose values depend on the inputs' values; converters fold all others."""
    static = _static_names(case)
    return {i for i, node in enumerate(case.model.graph.node) if not static >= set(node.output)}


def operator_nodes(model: onnx.ModelProto) -> list[int]:
    """Positions of the nodes that compute something (``Constant`` nodes only store)."""
    return [i for i, node in enumerate(model.graph.node) if node.op_type != "Constant"]


def connected_parts(model: onnx.ModelProto, size: int) -> Iterator[tuple[int, ...]]:
    """Sets of ``size`` operator nodes that hang together, in node order (at most a few thousand).

    Nodes hang together when one reads what the other computes, or both read the same computed tensor or
    graph input: two branches from one input are a cause of their own (a shared ``Split``, an in-place layer).
    """
    neighbours = _neighbours(model)
    frontier: list[tuple[int, ...]] = [(i,) for i in operator_nodes(model)]
    for _ in range(size - 1):
        grown = {
            tuple(sorted((*part, other)))
            for part in frontier
            for member in part
            for other in neighbours[member]
            if other not in part
        }
        frontier = sorted(grown)[:_MOST_PARTS]
    yield from frontier


def cuttings(case: Case, part: tuple[int, ...], values: Mapping[str, Array]) -> Iterator[Case]:
    """The nodes at the positions ``part`` as cases of their own: constants folded, then not.

    A weight that the whole computes from constants is stored in the first, and a graph input in the second.
    Only valid models, and only different ones.

    Args:
        case: the whole.
        part: positions in ``case.model.graph.node``.
        values: every tensor of the whole (``tensor_values(case)``).
    """
    folded = extract(case, part, values)
    computed = extract(case, part, values, fold=False)
    if folded is not None:
        yield folded
    if computed is not None and (folded is None or list(computed.inputs) != list(folded.inputs)):
        yield computed


def extract(
    case: Case, part: tuple[int, ...], values: Mapping[str, Array], *, fold: bool = True
) -> Case | None:
    """One of the ``cuttings``; None when it makes no valid model."""
    whole = case.model.graph
    chosen = set(part)
    needed = {name for i in part for name in used_names(whole.node[i])}
    chosen |= {i for i, n in enumerate(whole.node) if n.op_type == "Constant" and needed & set(n.output)}
    nodes = [whole.node[i] for i in sorted(chosen)]
    computed = {name for node in nodes for name in node.output if name}
    outside = needed - computed
    initializers = [t for t in whole.initializer if t.name in outside]
    loose = outside - {t.name for t in initializers}
    if not loose <= set(values):
        return None
    fixed = loose & _static_names(case) if fold else set()
    fed = [name for name in values if name in loose - fixed]
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph = model.graph
    declared = {value.name: value for value in whole.input}
    set_items(graph.node, nodes)
    set_items(
        graph.initializer,
        [*initializers, *(numpy_helper.from_array(values[n], n) for n in values if n in fixed)],
    )
    set_items(graph.input, [declared.get(n) or value_info(n, values[n]) for n in fed])
    set_items(graph.output, [onnx.ValueInfoProto(name=n) for n in _outputs(case, part)])
    return rebuilt(replace(case, model=model, inputs={n: values[n] for n in fed}, features=frozenset()))


def _outputs(case: Case, part: tuple[int, ...]) -> list[str]:
    """What the rest of the graph, or its user, takes from the part."""
    graph = case.model.graph
    outside = {n for i, node in enumerate(graph.node) if i not in part for n in used_names(node)}
    outside |= {output.name for output in graph.output}
    return [n for i in part for n in graph.node[i].output if n in outside]


def _neighbours(model: onnx.ModelProto) -> dict[int, set[int]]:
    graph = model.graph
    stored = {t.name for t in graph.initializer}
    touched: dict[str, set[int]] = {}
    operators = operator_nodes(model)
    for i in operators:
        for name in used_names(graph.node[i]) | set(graph.node[i].output):
            if name and name not in stored:
                touched.setdefault(name, set()).add(i)
    constants = {n for node in graph.node if node.op_type == "Constant" for n in node.output}
    neighbours: dict[int, set[int]] = {i: set() for i in operators}
    for name, nodes in touched.items():
        if name not in constants:
            for i in nodes:
                neighbours[i] |= nodes - {i}
    return neighbours


def _static_names(case: Case) -> set[str]:
    """Names of tensors that don't depend on the inputs' values (shapes are fixed in a case)."""
    moving = set(case.inputs)
    static: set[str] = set()
    for node in case.model.graph.node:
        if node.op_type in _SHAPE_OPERATORS or not used_names(node) & moving:
            static |= set(node.output)
        else:
            moving |= set(node.output)
    return static
