"""Messages between a client and its worker process: one JSON header and raw arrays, over pipes.

A frame is two little-endian uint32 (length of the header, length of the payload), the header as UTF-8 JSON
``{"fields": {...}, "arrays": [[dtype, shape], ...]}``, then the arrays' bytes, each padded to 16. No pickle:
a worker may run under another Python, another numpy or another architecture, and may have been damaged by
the native code it hosts.

Only the standard library and numpy are used here, so that a worker needs nothing else of the project.
"""

from __future__ import annotations

import io
import json
import os
import select
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]

_PREFIX = struct.Struct("<II")
_ALIGNMENT = 16


@dataclass(frozen=True)
class Message:
    """What one frame carries: JSON-able fields and the arrays that the fields refer to by position."""

    fields: Mapping[str, Any]
    arrays: Sequence[Array] = ()


class Channel:
    """A pair of pipe ends that carries messages."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        """Take over both descriptors; they are closed by ``close``."""
        self._reader = io.FileIO(read_fd, "r")
        self._writer = io.FileIO(write_fd, "w")
        self._poll = select.poll()
        self._poll.register(read_fd, select.POLLIN)

    def send(self, message: Message) -> None:
        """Write one message.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        data = memoryview(_encode(message))
        while data:
            data = data[self._writer.write(data) or 0 :]

    def receive(self, timeout_s: float | None = None) -> Message:
        """Read one message; its arrays are writable views of one buffer.

        Raises:
            EOFError: the other side is gone.
            TimeoutError: no complete message within ``timeout_s``.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        header_size, payload_size = _PREFIX.unpack(self._read(_PREFIX.size, deadline))
        header = json.loads(self._read(header_size, deadline))
        payload = self._read(payload_size, deadline)
        return Message(header["fields"], _decode_arrays(header["arrays"], payload))

    def close(self) -> None:
        """Close both pipe ends."""
        self._reader.close()
        self._writer.close()

    def _read(self, size: int, deadline: float | None) -> bytearray:
        buffer = bytearray(size)
        view = memoryview(buffer)
        while view:
            if deadline is not None:
                left_ms = max(0.0, deadline - time.monotonic()) * 1000
                if not self._poll.poll(left_ms):
                    raise TimeoutError
            count = self._reader.readinto(view)
            if not count:
                raise EOFError
            view = view[count:]
        return buffer


def _encode(message: Message) -> bytes:
    arrays = [np.asarray(array, order="C") for array in message.arrays]
    specs = [[array.dtype.str, list(array.shape)] for array in arrays]
    header = json.dumps({"fields": message.fields, "arrays": specs}).encode()
    parts = [b"", header]
    size = 0
    for array in arrays:
        padding = -array.nbytes % _ALIGNMENT
        parts += [array.tobytes(), bytes(padding)]
        size += array.nbytes + padding
    parts[0] = _PREFIX.pack(len(header), size)
    return b"".join(parts)


def _decode_arrays(specs: Sequence[tuple[str, Sequence[int]]], payload: bytearray) -> list[Array]:
    arrays: list[Array] = []
    offset = 0
    for dtype, shape in specs:
        array = np.ndarray(tuple(shape), np.dtype(dtype), payload, offset)
        arrays.append(array)
        offset += array.nbytes + -array.nbytes % _ALIGNMENT
    return arrays


def inherited_channel() -> Channel:
    """The channel of a process started with pipes as standard input and output.

    Afterwards whatever native code prints to standard output lands in standard error, and cannot damage the
    channel.
    """
    channel = Channel(os.dup(0), os.dup(1))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    return channel
