"""What a converter wrote into a ``.bin`` against what ncnn reads from it, byte by byte.

``byte_map`` finds the model's constants in the file by their own bytes and lays ncnn's reads beside them:
where the two columns part is where the weights shift. Nothing here knows any layer's layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from fuzzconv.case import Array
from fuzzconv.runtime.execution import BlobRead

ROW_BYTES = 4
_TAGS = {
    0x00000000: "fp32",
    0x01306B47: "fp16",
    0x000D4B38: "int8",
    0x0002C056: "fp32",
}


@dataclass(frozen=True)
class Span:
    """A run of bytes of the ``.bin`` with a name.

    Attributes:
        label: a constant's name, or a layer's name with the blob's number.
        start, end: byte range.
        data_start: where the values begin (behind the tag), the start of the range when there is no tag.
        item_bytes: size of one value.
        failed: the file ended before ncnn had the whole blob.
    """

    label: str
    start: int
    end: int
    data_start: int
    item_bytes: int
    failed: bool = False

    def at(self, offset: int) -> str:
        """What the byte at ``offset`` is: ``w[3]``, ``w: tag``, or empty outside of the span."""
        if not self.start <= offset < self.end:
            return ""
        if offset < self.data_start:
            return f"{self.label}: tag"
        return f"{self.label}[{(offset - self.data_start) // self.item_bytes}]"


@dataclass(frozen=True)
class Row:
    """Four bytes of the file.

    Attributes:
        offset: of the first byte.
        data: the bytes.
        written, read: what they were written as and what ncnn takes them for, empty when nothing is known.
        suspect: both are known and they disagree, or ncnn never reads them.
    """

    offset: int
    data: bytes
    written: str
    read: str
    suspect: bool

    @property
    def number(self) -> str:
        """The bytes as the float32 that ncnn would make of them."""
        if len(self.data) < ROW_BYTES:
            return ""
        return str(np.frombuffer(self.data, "<f4")[0])


@dataclass(frozen=True)
class ByteMap:
    """A ``.bin`` of ``size`` bytes: constants found in it, and ncnn's reads."""

    size: int
    written: tuple[Span, ...]
    read: tuple[Span, ...]
    rows: tuple[Row, ...]

    @property
    def first_fault(self) -> int | None:
        """Index of the first suspect row."""
        return next((i for i, row in enumerate(self.rows) if row.suspect), None)

    def around_fault(self, before: int = 3, after: int = 20) -> Sequence[Row]:
        """The rows around the first suspect one; the first ones when none is."""
        first = self.first_fault or 0
        return self.rows[max(0, first - before) : first + after]


def byte_map(model: onnx.ModelProto, weights: bytes, reads: Iterable[BlobRead], limit: int = 4096) -> ByteMap:
    """Lay what was written beside what is read, for the first ``limit`` bytes of the file."""
    read = tuple(_read_span(blob) for blob in reads)
    written = tuple(sorted(_find_constants(model, weights, read), key=lambda span: span.start))
    rows = []
    for offset in range(0, min(len(weights), limit), ROW_BYTES):
        left, right = _label(written, offset), _label(read, offset)
        if not left:
            left = _tag_before(written, weights, offset)
        rows.append(
            Row(offset, weights[offset : offset + ROW_BYTES], left, right, _suspect(written, read, offset))
        )
    return ByteMap(len(weights), written, read, tuple(rows))


def _suspect(written: Sequence[Span], read: Sequence[Span], offset: int) -> bool:
    """Whether no one reads these bytes, or a blob is read across the beginning or end of a constant.

    Names alone can't tell: converters rename layers and permute weights.
    """
    reader = next((s for s in read if s.start <= offset < s.end), None)
    if reader is None or reader.failed:
        return True
    if reader.item_bytes == 1:
        return False
    writer = next((s for s in written if s.start <= offset < s.end), None)
    if writer is None:
        return False
    return offset < reader.data_start or writer.start < reader.data_start or writer.end > reader.end


