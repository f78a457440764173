"""A picture of a small graph: one box per node with its attributes, weights and output shapes, as inline SVG.

Boxes carry all text (nothing is written beside the edges), so nothing can overlap: vertices are laid out in
layers by longest path, edges that skip a layer get a place in it, and layers are ordered by the mean position
of their neighbours.
"""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import onnx
from onnx import TensorProto, numpy_helper

from fuzzconv.report.markup import Markup, element, joined
from fuzzconv.report.model_text import array_text, attribute_text

MAX_NODES = 40
_CHAR = 7.25
_LINE = 17
_PAD = 10
_GAP_X = 18
_GAP_Y = 34
_MAX_CHARS = 42
_MAX_PARTS = 4
_SWEEPS = 4


@dataclass
class _Vertex:
    """A box, or (without lines) the place where a long edge passes a layer."""

    kind: str
    title: str = ""
    lines: Sequence[str] = ()
    layer: int = 0
    x: float = 0.0
    y: float = 0.0
    above: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)

    @property
    def width(self) -> float:
        longest = max((len(line) for line in self.lines), default=0)
        return max(longest * _CHAR + 2 * _PAD, 12.0)

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + _PAD if self.lines else 0.0


def graph_svg(model: onnx.ModelProto) -> Markup | None:
    """The picture, or None for a graph with more than ``MAX_NODES`` nodes (which no one would read)."""
    if len(model.graph.node) > MAX_NODES:
        return None
    vertices, edges = _vertices(model)
    _set_layers(vertices, edges)
    _split_long_edges(vertices, edges)
    width, height = _place(vertices)
    lines = (_edge(vertices[a], vertices[b]) for a, b in edges)
    boxes = (_box(vertex) for vertex in vertices if vertex.lines)
    return element(
        "svg",
        joined(lines),
        joined(boxes),
        class_="graph",
        role="img",
        aria_label=f"graph of {len(model.graph.node)} nodes",
        width=round(width),
        height=round(height),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
    )


