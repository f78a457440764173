"""A model opened up for measuring: every tensor can be read, and every float tensor can be disturbed.

``Probe`` runs a case in onnxruntime twice prepared: *plain* (the model as it is, every tensor an output) and
*disturbed* (each float tensor ``t`` of the graph replaced, where consumed, by ``t + noise``, the noise being
a graph input). One session serves any number of disturbed runs, each a few microseconds, so an error bound
can be sampled from the computation itself.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import numpy_helper

from fuzzconv.case import Array, Case
from fuzzconv.reference.widen import FLOAT_TYPES, is_single_precision, widen

FloatArray = NDArray[np.floating]

_PARAMETER_SLOTS: Mapping[str, frozenset[int]] = {
    "Clip": frozenset({1, 2}),
    "ConstantOfShape": frozenset({0}),
    "Dropout": frozenset({1, 2}),
    "OneHot": frozenset({1}),
    "Pad": frozenset({2}),
    "Pow": frozenset({1}),
    "Range": frozenset({0, 1, 2}),
    "Resize": frozenset({1, 2, 3}),
    "Upsample": frozenset({1}),
}
"""Inputs that are settings written as floats: exact in any precision, and onnxruntime wants them constant."""


_SHAPE_OPERATORS = frozenset({"Shape", "Size"})


class UnrunnableError(Exception):
    """onnxruntime can't run the model; ``str`` is its first line. Never leaves this package."""


@dataclass(frozen=True)
class Site:
    """A float tensor that can be disturbed, and its own slice of the flat noise vector."""

    tensor: str
    shape: tuple[int, ...]
    span: slice


class Probe:
    """One case in onnxruntime: all optimisations off, one thread, the CPU.

    Args:
        case: the case; its model is not changed.

    Attributes:
        values: every tensor that a node yields or the graph returns, undisturbed.
        constants: initializers and what is computed from constants alone (converters fold it).
        fixed: names of the constants and of what shapes alone decide: nothing of it is data.
        inputs, outputs: names, in graph order.

    Raises:
        UnrunnableError: onnxruntime refuses the model or fails to run it.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        tensors = _graph_tensors(case.model.graph)
        session = open_session(_with_outputs(case.model, tensors))
        readable = [o.name for o in session.get_outputs() if o.type != "tensor(bfloat16)"]
        self.values: dict[str, Array] = _run(session, readable, case.inputs)
        self.inputs = tuple(case.inputs)
        self.outputs = tuple(o.name for o in case.model.graph.output)
        self.constants: dict[str, Array] = {
            t.name: numpy_helper.to_array(t) for t in case.model.graph.initializer
        }
        computed = set(self.constants)  # of some, bfloat16 ones, the values can't be read
        self.fixed = set(self.constants)
        for node in case.model.graph.node:
            if node.op_type in _SHAPE_OPERATORS or all(name in self.fixed for name in node.input if name):
                self.fixed |= set(node.output)
            if all(name in computed for name in node.input if name) and not _has_subgraph(node):
                computed |= set(node.output)
                self.constants |= {name: self.values[name] for name in node.output if name in self.values}

    @property
    def nodes(self) -> Sequence[onnx.NodeProto]:
        """The graph's nodes, in order."""
        return list(self._case.model.graph.node)

    @cached_property
    def known(self) -> Mapping[str, Array]:
        """Every tensor's undisturbed value: inputs, constants and what nodes yield."""
        return {**self._case.inputs, **self.constants, **self.values}

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """Every float tensor some node consumes as data, in graph order."""
        names: dict[str, None] = {}
        for node, slot in _data_slots(self._case.model.graph):
            names[node.input[slot]] = None
        found = []
        start = 0
        for name in names:
            array = self.known.get(name)
            if array is None or array.dtype.name not in FLOAT_TYPES:
                continue
            found.append(Site(name, array.shape, slice(start, start + array.size)))
            start += array.size
        return tuple(found)

    @cached_property
    def levels(self) -> FloatArray:
        """The undisturbed values of all sites, one flat float32 vector (non-finite ones as 0)."""
        parts = [self.known[s.tensor].astype(np.float32).ravel() for s in self.sites]
        flat = np.concatenate(parts) if parts else np.zeros(0, np.float32)
        return np.where(np.isfinite(flat), flat, np.float32(0))

    def run(self, noise: FloatArray) -> dict[str, Array]:
        """The graph outputs with ``noise`` (flat, laid out as ``sites``) added; float outputs as float32.

        Raises:
            UnrunnableError: onnxruntime fails to run it.
        """
        session, inputs, prefix = self._disturbed
        noise = np.where(noise == 0, np.float32(-0.0), noise)  # adding -0 changes nothing, +0 turns -0 to +0
        feeds = {f"{prefix}{i}": noise[s.span].reshape(s.shape) for i, s in enumerate(self.sites)}
        return _run(session, self.outputs, {**inputs, **feeds})

    @cached_property
    def is_single_precision(self) -> bool:
        """Whether all float tensors are float32, so that the disturbed copy has the case's own types."""
        return is_single_precision(self.known.values())

    @cached_property
    def computes_in_half(self) -> bool:
        """Whether the graph itself computes in half precision (constants stored so are not enough)."""
        computed = {n: a for n, a in self.known.items() if n not in self.constants}
        return any(a.dtype == np.float16 for a in computed.values())

    @cached_property
    def _disturbed(self) -> tuple[ort.InferenceSession, Mapping[str, Array], str]:
        model = onnx.ModelProto()
        model.CopyFrom(self._case.model)
        inputs: Mapping[str, Array] = self._case.inputs
        if not self.is_single_precision:
            widen(model)
            inputs = {
                k: v.astype(np.float32) if v.dtype.name in FLOAT_TYPES else v for k, v in inputs.items()
            }
        prefix = _unused_prefix(model.graph)
        _disturb(model.graph, self.sites, prefix)
        return open_session(model), inputs, prefix


