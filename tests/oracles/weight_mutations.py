"""Ways to damage a ``.bin``: each yields a name and the damaged content."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fuzzconv.runtime.execution import BlobRead, WeightTrace

FP16_TAG = 0x01306B47
_TAGS = (0, FP16_TAG, 0x000D4B38, 0x0002C056, 0xFFFFFFFF, 0x3F642384)


def mutations(content: bytes, trace: WeightTrace) -> Iterator[tuple[str, bytes]]:
    """Every mutation of the table, applied to every blob (or place between blobs) of one file."""
    rng = np.random.default_rng(len(content))
    yield from layout_mutations(content, trace, rng)
    for blob in trace.blobs:
        yield from value_mutations(content, blob, rng)


def layout_mutations(
    content: bytes, trace: WeightTrace, rng: np.random.Generator
) -> Iterator[tuple[str, bytes]]:
    """What changes the file's length or a tag: provable whatever the values mean."""
    places = sorted({0, *(blob.offset for blob in trace.blobs), *map(_middle, trace.blobs)})
    for place in places:
        for size in (1, 2, 3, 4, 8):
            garbage = rng.bytes(size)
            yield f"insert {size}", content[:place] + garbage + content[place:]
            yield f"delete {size}", content[:place] + content[place + size :]
    for size in (1, 2, 3, 4, 8):
        yield f"truncate {size}", content[:-size]
        yield f"append {size}", content + rng.bytes(size)
        yield f"append {size} zeros", content + bytes(size)
    for blob in trace.blobs:
        for tag in _TAGS if blob.load_type == 0 else ():
            yield "wrong tag", content[: blob.offset] + tag.to_bytes(4, "little") + content[blob.offset + 4 :]


def value_mutations(content: bytes, blob: BlobRead, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """What changes the values of one blob of fp32 or fp16."""
    width = 2 if blob.tag == FP16_TAG else 4
    start = blob.offset + (4 if blob.load_type == 0 else 0)
    end = start + blob.count * width
    data = content[start:end]

    def replaced(new: bytes) -> bytes:
        return content[:start] + new + content[end:]

    for size, name in ((width, "1 element"), (1, "1 byte"), (2, "2 bytes"), (3, "3 bytes")):
        for fill in (bytes(size), rng.bytes(size)):
            yield f"shift +{name}", replaced(fill + data[:-size])
            yield f"shift -{name}", replaced(data[size:] + fill)
    nan = np.array(np.nan, np.float16 if width == 2 else np.float32).tobytes()
    for index in sorted({0, blob.count // 2, blob.count - 1}):
        at = index * width
        yield "NaN", replaced(data[:at] + nan + data[at + width :])
        yield "zero value", replaced(data[:at] + bytes(width) + data[at + width :])
        other = int(rng.integers(blob.count)) * width
        values = [data[i : i + width] for i in range(0, len(data), width)]
        values[at // width], values[other // width] = values[other // width], values[at // width]
        yield "swap two values", replaced(b"".join(values))
    yield "zero blob", replaced(bytes(len(data)))


def _middle(blob: BlobRead) -> int:
    return blob.offset + blob.size // 2


def reads_the_same(before: WeightTrace, after: WeightTrace, sizes: tuple[int, int]) -> bool:
    """Whether ncnn reads identical values and nothing else of the file's ``sizes``: a harmless mutation."""
    if before.status is not after.status or len(before.blobs) != len(after.blobs):
        return False
    if after.consumed != sizes[1] or before.consumed != sizes[0]:
        return False
    return all(
        a.values is not None and b.values is not None and np.array_equal(a.values, b.values)
        for a, b in zip(before.blobs, after.blobs, strict=True)
    )
