"""How values look in a ``.bin``, and when a value read is the value meant.

Facts from ncnn's ``src/modelbin.cpp`` and ``src/mat.cpp``: a tagged blob starts with four bytes that name its
encoding; conversion to half flushes half-subnormals to zero and turns |w| >= 65520 into infinity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

TAG_FP16 = 0x01306B47
TAG_INT8 = 0x000D4B38
TAG_FP32 = 0x0002C056
KNOWN_TAGS = (0, TAG_FP16, TAG_INT8, TAG_FP32)

HALF_OVERFLOW = 65520.0
HALF_SMALLEST = 2.0**-14
"""Smallest normal number of fp16; ncnn's conversion makes zero of everything below."""
HALF_SUBNORMAL = 2.0**-24
"""Smallest number that fp16 can hold at all."""
# One unit in the last place: covers rounding to nearest and truncation, both of which ncnn has had.
_HALF_RELATIVE = 2.0**-10 * 1.001


def same(read: Floats, meant: Floats, *, half: bool, relative: float) -> NDArray[np.bool_]:
    """Elementwise: is ``read`` what ``meant`` becomes in the file? ``half``: stored as fp16."""
    with np.errstate(invalid="ignore", over="ignore"):
        both_nan = np.isnan(read) & np.isnan(meant)
        if not half:
            near = np.abs(read - meant) <= relative * np.abs(meant)
            return np.asarray((read == meant) | both_nan | near)
        near = np.abs(read - meant) <= max(_HALF_RELATIVE, relative) * np.abs(meant)
        flushed = (np.abs(meant) < HALF_SMALLEST) & (np.abs(read) <= HALF_SMALLEST)
        overflowed = (np.abs(meant) >= HALF_OVERFLOW) & np.isinf(read) & (np.sign(read) == np.sign(meant))
        return np.asarray((read == meant) | both_nan | near | flushed | overflowed)


def flushed(read: Floats, meant: Floats) -> NDArray[np.bool_]:
    """Elementwise: did storing ``meant`` as fp16 make zero of a number that fp16 can hold?"""
    size = np.abs(meant)
    return np.asarray((read == 0) & (size >= HALF_SUBNORMAL) & (size < HALF_SMALLEST))


def decode(content: bytes, offset: int, count: int, *, half: bool) -> Floats | None:
    """``count`` values at byte ``offset`` of a file, None where it has no such bytes."""
    size = count * (2 if half else 4)
    if offset < 0 or offset + size > len(content):
        return None
    raw = np.frombuffer(content, np.float16 if half else np.float32, count, offset)
    with np.errstate(over="ignore", invalid="ignore"):
        return raw.astype(np.float32)
