"""Whole cases: which operators, how they are joined, and what the model declares.

A case begins with an *anchor*, an operator drawn with equal odds, so that every operator gets its share;
others grow before and after it from whatever values the graph has. What has no user becomes an output.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from onnx import GraphProto, ModelProto, OperatorSetIdProto, ValueInfoProto

from fuzzconv.case import Array, Case
from strategies.builder import Builder, Value
from strategies.dtypes import FLOAT16, FLOAT32, FLOAT64, Dtype
from strategies.operators import SPECS, Spec
from strategies.shapes import Shape
from strategies.swarm import OPSETS, Swarm

IR_VERSION = 8
"""Old enough for pnnx's loader (it takes up to 10) and for every opset here."""

RARE_RATE = 1 / 16
"""Share of cases that may hold what pnnx is known not to support."""


def cases(
    *,
    operators: Collection[str] | None = None,
    swarm: Swarm | None = None,
    max_nodes: int = 6,
    opsets: Sequence[int] | None = None,
    rare_rate: float = RARE_RATE,
    odds: Mapping[str, float] | None = None,
) -> SearchStrategy[Case]:
    """Cases: small valid ONNX models with inputs. The defaults give the campaign's full mix.

    Args:
        operators: names of the specs to use (see ``SPECS``); None is all, or the swarm's.
        swarm: what else the cases may use; None is everything.
        max_nodes: operators per graph at most (a pattern counts as one; storage of constants adds nodes).
        opsets: opset versions, the simplest first; None is the swarm's.
        rare_rate: share of cases in [0, 1] that may hold what pnnx is known not to support.
        odds: name of an operator, storage form, type or value pattern → factor in (0, 1] that lowers its odds
            (known bugs' triggers); never excludes it.

    Raises:
        ValueError: an unknown operator, no operator or opset left, or a number out of range.

    Example::

        @given(cases(operators={"Conv", "Relu"}))
        def test_conversion(case): ...
    """
    swarm = swarm or Swarm()
    names = operators if operators is not None else swarm.operators
    unknown = sorted(set(names or ()) - SPECS.keys())
    if unknown:
        raise ValueError(f"no spec for operators {', '.join(unknown)}; see strategies.SPECS")
    if max_nodes < 1 or not 0 <= rare_rate <= 1:
        raise ValueError("max_nodes must be at least 1, rare_rate between 0 and 1")
    specs = [s for s in SPECS.values() if names is None or s.name in names]
    versions = tuple(opsets or swarm.opsets or OPSETS)
    # An operator too new for the chosen opsets brings its own.
    fallback = {s.name: [o for o in (*versions, *OPSETS) if s.exists(o)] for s in specs}
    anchors = [s for s in specs if any(map(s.exists, versions))] or [s for s in specs if fallback[s.name]]
    if not anchors:
        raise ValueError("no operator exists in the chosen opsets")
    recipe = _Recipe(anchors, versions, swarm, max_nodes, rare_rate, dict(odds or {}))
    return _cases(recipe)


def swarms() -> SearchStrategy[Swarm]:
    """Swarms over all operators; the simplest is the full mix."""
    return st.integers(0, 2**32 - 1).map(
        lambda seed: Swarm.of_seed(seed, operators=SPECS) if seed else Swarm()
    )


class _Recipe:
    """What ``cases`` was asked for, checked and sorted once."""

    def __init__(
        self,
        specs: list[Spec],
        versions: tuple[int, ...],
        swarm: Swarm,
        max_nodes: int,
        rare_rate: float,
        odds: Mapping[str, float],
    ) -> None:
        self.specs = specs
        self.supported = [s for s in specs if s.pnnx] or specs
        self.unsupported = [s for s in specs if not s.pnnx]
        self.swarm = swarm
        self.max_nodes = max_nodes
        self.rare_one_in = round(1 / rare_rate) if rare_rate else 0
        self.odds = odds
        self.opsets = {
            s.name: [o for o in versions if s.exists(o)] or [o for o in OPSETS if s.exists(o)] for s in specs
        }


@st.composite
def _cases(draw: DrawFn, recipe: _Recipe) -> Case:
    b = Builder(draw, recipe.swarm, 0, odds=recipe.odds)
    b.rare_case = bool(recipe.rare_one_in) and b.flag(recipe.rare_one_in)
    specs = recipe.supported
    anchors = recipe.unsupported if b.rare_case and recipe.unsupported and b.flag() else specs
    if b.rare_case:
        specs = recipe.specs
    anchor = _choose(b, anchors)
    b.opset = b.pick(recipe.opsets[anchor.name])
    b.dtype = _float(b)
    specs = [s for s in specs if s.exists(b.opset)]
    if recipe.max_nodes > 1 and b.flag(4):
        b.fresh(anchor.want)
        for _ in range(b.integer(1, 2)):
            _grow(b, specs)
    _apply(b, anchor)
    for _ in range(recipe.max_nodes - 1):
        if not b.flag():
            break
        _grow(b, specs)
    return _case(b)


def _float(b: Builder) -> Dtype:
    """The graph's own float type."""
    floats = [(FLOAT32, 24.0)]
    floats += [(d, 1.0) for d in (FLOAT16, FLOAT64) if b.has(d.name)]
    return b.weighted(floats)


def _choose(b: Builder, specs: Sequence[Spec]) -> Spec:
    if not b.odds:
        return b.pick(specs)
    by_name = {s.name: s for s in specs}
    return by_name[b.weighted([(name, 4.0) for name in by_name])]


def _grow(b: Builder, specs: Sequence[Spec]) -> None:
    """Append an operator that takes one of the graph's values, the latest mostly."""
    latest = b.pool[:-5:-1] if b.has("branches") and b.flag(4) else b.pool[:-2:-1]
    value = b.pick(latest)
    fitting = [s for s in specs if s.want.accepts(value)]
    if fitting:
        _build(b, _choose(b, fitting), value)


def _apply(b: Builder, spec: Spec) -> None:
    _build(b, spec, b.take(spec.want))


def _build(b: Builder, spec: Spec, value: Value) -> None:
    made = spec.build(b, value)
    b.pool.extend([made] if isinstance(made, Value) else made)


def _case(b: Builder) -> Case:
    inputs = [(v, a) for v, a in b.inputs if v.name in b.used]
    made = [v for v in b.pool if not any(v is i for i, _ in b.inputs)]
    outputs = [v for v in made if v.name not in b.used]
    inner = [v for v in made if v.name in b.used]
    if inner and b.has("inner_outputs") and b.flag(10):
        outputs.append(b.pick(inner))
        b.features.add("graph:inner_output")
    # pnnx counts an initializer that is also a graph input among the inputs that ``inputshape=`` must name.
    declarable = not b.defaults
    symbolic = declarable and b.has("symbolic") and b.flag(16)
    declare = symbolic or (declarable and b.has("inputshape") and b.flag(6))
    external = b.has("external_data") and _may_be_external(b) and b.flag(10)
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
