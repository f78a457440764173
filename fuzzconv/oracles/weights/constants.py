"""The constants a converter may write into a ``.bin``: what the ONNX graph holds, and what it computes.

``Constants`` gathers initializers and ``Constant`` nodes at once; constants that other nodes compute from
them, and the known folds of layers (``folds.py``), are worked out when somebody asks, since most cases are
settled without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from fuzzconv.case import Array

_RANDOM = ("Random", "Multinomial", "Bernoulli", "Dropout")
_LARGEST_COMPUTED = 1 << 22
_COMPUTED_RELATIVE = 1e-5


@dataclass(frozen=True)
class Use:
    """One place where a tensor goes into a node."""

    node: onnx.NodeProto
    position: int


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor known before the model runs.

    Attributes:
        name: the tensor's name, or a formula for a fold.
        array: its value as ONNX has it.
        uses: where it goes in directly; empty for a fold.
        stored_bytes: size of its data in the ONNX file, 0 when it is not stored there.
        is_raw: whether that data is in ``raw_data``, not in a typed field.
        merged: nodes whose effect is part of a fold.
        relative: how far a faithful copy may be off, since folds are computed in another order here.
    """

    name: str
    array: Array
    uses: tuple[Use, ...] = ()
    stored_bytes: int = 0
    is_raw: bool = False
    merged: tuple[onnx.NodeProto, ...] = ()
    relative: float = 1e-6

    @cached_property
    def as_float(self) -> NDArray[np.float32]:
        """The values as ncnn's float32."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(self.array, dtype=np.float32)

    @cached_property
    def as_bits(self) -> NDArray[np.float32] | None:
        """Integers stored as int32 in a blob that ncnn decodes as float32; None for other dtypes."""
        if self.array.dtype.kind not in "iub":
            return None
        with np.errstate(over="ignore"):
            return self.array.astype(np.int64).astype(np.int32).view(np.float32)

    @property
    def is_stored(self) -> bool:
        """Whether it stands in the ONNX file as it is."""
        return self.stored_bytes > 0

    def __str__(self) -> str:
        shape = ",".join(map(str, self.array.shape))
        text = f"{self.name!r} {self.array.dtype}[{shape}]"
        if self.array.size <= 4:
            text += f" = {self.array.tolist()}"
        return text


class Constants:
    """All constants of a model, by number of elements."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self.uses: dict[str, list[Use]] = {}
        for graph in _graphs(model.graph):
            for node in graph.node:
                for position, name in enumerate(node.input):
                    self.uses.setdefault(name, []).append(Use(node, position))
        self.stored = tuple(self._stored())

    @cached_property
    def computed(self) -> tuple[Constant, ...]:
        """Constants that nodes of the main graph compute from others, evaluated by onnxruntime."""
        names = {constant.name for constant in self.stored}
        nodes = []
        for node in self._model.graph.node:
            inputs = [name for name in node.input if name]
            if not inputs or node.op_type.startswith(_RANDOM) or not names.issuperset(inputs):
                continue
            nodes.append(node)
            names.update(filter(None, node.output))
        if not nodes:
            return ()
        return tuple(
            Constant(name, array, tuple(self.uses.get(name, ())), relative=_COMPUTED_RELATIVE)
            for name, array in self._evaluate(nodes).items()
            if isinstance(array, np.ndarray) and array.dtype.kind in "fiub" and array.size < _LARGEST_COMPUTED
        )

    def _evaluate(self, nodes: list[onnx.NodeProto]) -> dict[str, Array]:
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        for field in ("node", "input", "output", "value_info"):
            model.graph.ClearField(field)
        constant_nodes = [n for n in self._model.graph.node if n.op_type == "Constant"]
        model.graph.node.extend([*(n for n in constant_nodes if n not in nodes), *nodes])
        names = [name for node in nodes for name in node.output if name]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options)
            return dict(zip(names, session.run(names, {}), strict=True))
        except Exception:
            # onnxruntime raises plain exceptions for whatever it can't do; such constants stay unknown.
            return {}

    def _stored(self) -> Iterator[Constant]:
        for graph in _graphs(self._model.graph):
            for tensor in graph.initializer:
                yield from self._from_tensor(tensor.name, tensor)
            for node in graph.node:
                if node.op_type == "Constant":
                    yield from self._from_constant_node(node)

    def _from_constant_node(self, node: onnx.NodeProto) -> Iterator[Constant]:
        for attribute in node.attribute:
            value = onnx.helper.get_attribute_value(attribute)
            if attribute.name == "value":
                yield from self._from_tensor(node.output[0], value)
            elif attribute.name in ("value_float", "value_floats"):
                yield self._known(node.output[0], np.array(value, np.float32))
            elif attribute.name in ("value_int", "value_ints"):
                yield self._known(node.output[0], np.array(value, np.int64))

    def _from_tensor(self, name: str, tensor: onnx.TensorProto) -> Iterator[Constant]:
        array = numpy_helper.to_array(tensor)
        if array.dtype.kind not in "OSU":
            yield self._known(name, array, is_raw=tensor.HasField("raw_data"))

    def _known(self, name: str, array: Array, *, is_raw: bool = False) -> Constant:
        return Constant(name, array, tuple(self.uses.get(name, ())), array.nbytes, is_raw)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and all graphs inside its nodes' attributes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)
            for inner in attribute.graphs:
                yield from _graphs(inner)
