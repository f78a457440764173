"""A judge with planted faults: onnxruntime node by node, one node at a time damaged on purpose.

It stands for converter and runtime at once. Its own comparison is exact enough for what is planted, and
its weights check looks at the arrays themselves; the real oracles have their own controls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import helper

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.findings.rebuild import run_model, value_info
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict


class PlantedOutcomeError(Exception):
    """Raised by a fault whose tool does not even yield a result."""

    def __init__(self, kind: Kind, stage: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.stage = stage


@dataclass(frozen=True)
class Site:
    """A node about to be run: what a fault may look at and how it can run the node honestly."""

    case: Case
    route: Route
    node: onnx.NodeProto
    inputs: Sequence[Array | None]
    constants: frozenset[str]
    producers: dict[str, onnx.NodeProto]

    def attribute(self, name: str, default: object = None) -> object:
        found = [helper.get_attribute_value(a) for a in self.node.attribute if a.name == name]
        value = found[0] if found else default
        return value.decode() if isinstance(value, bytes) else value

    def run(
        self, inputs: Sequence[Array | None] | None = None, node: onnx.NodeProto | None = None
    ) -> list[Array]:
        return run_node(node or self.node, self.inputs if inputs is None else inputs, self.case)

    def without(self, attribute: str) -> onnx.NodeProto:
        node = onnx.NodeProto()
        node.CopyFrom(self.node)
        kept = [a for a in node.attribute if a.name != attribute]
        del node.attribute[:]
        node.attribute.extend(kept)
        return node

    def given(self, *attributes: str, **values: object) -> onnx.NodeProto:
        node = self.without("")
        kept = [a for a in node.attribute if a.name not in values]
        del node.attribute[:]
        node.attribute.extend([*kept, *(helper.make_attribute(k, v) for k, v in values.items())])
        return node

    def maker(self, position: int) -> str:
        """Operator type of the node that computes an input."""
        producer = self.producers.get(self.node.input[position])
        return producer.op_type if producer else ""


@dataclass(frozen=True)
class Fault:
    """One planted bug.

    ``wrong`` yields the damaged outputs of a node, or None where the fault does not apply. ``routes`` is a
    pattern on route ids. ``operators`` is what the exact signature must say.
    """

    name: str
    operator: str
    wrong: Callable[[Site], list[Array] | None]
    operators: tuple[str, ...]
    family: str = "result"
    routes: str = ".*"
    condition: str = ""
    converter: str = "ncnn"

    def strikes(self, site: Site) -> bool:
        """Whether the fault is in the tools on the site's route, at its operator."""
        return self.operator == site.node.op_type and bool(re.fullmatch(self.routes, str(site.route)))


@dataclass
class PlantedJudge:
    """Judges with ``faults`` in the tools; counts how often it was asked."""

    faults: Sequence[Fault]
    asked: int = 0
    routes_asked: list[str] = field(default_factory=list)

    def judge(self, case: Case, routes: Sequence[Route]) -> Judgement:
        self.asked += 1
        self.routes_asked += map(str, routes)
        expected = run_model(case.model, case.inputs)
        if expected is None or not all(_finite(a) for a in expected.values()):
            skipped = tuple(Verdict(r, Kind.SKIPPED, "no finite reference") for r in routes)
            return Judgement(case, Reference(skip="no finite reference"), skipped)
        conversions: dict[str, Conversion] = {}
        actual: dict[str, dict[str, Array | None]] = {}
        verdicts = []
        for route in routes:
            conversions[":".join(filter(None, route.conversion))] = _conversion(route)
            try:
                outputs = execute(case, route, self.faults)
            except PlantedOutcomeError as error:
                evidence = {"message": str(error)}
                verdicts.append(Verdict(route, error.kind, str(error), "", error.stage, evidence))
                continue
            except WeightDamageError as damage:
                verdicts.append(Verdict(route, damage.kind, f"weight {damage}", "", "weights"))
                continue
            actual[str(route)] = dict(outputs)
            verdicts.append(_compared(route, expected, outputs))
        return Judgement(
            case, Reference(outputs=expected), tuple(verdicts), conversions=conversions, actual=actual
        )


