"""Load one ncnn network, feed it, extract from it. Runs inside a worker: native code may kill the process.

Feeding and reading follow the script that pnnx writes beside a model: ``ncnn.Mat(x, batch_index=B).clone()``
and ``out.numpy(batch_index=B)``. ``.clone()`` is a must, since a Mat made from a numpy array borrows its
memory without alignment or ownership, which crashes in-place layers.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping
from typing import Any

import ncnn
import numpy as np

from fuzzconv.runtime.frames import Array, Message

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.restype = ctypes.c_void_p
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]


_MAT_HAS_BATCH = "batch_index" in (ncnn.Mat.__init__.__doc__ or "")
"""Releases before 2026 have no batch axis in a Mat."""


class MemoryReader(ncnn.DataReader):  # type: ignore[misc]  # ncnn ships no type information
    """Serves a ``.bin`` from memory; a short file gives short reads, as a real file does.

    ``Net.load_model_mem`` would read past the end of the buffer instead.
    """

    def __init__(self, content: Array) -> None:
        super().__init__()
        self.content = content
        self.offset = 0

    def read(self, buffer: object, size: int) -> int:
        """Copy the next ``size`` bytes, or what is left, to ``buffer`` (a capsule of a C pointer)."""
        count = min(size, self.content.nbytes - self.offset)
        if count:
            target = _capsule_pointer(buffer, None)
            ctypes.memmove(target, self.content.ctypes.data + self.offset, count)
            self.offset += count
        return count


def run(request: Message, *, vulkan: bool) -> Message:
    """Answer a ``run`` request.

    Fields of the request: ``param``, ``options``, ``feeds`` ([blob, batch axis] each) and ``fetches``
    (likewise); its arrays are the ``.bin`` content and one array per feed. Fields of the answer: ``status``,
    ``return_code``, ``failed_at`` and ``outputs`` ([blob, position in the arrays or None for empty]).
    """
    fields = request.fields
    weights, *feeds = request.arrays
    net = ncnn.Net()
    net.opt.use_vulkan_compute = vulkan
    set_options(net, fields["options"])
    code = net.load_param_mem(fields["param"])
    if code != 0:
        return _failure("load_failed", code, "param")
    code = net.load_model(MemoryReader(weights))
    if code != 0:
        return _failure("load_failed", code, "weights")
    extractor = net.create_extractor()
    try:
        return _feed_and_extract(extractor, fields, feeds)
    finally:
        # The extractor's mats may live in the net's allocators: they go first.
        extractor.clear()
        net.clear()


def set_options(net: Any, options: Mapping[str, bool | int]) -> None:
    """Set fields of ``net.opt``. An older ncnn lacks some; one that should be off is off there.

    Raises:
        AttributeError: this ncnn has no such option to switch on.
    """
    for name, value in options.items():
        if hasattr(net.opt, name):
            setattr(net.opt, name, value)
        elif value:
            raise AttributeError(f"ncnn.Option has no field {name!r}")


def _feed_and_extract(extractor: Any, fields: Mapping[str, Any], feeds: list[Array]) -> Message:
    for (blob, batch_axis), array in zip(fields["feeds"], feeds, strict=True):
        try:
            code = extractor.input(blob, _to_mat(array, batch_axis))
        except _NoBatchError:
            return _failure("unfeedable", 0, blob)
        except (RuntimeError, ValueError) as error:
            code = _say(error)
        if code != 0:
            return _failure("input_refused", code, blob)

    outputs: list[tuple[str, int | None]] = []
    arrays: list[Array] = []
    for blob, batch_axis in fields["fetches"]:
        extracted: Array | None = None
        try:
            code, mat = extractor.extract(blob)
            if code == 0 and not mat.empty():
                extracted = _to_array(mat, batch_axis)
        except (RuntimeError, ValueError) as error:
            code = _say(error)
        if code != 0:
            return _failure("extract_failed", code, blob, outputs, arrays)
        outputs.append((blob, None if extracted is None else len(arrays)))
        if extracted is not None:
            arrays.append(extracted)
    return _answer("done", 0, "", outputs, arrays)


class _NoBatchError(Exception):
    """This ncnn's Mat has no batch axis, and the batch is not 1."""


def _to_mat(array: Array, batch_axis: int | None) -> Any:
    if batch_axis is not None and not _MAT_HAS_BATCH:
        if array.shape[batch_axis] != 1:
            raise _NoBatchError
        return ncnn.Mat(np.ascontiguousarray(np.squeeze(array, batch_axis))).clone()
    if batch_axis is not None:
        return ncnn.Mat(array, batch_index=batch_axis).clone()
    # The binding has no form for rank 0 and dereferences a null pointer.
    return ncnn.Mat(array.reshape(1) if array.ndim == 0 else array).clone()


def _to_array(mat: Any, batch_axis: int | None) -> Array:
    if batch_axis is not None and not _MAT_HAS_BATCH:
        return np.array(np.expand_dims(mat.numpy(), batch_axis), order="C", copy=True)
    array = mat.numpy() if batch_axis is None else mat.numpy(batch_index=batch_axis)
    return np.array(array, order="C", copy=True)


def _say(error: Exception) -> int:
    """Put a binding's exception where the native messages are; returns the code to report."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{type(error).__name__}: {error}\n".encode())
    return -1


def _failure(
    status: str,
    code: int,
    failed_at: str,
    outputs: list[tuple[str, int | None]] | None = None,
    arrays: list[Array] | None = None,
) -> Message:
    return _answer(status, code, failed_at, outputs or [], arrays or [])


def _answer(
    status: str, code: int, failed_at: str, outputs: list[tuple[str, int | None]], arrays: list[Array]
) -> Message:
    fields = {"status": status, "return_code": code, "failed_at": failed_at, "outputs": outputs}
    return Message(fields, arrays)