def open_session(model: onnx.ModelProto) -> ort.InferenceSession:
    """A session with all optimisations off, one thread, on the CPU.

    Raises:
        UnrunnableError: onnxruntime refuses the model.
    """
    return _session(model.SerializeToString())


def open_files(case: Case) -> None:
    """Have onnxruntime open a case as a user's files, weights beside the model and all.

    Raises:
        UnrunnableError: it refuses them, though it may take the model with its weights inside.
    """
    with tempfile.TemporaryDirectory(prefix="fuzzconv-") as directory:
        _session(str(case.write(Path(directory))))


def _session(model: str | bytes) -> ort.InferenceSession:
    try:
        return ort.InferenceSession(model, _OPTIONS, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        raise UnrunnableError(_first_line(error)) from error


def _session_options() -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return options


_OPTIONS = _session_options()


def _run(session: ort.InferenceSession, names: Sequence[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
    try:
        values = session.run(list(names), dict(feeds))
    except Exception as error:  # onnxruntime raises a dozen unrelated types
        raise UnrunnableError(_first_line(error)) from error
    return {n: v for n, v in zip(names, values, strict=True) if isinstance(v, np.ndarray)}


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:300]


def _graph_tensors(graph: onnx.GraphProto) -> list[str]:
    """The graph's outputs, then every other tensor a node of it yields."""
    names = dict.fromkeys(o.name for o in graph.output)
    names.update(dict.fromkeys(name for node in graph.node for name in node.output if name))
    return list(names)


def _with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of ``model`` with every tensor in ``names`` as a graph output."""
    present = {o.name for o in model.graph.output}
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.extend(onnx.ValueInfoProto(name=n) for n in names if n not in present)
    return extended


def _has_subgraph(node: onnx.NodeProto) -> bool:
    return any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)


def _data_slots(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, int]]:
    """(node, input index) of every input that carries data rather than a setting."""
    for node in graph.node:
        settings = _PARAMETER_SLOTS.get(node.op_type, frozenset())
        for slot, name in enumerate(node.input):
            if name and slot not in settings:
                yield node, slot


def _unused_prefix(graph: onnx.GraphProto) -> str:
    used = {name for node in graph.node for name in (*node.input, *node.output)}
    used |= {i.name for i in graph.input} | {t.name for t in graph.initializer}
    prefix = "noise"
    while any(name.startswith(prefix) for name in used):
        prefix += "_"
    return prefix


def _disturb(graph: onnx.GraphProto, sites: Sequence[Site], prefix: str) -> None:
    """Put ``t + noise`` in ``t``'s place at every data input; noise inputs are ``PREFIX<site index>``."""
    renamed = {}
    additions = {}
    for index, site in enumerate(sites):
        noise, noisy = f"{prefix}{index}", f"{prefix}{index}_sum"
        graph.input.append(onnx.helper.make_tensor_value_info(noise, onnx.TensorProto.FLOAT, site.shape))
        additions[site.tensor] = onnx.helper.make_node("Add", [site.tensor, noise], [noisy])
        renamed[site.tensor] = noisy
    for node, slot in _data_slots(graph):
        node.input[slot] = renamed.get(node.input[slot], node.input[slot])
    produced = {name for node in graph.node for name in node.output}
    nodes = [additions[name] for name in additions if name not in produced]
    for node in graph.node:
        nodes.append(node)
        nodes += [additions[name] for name in node.output if name in additions]
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(ordered)
    del graph.value_info[:]
