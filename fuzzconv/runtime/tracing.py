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

    ``blobs`` holds [layer, layer type, index, load type, tag, offset, size, count, position in ``arrays``];
    tag and position are None where there is none.
    """

    def __init__(self, reader: MemoryReader) -> None:
        super().__init__(reader)
        self._reader = reader  # ncnn keeps only a reference to it
        self._layer = ("", "")
        self._index = 0
        self.came_short = False
        self.blobs: list[tuple[str, str, int, int, int | None, int, int, int, int | None]] = []
        self.arrays: list[Array] = []

    def enter(self, name: str, kind: str) -> None:
        """Book the blobs that follow on the layer ``name`` of type ``kind``."""
        self._layer = (name, kind)
        self._index = 0
        self.came_short = False

    def load(self, count: int, load_type: int) -> Any:
        """Decode ``count`` elements; an empty Mat when the file is too short."""
        start = self._reader.offset
        mat = super().load(count, load_type)
        end = self._reader.offset
        position = None
        if mat.empty():
            self.came_short = True
        else:
            position = len(self.arrays)
            self.arrays.append(np.array(mat.numpy(), order="C", copy=True))
        tag = None
        if load_type == _TAGGED and end - start >= _TAG_BYTES:
            tag = int.from_bytes(self._reader.content[start : start + _TAG_BYTES].tobytes(), "little")
        self.blobs.append((*self._layer, self._index, load_type, tag, start, end - start, count, position))
        self._index += 1
        return mat


def trace(request: Message) -> Message:
    """Answer a ``trace`` request.

    Field of the request: ``param``; its array is the ``.bin`` content. Fields of the answer: ``status``
    (``done``, or ``load_failed`` when the param was refused), ``blobs`` (see ``TracingModelBin``),
    ``consumed`` and ``untraced`` (names of layers that ncnn does not know or refuses).
    """
    param = request.fields["param"]
    reader = MemoryReader(request.arrays[0])
    model_bin = TracingModelBin(reader)
    net = _load(param)
    nets = [net] if net else [_load(_alone(line)) for line in _layer_lines(param)]
    untraced = []
    for line, part in zip(_layer_lines(param), nets, strict=False):
        if part is None:
            untraced.append(line[1])
    for part in filter(None, nets):
        for layer in part.layers():
            model_bin.enter(layer.name, layer.type)
            code = layer.load_model(model_bin)
            if code != 0 and not model_bin.came_short:
                untraced.append(layer.name)
    fields = {
        "status": "done" if net else "load_failed",
        "blobs": model_bin.blobs,
        "consumed": reader.offset,
        "untraced": untraced,
    }
    return Message(fields, model_bin.arrays)


def _load(param: str) -> Any | None:
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    return net if net.load_param_mem(param) == 0 else None


def _layer_lines(param: str) -> list[list[str]]:
    """The words of each layer's line (magic and counts come first)."""
    return [words for line in param.splitlines()[2:] if (words := line.split())]


def _alone(words: list[str]) -> str:
    """A ``.param`` of one layer with its own parameters, between one blob and another.

    What a layer reads from a ``.bin`` depends on its parameters only, while a refusal mostly comes from how
    it is wired.
    """
    kind, name, bottoms, tops = words[:4]
    params = words[4 + int(bottoms) + int(tops) :]
    return f"7767517\n2 2\nInput in 0 1 in\n{kind} {name} 1 1 in out {' '.join(params)}\n"