def execute(case: Case, route: Route, faults: Sequence[Fault]) -> dict[str, Array]:
    """The graph outputs, every node run by itself and damaged where a fault applies.

    Raises:
        WeightDamageError, PlantedOutcomeError: what a fault does instead.
    """
    if not faults:
        honest = run_model(case.model, case.inputs)
        if honest is None:
            raise PlantedOutcomeError(Kind.LOAD_FAILURE, "load", "onnxruntime can't run the model")
        return honest
    graph = case.model.graph
    values: dict[str, Array] = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    constants = frozenset(values) | {n for node in graph.node if not node.input for n in node.output}
    values |= case.inputs
    producers = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        inputs = [values[name] if name else None for name in node.input]
        site = Site(case, route, node, inputs, constants, producers)
        outputs = _damaged(site, faults) or site.run()
        values |= dict(zip(filter(None, node.output), map(np.asarray, outputs), strict=True))
    return {o.name: values[o.name] for o in graph.output}


def _damaged(site: Site, faults: Sequence[Fault]) -> list[Array] | None:
    for fault in faults:
        if fault.strikes(site):
            outputs = fault.wrong(site)
            if outputs is not None:
                return outputs
    return None


class WeightDamageError(Exception):
    """Raised by a fault that damages a stored weight: ``read`` is what comes back instead of it.

    ``unpadded``: it is written as halves, and an odd count of them not padded to four bytes.
    """

    def __init__(self, name: str, stored: Array, read: Array, *, unpadded: bool = False) -> None:
        super().__init__(name)
        self.name = name
        self.stored = stored
        self.read = read
        self.unpadded = unpadded

    @property
    def kind(self) -> Kind:
        """What the planted weights oracle makes of it: it sees both arrays."""
        if not _finite(self.read):
            return Kind.WEIGHT_NAN
        moved = np.array_equal(self.stored.ravel()[:-1], self.read.ravel()[1:])
        return Kind.WEIGHT_SHIFT if self.stored.size > 1 and moved else Kind.WEIGHT_LOST


def run_node(node: onnx.NodeProto, inputs: Sequence[Array | None], case: Case) -> list[Array]:
    """One node in onnxruntime, its inputs as graph inputs."""
    fed = {name: a for name, a in zip(node.input, inputs, strict=False) if name and a is not None}
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "node", [value_info(n, a) for n, a in fed.items()], outputs)
    model = helper.make_model(graph, opset_imports=case.model.opset_import, ir_version=case.model.ir_version)
    values = run_model(model, fed)
    if values is None:
        raise PlantedOutcomeError(Kind.LOAD_FAILURE, "load", f"node {node.op_type} can't be run alone")
    return [values[o.name] for o in outputs]


def _finite(array: Array) -> bool:
    return array.dtype.kind not in "fc" or bool(np.isfinite(array).all())


def _compared(route: Route, expected: dict[str, Array], actual: dict[str, Array]) -> Verdict:
    worst = 0.0
    for name, right in expected.items():
        got = actual[name]
        if got.shape != right.shape:
            return Verdict(route, Kind.SHAPE_MISMATCH, f"{got.shape} instead of {right.shape}")
        if not _finite(got):
            return Verdict(route, Kind.NAN, "not finite")
        if right.size:
            difference = np.abs(got.astype(np.float64) - right.astype(np.float64))
            worst = max(worst, float(difference.max()) / (1.0 + float(np.abs(right).max())))
    evidence = {"max_error": worst}
    if worst > 1e-5:
        return Verdict(route, Kind.DIVERGENCE, f"max error {worst:.3g}", "", "compare", evidence)
    return Verdict(route, Kind.OK, evidence=evidence)


def _conversion(route: Route) -> Conversion:
    return Conversion(route.converter, route.setting, ToolRun(Outcome.DONE, 0, "", "", 0.0), "7767517\n", b"")