def _read_span(blob: BlobRead) -> Span:
    tagged = blob.load_type == 0 and blob.tag is not None
    item = {"fp16": 2, "int8": 1}.get(_TAGS.get(blob.tag or 0, "table"), 4) if tagged else 4
    label = blob.layer if blob.index == 0 else f"{blob.layer}#{blob.index}"
    data_start = blob.offset + 4 if tagged else blob.offset
    return Span(label, blob.offset, blob.offset + blob.size, data_start, item, blob.values is None)


def _find_constants(model: onnx.ModelProto, weights: bytes, read: Sequence[Span]) -> list[Span]:
    """Each constant's place by its own bytes, the longest first; each byte belongs to one constant."""
    found: list[Span] = []
    for name, array in sorted(_constants(model), key=lambda item: -item[1].nbytes):
        places = [
            Span(name, at, at + form.nbytes, at, form.itemsize)
            for form in _forms(array)
            for at in _occurrences(weights, form.tobytes())
        ]
        free = [p for p in places if all(p.end <= f.start or p.start >= f.end for f in found)]
        # A place that ncnn reads rightly comes first: few bytes (a zero) are found anywhere.
        right = (p for p in free if any(r.data_start <= p.start and p.end <= r.end for r in read))
        best = next(right, free[0] if free else None)
        if best:
            found.append(best)
    return found


def _constants(model: onnx.ModelProto) -> list[tuple[str, Array]]:
    constants = [(t.name, numpy_helper.to_array(t)) for t in model.graph.initializer]
    for node in model.graph.node:
        tensors = [a.t for a in node.attribute if node.op_type == "Constant" and a.name == "value"]
        constants += [(node.output[0], numpy_helper.to_array(t)) for t in tensors]
    return [(name, array) for name, array in constants if array.size and array.dtype.kind in "biuf"]


def _forms(array: Array) -> list[Array]:
    """How a constant may lie in the file: as it is, as float32, as float16."""
    forms = [array]
    with np.errstate(over="ignore"):
        forms += [array.astype(dtype) for dtype in (np.float32, np.float16) if array.dtype != dtype]
    return [form for form in forms if form.nbytes >= ROW_BYTES]


def _occurrences(weights: bytes, needle: bytes, most: int = 64) -> list[int]:
    """Offsets, multiples of four, where ``needle`` lies."""
    places: list[int] = []
    at = weights.find(needle)
    while at >= 0 and len(places) < most:
        if at % ROW_BYTES == 0:
            places.append(at)
        at = weights.find(needle, at + 1)
    return places


def _label(spans: Sequence[Span], offset: int) -> str:
    return next((label for span in spans if (label := span.at(offset))), "")


def _tag_before(written: Sequence[Span], weights: bytes, offset: int) -> str:
    """``tag (fp32)`` when four bytes of no constant stand right before one and are a known tag."""
    value = int.from_bytes(weights[offset : offset + ROW_BYTES], "little")
    owner = next((span for span in written if span.start == offset + ROW_BYTES), None)
    return f"{owner.label}: tag ({_TAGS[value]})" if owner and value in _TAGS else ""


def byte_map_text(found: ByteMap, rows: Sequence[Row] | None = None) -> str:
    """The map as aligned text, one row of four bytes a line, suspect rows marked with ``<--``."""
    shown = found.around_fault() if rows is None else rows
    lines = [f"{'offset':>6}  {'bytes':<11}  {'float32':>14}  {'written as':<20}  read by ncnn as"]
    lines += [
        f"{row.offset:>6}  {row.data.hex(' '):<11}  {row.number:>14}  {row.written or '?':<20}  "
        f"{row.read or '(not read)'}{'  <--' if row.suspect else ''}"
        for row in shown
    ]
    if len(shown) < len(found.rows):
        lines.append(f"({len(shown) * ROW_BYTES} of {found.size} bytes shown)")
    return "\n".join(lines) + "\n"
