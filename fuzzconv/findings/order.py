"""Which of two cases is simpler: a total order, so that reduction is reproducible and ends.

Fewest nodes first, then smallest dims, default attributes, simplest weights and inputs, the oldest opset,
plainest storage, shortest names; at last the bytes of the model decide (shortlex).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import AttributeProto, helper, numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.findings.attributes import unusual_attributes
from fuzzconv.findings.draft import constant_tensors

OPSETS = (11, 13, 17, 18, 20)
"""Opsets to go back to: the older, the more installations of onnxruntime read it."""

_STRUCTURE_DTYPES = frozenset({"int64", "int32", "bool"})


def measure(case: Case) -> tuple[object, ...]:
    """The sort key of a case: smaller is simpler."""
    graph = case.model.graph
    stored = [numpy_helper.to_array(t) for t in _stored_tensors(graph)]
    arrays = [*case.inputs.values(), *stored]
    operators = [node for node in graph.node if node.op_type != "Constant"]
    serialised = case.model.SerializeToString(deterministic=True)
    return (
        len(operators),
        len(graph.output),
        _dims(arrays),
        _attributes(operators, case.opset),
        sum(str(a.dtype) not in _STRUCTURE_DTYPES | {"float32"} for a in arrays),
        sum(str(a.dtype) in _STRUCTURE_DTYPES for a in case.inputs.values()),
        _values(arrays),
        max(case.opset, OPSETS[0]),
        _storage(case),
        sum(map(len, _names(graph))),
        len(serialised),
        serialised,
        b"".join(np.ascontiguousarray(a).tobytes() for a in case.inputs.values()),
    )


def complexity(array: Array) -> int:
    """How hard values are to read: 0 counting up from one, 1 ones, 2 small integers, 3 quarters, 4 others.

    All zeros are harder (5): a zero that should be another zero convinces nobody. Infinite ones are 6.
    """
    if array.dtype.kind not in "fiu":
        return 0
    flat = array.ravel().astype(np.float64)
    if not np.isfinite(flat).all():
        return 6
    for rank, pattern in enumerate((np.arange(1, flat.size + 1), np.ones(flat.size))):
        if np.array_equal(flat, pattern):
            return rank
    if not flat.any():
        return 5
    if np.array_equal(flat, np.round(flat)) and np.abs(flat).max() <= 9:
        return 2
    return 3 if np.array_equal(flat * 4, np.round(flat * 4)) else 4


def _dims(arrays: Iterable[Array]) -> tuple[int, int, int]:
    """Elements in all, sum of dims, and number of tensors."""
    shapes = [a.shape for a in arrays]
    return (sum(int(np.prod(s)) for s in shapes), sum(sum(s) for s in shapes), len(shapes))


def _attributes(nodes: Iterable[onnx.NodeProto], opset: int) -> tuple[int, int, float, int]:
    """Unusual ones, all there are, their magnitude, and optional inputs."""
    nodes = list(nodes)
    unusual = sum(1 for node in nodes for _ in unusual_attributes(node, opset))
    attributes = [a for node in nodes for a in node.attribute]
    inputs = sum(1 for node in nodes for name in node.input if name)
    return (unusual, len(attributes), sum(map(_magnitude, attributes)), inputs)


def _magnitude(attribute: AttributeProto) -> float:
    value = helper.get_attribute_value(attribute)
    if attribute.type in (AttributeProto.INT, AttributeProto.INTS):
        numbers = [value] if attribute.type == AttributeProto.INT else value
        return float(sum(abs(v) + 100 * (v < 0) for v in numbers))
    if attribute.type in (AttributeProto.FLOAT, AttributeProto.FLOATS):
        numbers = [value] if attribute.type == AttributeProto.FLOAT else value
        return float(sum(min(abs(v), 1e9) + 100 * (v % 1 != 0) + 50 * (v < 0) for v in numbers))
    return 0.0


def _values(arrays: Iterable[Array]) -> tuple[int, float]:
    arrays = [a for a in arrays if a.dtype.kind == "f"]
    finite = [a[np.isfinite(a)].astype(np.float64) for a in arrays]
    return (sum(map(complexity, arrays)), sum(float(np.abs(a).sum()) for a in finite))


def _storage(case: Case) -> int:
    """One point for each departure from raw initializers inline, fixed shapes and no decoration."""
    graph = case.model.graph
    points: int = 2 * case.external_data + 2 * case.declare_inputshape + bool(case.external_file)
    points += sum(node.op_type == "Constant" for node in graph.node)
    points += sum(not t.HasField("raw_data") and 0 not in t.dims for t in _stored_tensors(graph))
    points += sum(any(d.dim_param for d in i.type.tensor_type.shape.dim) for i in graph.input)
    points += bool({i.name for i in graph.input} & {t.name for t in graph.initializer})
    return points


def _stored_tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    return [*graph.initializer, *constant_tensors(graph).values()]


def _names(graph: onnx.GraphProto) -> Iterable[str]:
    yield graph.name
    for node in graph.node:
        yield node.name
        yield from node.output
    yield from (value.name for value in (*graph.input, *graph.initializer))
