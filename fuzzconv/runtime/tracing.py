"""Ask ncnn, layer by layer, which bytes of a ``.bin`` it reads and what it decodes them to.

No table of layer layouts is needed here: every layer's own ``load_model`` is called with a ``ModelBin`` that
writes down what it is asked for. Runs inside a worker: a malformed file can kill the process.
"""

from __future__ import annotations

from typing import Any

import ncnn
import numpy as np

from fuzzconv.runtime.frames import Array, Message
from fuzzconv.runtime.network import MemoryReader

_TAGGED = 0
_TAG_BYTES = 4


class TracingModelBin(ncnn.ModelBinFromDataReader):  # type: ignore[misc]  # ncnn ships no type information
    """Decodes as ncnn does and records each blob.

    ``blobs`` holds [layer, layer type, index, load type, tag, offset, size, position in ``arrays``]; tag and
    position are None where there is none.
    """

    def __init__(self, reader: MemoryReader) -> None:
        super().__init__(reader)
        self._reader = reader  # ncnn keeps only a reference to it
        self._layer = ("", "")
        self._index = 0
        self.blobs: list[tuple[str, str, int, int, int | None, int, int, int | None]] = []
        self.arrays: list[Array] = []

    def enter(self, name: str, kind: str) -> None:
        """Book the blobs that follow on the layer ``name`` of type ``kind``."""
        self._layer = (name, kind)
        self._index = 0

    def load(self, count: int, load_type: int) -> Any:
        """Decode ``count`` elements; an empty Mat when the file is too short."""
        start = self._reader.offset
        mat = super().load(count, load_type)
        end = self._reader.offset
        position = None
        if not mat.empty():
            position = len(self.arrays)
            self.arrays.append(np.array(mat.numpy(), order="C", copy=True))
        tag = None
        if load_type == _TAGGED and end - start >= _TAG_BYTES:
            tag = int.from_bytes(self._reader.content[start : start + _TAG_BYTES].tobytes(), "little")
        self.blobs.append((*self._layer, self._index, load_type, tag, start, end - start, position))
        self._index += 1
        return mat


def trace(request: Message) -> Message:
    """Answer a ``trace`` request.

    Field of the request: ``param``; its array is the ``.bin`` content. Fields of the answer: ``status``
    (``done`` or ``load_failed``), ``blobs`` (see ``TracingModelBin``) and ``consumed``.
    """
    reader = MemoryReader(request.arrays[0])
    model_bin = TracingModelBin(reader)
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    if net.load_param_mem(request.fields["param"]) != 0:
        return Message({"status": "load_failed", "blobs": [], "consumed": 0})
    for layer in net.layers():
        model_bin.enter(layer.name, layer.type)
        layer.load_model(model_bin)
    fields = {"status": "done", "blobs": model_bin.blobs, "consumed": reader.offset}
    return Message(fields, model_bin.arrays)
