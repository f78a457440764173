"""A converter and a runtime made of onnxruntime: they put the real pipeline and its oracles to the test.

The "converted network" is the ONNX model itself; its ``.bin`` holds the float initializers one after the
other, as MemoryData layers would. Honest when no fault is planted.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from planted import Fault, PlantedOutcomeError, Site, WeightDamageError, execute

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.pipeline import Pipeline
from fuzzconv.route import DEFAULT_ROUTES, Route
from fuzzconv.runtime.execution import BlobRead, RunRequest, RunResult, RunStatus, WeightTrace
from fuzzconv.verdict import Kind

_TAG_FP16 = 0x01306B47
_WEIGHTY = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "PRelu"})
_OUTCOMES = {Kind.CRASH: Outcome.CRASHED, Kind.HANG: Outcome.HUNG, Kind.REFUSED: Outcome.REFUSED}


class StandInConverter:
    """Writes the model as ``.param`` and its float weights as ``.bin``, with the weight faults planted."""

    def __init__(self, name: str, setting: str, faults: Sequence[Fault] = ()) -> None:
        self.name = name
        self.setting = setting
        self._faults = [f for f in faults if f.family in ("weights", "crash", "hang", "refused")]

    def convert(self, case: Case, scratch: Path) -> Conversion:
        try:
            content = self._content(case)
        except PlantedOutcomeError as error:
            outcome = _OUTCOMES[error.kind]
            status = {Outcome.CRASHED: -11, Outcome.HUNG: -9}.get(outcome, 7)
            return Conversion(self.name, self.setting, ToolRun(outcome, status, "", str(error), 1.0))
        graph = case.model.graph
        return Conversion(
            self.name,
            self.setting,
            ToolRun(Outcome.DONE, 0, "", "", 0.1),
            "\n".join([self.name, self.setting, base64.b64encode(case.model.SerializeToString()).decode()]),
            content,
            (
                Feeding(
                    tuple(Binding(n, n, None, str(a.dtype)) for n, a in case.inputs.items()),
                    tuple(Binding(o.name, o.name) for o in graph.output),
                ),
            ),
        )

    def close(self) -> None:
        pass

    def _content(self, case: Case) -> bytes:
        """The ``.bin``.

        Raises:
            PlantedOutcomeError: a fault ends the conversion.
        """
        stored = {t.name: numpy_helper.to_array(t) for t in case.model.graph.initializer}
        halves = _halved(case.model, self.setting)
        written = {n: _encoded(a, n in halves) for n, a in stored.items() if a.dtype == np.float32}
        route = Route(self.name, self.setting, "cpu")
        for node in case.model.graph.node:
            inputs = [stored.get(name) for name in node.input]
            site = Site(case, route, node, inputs, frozenset(stored), {})
            for fault in (f for f in self._faults if f.strikes(site)):
                try:
                    fault.wrong(site)
                except WeightDamageError as damage:
                    unpadded = written[damage.name][:-2]
                    damaged = _encoded(damage.read, damage.name in halves)
                    written[damage.name] = unpadded if damage.unpadded else damaged
        return b"".join(written.values())


class StandInRuntime:
    """Reads the weights back from the ``.bin`` and runs the model, with the other faults planted."""

    def __init__(self, device: str, faults: Sequence[Fault] = ()) -> None:
        self.device = device
        self._faults = [f for f in faults if f.family not in ("weights", "crash", "hang", "refused")]

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        _, setting, model = _decoded(param)
        halves = _halved(model, setting)
        blobs: list[BlobRead] = []
        offset = 0
        for tensor in model.graph.initializer:
            if tensor.data_type != onnx.TensorProto.FLOAT:
                continue
            count = int(np.prod(tensor.dims))
            half = tensor.name in halves
            size = 4 + 2 * (count + count % 2) if half else 4 * count
            content = weights[offset : offset + size]
            read = None
            if len(content) == size:
                values = np.frombuffer(content[4:] if half else content, np.float16 if half else np.float32)
                read = values[:count].astype(np.float32)
            tag = _TAG_FP16 if half else None
            blobs.append(
                BlobRead(tensor.name, "MemoryData", 0, int(not half), tag, offset, size, read, count)
            )
            offset += size
        return WeightTrace(RunStatus.DONE, tuple(blobs), offset)

    def run(self, request: RunRequest) -> RunResult:
        name, setting, model = _decoded(request.param)
        read = {b.layer: b.values for b in self.trace(request.param, request.weights).blobs}
        for tensor in model.graph.initializer:
            if tensor.name in read:
                array = read[tensor.name].reshape(tuple(tensor.dims))
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        types = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
        inputs = {
            f.blob: f.array.astype(onnx.helper.tensor_dtype_to_np_dtype(types[f.blob])) for f in request.feeds
        }
        try:
            outputs = execute(Case(model, inputs), Route(name, setting, self.device), self._faults)
        except PlantedOutcomeError as error:
            return RunResult(RunStatus.LOAD_FAILED, return_code=-1, failed_at="param", stderr=str(error))
        return RunResult(RunStatus.DONE, {n: a.astype(np.float32) for n, a in outputs.items()})

    def close(self) -> None:
        pass


def standin_pipeline(scratch: Path, faults: Sequence[Fault] = ()) -> Pipeline:
    """The real pipeline over stand-ins for every default route."""
    settings = dict.fromkeys(route.conversion for route in DEFAULT_ROUTES)
    return Pipeline(
        {":".join(filter(None, s)): StandInConverter(*s, faults) for s in settings},
        {device: StandInRuntime(device, faults) for device in ("cpu", "vulkan")},
        scratch,
    )


def _encoded(array: Array, half: bool) -> bytes:
    if not half:
        return array.astype(np.float32).tobytes()
    padded = np.append(array.astype(np.float16).ravel(), np.zeros(array.size % 2, np.float16))
    return _TAG_FP16.to_bytes(4, "little") + padded.tobytes()


def _halved(model: onnx.ModelProto, setting: str) -> set[str]:
    """Names of the weights that the setting rounds to half: those of layers with many, as pnnx does."""
    if setting != "fp16=1":
        return set()
    return {node.input[1] for node in model.graph.node if node.op_type in _WEIGHTY}


def _decoded(param: str) -> tuple[str, str, onnx.ModelProto]:
    name, setting, model = param.split("\n")
    return name, setting, onnx.ModelProto.FromString(base64.b64decode(model))