def _vertices(model: onnx.ModelProto) -> tuple[list[_Vertex], list[tuple[int, int]]]:
    graph = model.graph
    types = _value_types(model)
    weights = {tensor.name: array_text(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
    vertices = [
        _vertex("input", [f"{v.name}: {types.get(v.name, '?')}"])
        for v in graph.input
        if v.name not in weights
    ]
    makers = {v.name: i for i, v in enumerate(v for v in graph.input if v.name not in weights)}
    edges = []
    for node in graph.node:
        place = len(vertices)
        operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
        lines = [f"{operator}({', '.join(name or '-' for name in node.input)})"]
        lines += [f"{a.name} = {attribute_text(a)}" for a in node.attribute]
        lines += [f"{name}: {weights[name]}" for name in node.input if name in weights]
        lines += [f"→ {name}: {types.get(name, '?')}" for name in node.output if name]
        vertices.append(_vertex("node", lines))
        edges += [(makers[name], place) for name in dict.fromkeys(node.input) if name in makers]
        makers |= dict.fromkeys(node.output, place)
    for output in graph.output:
        if output.name in makers:
            edges.append((makers[output.name], len(vertices)))
        vertices.append(_vertex("output", [f"output {output.name}"]))
    return vertices, edges


def _vertex(kind: str, lines: Sequence[str]) -> _Vertex:
    return _Vertex(kind, "\n".join(lines), _folded(lines))


def _value_types(model: onnx.ModelProto) -> Mapping[str, str]:
    """Tensor name → ``float32[1,3]``, as far as shape inference knows."""
    with suppress(onnx.shape_inference.InferenceError, ValueError, RuntimeError):
        model = onnx.shape_inference.infer_shapes(model)
    types = {}
    for info in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        kind = info.type.tensor_type
        dims = ",".join(
            str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in kind.shape.dim
        )
        types[info.name] = f"{TensorProto.DataType.Name(kind.elem_type).lower()}[{dims}]"
    return types


def _set_layers(vertices: Sequence[_Vertex], edges: Iterable[tuple[int, int]]) -> None:
    """Longest path from the top (vertices are in topological order); inputs right above their first user."""
    for a, b in sorted(edges, key=lambda edge: edge[1]):
        vertices[b].layer = max(vertices[b].layer, vertices[a].layer + 1)
    users: dict[int, list[int]] = defaultdict(list)
    for a, b in edges:
        users[a].append(vertices[b].layer)
    for index, vertex in enumerate(vertices):
        if vertex.kind == "input" and users[index]:
            vertex.layer = min(users[index]) - 1


def _split_long_edges(vertices: list[_Vertex], edges: list[tuple[int, int]]) -> None:
    """Give every edge a vertex in each layer it crosses, in place; fill in the neighbours."""
    for a, b in tuple(edges):
        previous = a
        if vertices[b].layer - vertices[a].layer > 1:
            edges.remove((a, b))
            for layer in range(vertices[a].layer + 1, vertices[b].layer):
                vertices.append(_Vertex("bend", layer=layer))
                edges.append((previous, len(vertices) - 1))
                previous = len(vertices) - 1
            edges.append((previous, b))
    for a, b in edges:
        vertices[a].below.append(b)
        vertices[b].above.append(a)


def _place(vertices: Sequence[_Vertex]) -> tuple[float, float]:
    """Set every vertex's centre x and top y; returns the picture's size."""
    layers: dict[int, list[_Vertex]] = defaultdict(list)
    for vertex in vertices:
        layers[vertex.layer].append(vertex)
    order = {id(v): float(i) for layer in layers.values() for i, v in enumerate(layer)}
    for sweep in range(_SWEEPS):
        for _, layer in sorted(layers.items(), reverse=bool(sweep % 2)):
            mean = {id(v): _mean(v.below if sweep % 2 else v.above, vertices, order, id(v)) for v in layer}
            layer.sort(key=lambda v, mean=mean: mean[id(v)])  # type: ignore[misc]
            order |= {id(v): float(i) for i, v in enumerate(layer)}
    widths = [sum(v.width for v in layer) + _GAP_X * (len(layer) - 1) for layer in layers.values()]
    total = max(widths, default=0.0) + 2
    top = 1.0
    for _, layer in sorted(layers.items()):
        x = (total - sum(v.width for v in layer) - _GAP_X * (len(layer) - 1)) / 2
        for vertex in layer:
            vertex.x, vertex.y = x + vertex.width / 2, top
            x += vertex.width + _GAP_X
        top += max(v.height for v in layer) + _GAP_Y
    return total, top - _GAP_Y + 1


def _mean(
    neighbours: Sequence[int], vertices: Sequence[_Vertex], order: Mapping[int, float], own: int
) -> float:
    if not neighbours:
        return order[own]
    return sum(order[id(vertices[n])] for n in neighbours) / len(neighbours)


def _edge(upper: _Vertex, lower: _Vertex) -> Markup:
    x1, y1, x2, y2 = upper.x, upper.y + upper.height, lower.x, lower.y
    middle = (y1 + y2) / 2
    path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {middle:.1f} {x2:.1f} {middle:.1f} {x2:.1f} {y2:.1f}"
    if lower.kind != "bend":
        path += f"M{x2 - 4:.1f} {y2 - 7:.1f}L{x2:.1f} {y2:.1f}L{x2 + 4:.1f} {y2 - 7:.1f}"
    return element("path", d=path, class_="edge")


def _box(vertex: _Vertex) -> Markup:
    left = vertex.x - vertex.width / 2
    texts = [
        element(
            "text",
            line,
            x=f"{left + _PAD:.1f}",
            y=f"{vertex.y + _PAD / 2 + _LINE * (i + 0.75):.1f}",
            class_="head" if i == 0 and vertex.kind == "node" else None,
        )
        for i, line in enumerate(vertex.lines)
    ]
    size = {"width": f"{vertex.width:.1f}", "height": f"{vertex.height:.1f}"}
    frame = element("rect", x=f"{left:.1f}", y=f"{vertex.y:.1f}", rx=5, **size)
    return element("g", element("title", vertex.title), frame, *texts, class_=f"box {vertex.kind}")


def _folded(lines: Iterable[str]) -> list[str]:
    """Long lines broken; of very long ones (values) only the beginning, the rest stands in the title."""
    folded: list[str] = []
    for line in lines:
        parts = textwrap.wrap(line, _MAX_CHARS, subsequent_indent="  ") or [""]
        if len(parts) > _MAX_PARTS:
            parts = [*parts[: _MAX_PARTS - 1], "  …"]
        folded += parts
    return folded
