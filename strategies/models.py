"""The finished model: what of a builder's graph is declared an input or an output, where constants lie, tags.

``case_of`` makes the case; its tags (``Case.features``) are what a census counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from onnx import GraphProto, ModelProto, OperatorSetIdProto, ValueInfoProto

from fuzzconv.case import Array, Case
from strategies.builder import Builder, Value
from strategies.dtypes import Dtype
from strategies.shapes import Shape

IR_VERSION = 8
"""Old enough for pnnx's loader (it takes up to 10) and for every opset here."""


def case_of(b: Builder) -> Case:
    """The graph as a case: what has no user becomes an output."""
    inputs = [(v, a) for v, a in b.inputs if v.name in b.used]
    made = [v for v in b.pool if not any(v is i for i, _ in b.inputs)]
    outputs = [v for v in made if v.name not in b.used]
    inner = [v for v in made if v.name in b.used]
    if inner and b.has("inner_outputs") and b.flag(10):
        outputs.append(b.pick(inner))
        b.features.add("graph:inner_output")
    if b.has("passthrough") and b.rare_case and b.flag(8):
        # pnnx crashes on each of these: one known bug.
        outputs.append(b.pick([v for v, _ in inputs]))
        b.features.add("graph:passthrough")
    # pnnx counts an initializer that is also a graph input among the inputs that ``inputshape=`` must name.
    declarable = not b.defaults
    symbolic = declarable and b.has("symbolic") and b.flag(16)
    declare = symbolic or (declarable and b.has("inputshape") and b.flag(6))
    external = b.has("external_data") and _may_be_external(b) and b.flag(20)
    graph = GraphProto(name="g", node=b.nodes, initializer=b.initializers)
    graph.input.extend(_info(v.name, v.dtype, v.shape, _symbols(v) if symbolic else None) for v, _ in inputs)
    graph.input.extend(_info(name, dtype, shape) for name, dtype, shape in b.defaults)
    graph.output.extend(_info(v.name, v.dtype, v.shape, [""] * v.rank if symbolic else None) for v in outputs)
    model = ModelProto(ir_version=IR_VERSION, producer_name="fuzzconv", graph=graph)
    model.opset_import.append(OperatorSetIdProto(domain="", version=b.opset))
    arrays: dict[str, Array] = {v.name: a for v, a in inputs}
    return Case(model, arrays, external, declare, _features(b, inputs, outputs, symbolic, external))


def _may_be_external(b: Builder) -> bool:
    """Whether the initializers may go to a file beside the model.

    pnnx crashes on any integer constant there that fixes a shape: one known bug, so at the rare rate only.
    """
    return bool(b.initializers) and (b.rare_case or "shape_data" not in b.features)


def _symbols(value: Value) -> list[str]:
    return [f"{value.name}_d{i}" for i in range(value.rank)]


def _info(name: str, dtype: Dtype, shape: Shape, symbols: Sequence[str] | None = None) -> ValueInfoProto:
    """A typed name; ``symbols`` replace the sizes (an empty one leaves a dimension unknown)."""
    info = ValueInfoProto(name=name)
    tensor_type = info.type.tensor_type
    tensor_type.elem_type = dtype.code
    tensor_type.shape.SetInParent()
    for i, size in enumerate(shape):
        dim = tensor_type.shape.dim.add()
        if symbols is None:
            dim.dim_value = size
        elif symbols[i]:
            dim.dim_param = symbols[i]
    return info


def _features(
    b: Builder,
    inputs: Sequence[tuple[Value, Array]],
    outputs: Sequence[Value],
    symbolic: bool,
    external: bool,
) -> frozenset[str]:
    """Tags for the census."""
    tags = {f"opset:{b.opset}", f"dtype:{b.dtype.name}", f"inputs:{len(inputs)}", f"outputs:{len(outputs)}"}
    tags |= {f"rank:{v.rank}" for v, _ in inputs}
    for tag in b.features:
        dtype_form = tag.removesuffix(":raw_data")
        tags.add(f"{dtype_form}:external" if external and dtype_form != tag else tag)
    tags |= {f"op:{node.op_type}" for node in b.nodes}
    if symbolic:
        tags.add("graph:symbolic")
    if b.rare_case:
        tags.add("rare")
    tags.add(f"shape:{_graph_shape(b)}")
    return frozenset(tags)


def _graph_shape(b: Builder) -> str:
    """``single``, ``chain``, ``branches`` (several users of a value), ``join`` (a node of several values) or
    ``diamond`` (both)."""
    made = {v.name for v in b.pool}
    inner = {v.name for v in b.pool if not any(v is i for i, _ in b.inputs)}
    users: dict[str, int] = {}
    joins = False
    nodes = 0
    for node in b.nodes:
        nodes += any(o in inner for o in node.output)
        sources = [i for i in node.input if i in made]
        joins |= len(sources) > 1
        for source in sources:
            users[source] = users.get(source, 0) + 1
    forks = any(n > 1 for n in users.values())
    if forks and joins:
        return "diamond"
    if forks:
        return "branches"
    if joins:
        return "join"
    return "single" if nodes == 1 else "chain"
