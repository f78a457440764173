"""Blobs whose ONNX constant was written with another size than ncnn reads: where layouts go wrong.

onnx2ncnn writes ``raw_data`` as four-byte words whatever the dtype is, and of the typed fields only
``float_data``; ncnn reads four bytes per element (``get_tensor_proto_data_size`` and
``fwrite_tensor_proto_data`` in ncnn's ``tools/onnx/onnx2ncnn.cpp``). A layer made from a constant bears the
constant's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.runtime.execution import BlobRead


@dataclass(frozen=True)
class Misfit:
    """A blob of ``wanted`` bytes, for which the file has ``written`` bytes of ``constant``."""

    position: int
    blob: BlobRead
    constant: Constant
    written: int
    wanted: int

    @property
    def excess(self) -> int:
        """By how many bytes everything behind it moves."""
        return self.written - self.wanted

    def __str__(self) -> str:
        return (
            f"{self.blob.layer_type} {self.blob.layer!r} holds ONNX constant {self.constant}, of which "
            f"{self.written} bytes were written while ncnn reads {self.wanted}"
        )


def find_misfits(blobs: Iterable[BlobRead], constants: Iterable[Constant]) -> list[Misfit]:
    """The blobs that bear a constant's name and have another size than onnx2ncnn gave it."""
    by_name = {constant.name: constant for constant in constants}
    misfits = []
    for position, blob in enumerate(blobs):
        constant = by_name.get(blob.layer)
        if constant is None or blob.load_type == 0:
            continue
        words = constant.stored_bytes // 4
        written = 4 * words if constant.is_raw or constant.array.dtype == "float32" else 0
        if written != 4 * blob.count:
            misfits.append(Misfit(position, blob, constant, written, 4 * blob.count))
    return misfits


def explain(misfits: Sequence[Misfit], distance: int) -> list[Misfit]:
    """All of ``misfits`` if together they move what follows by ``distance`` bytes, else none."""
    return list(misfits) if misfits and sum(m.excess for m in misfits) == distance else []
