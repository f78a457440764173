"""What happened to one blob that should hold a certain constant.

``displacement`` looks for the constant's values around the place where ncnn reads the blob; ``damage`` names
what else can have gone wrong. Both answer only on strong evidence: most of the values must still be there,
since a blob that merely differs may be a fold that nobody listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fuzzconv.oracles.weights.constants import Constant
from fuzzconv.oracles.weights.encoding import HALF_SMALLEST, Floats, decode, same
from fuzzconv.oracles.weights.forms import orders
from fuzzconv.oracles.weights.matching import holds, matching_orders, same_values
from fuzzconv.runtime.execution import BlobRead
from fuzzconv.verdict import Kind

_NEAR_BYTES = 64
_TAG_BYTES = 4
_MOSTLY = 0.9
_TELLING_BYTES = 8


@dataclass(frozen=True)
class Damage:
    """What is wrong with one blob, as the end of a sentence that names the blob."""

    kind: Kind
    what: str
    shift_bytes: int = 0


def data_offset(blob: BlobRead) -> int:
    """Where ncnn takes the blob's first value from."""
    return blob.offset + (_TAG_BYTES if blob.load_type == 0 else 0)


def displacement(start: int, constant: Constant, content: bytes, *, half: bool) -> int | None:
    """How many bytes behind ``start`` the whole constant lies; None when it is not found.

    Negative: it lies before. Near places are tried in every order of the values, the rest of the file in the
    stored order only.
    """
    form = constant.as_float
    if not _telling(form.ravel()):
        return None
    for delta in _near(_NEAR_BYTES):
        values = decode(content, start + delta, form.size, half=half)
        if values is not None and any(True for _ in matching_orders(values, constant, half=half)):
            return delta
    raw = form.astype(np.float16 if half else np.float32).tobytes()
    found = content.find(raw) if len(raw) >= 8 else -1
    return found - start if found >= 0 and found != start else None


def damage(blob: BlobRead, constant: Constant, content: bytes, *, half: bool) -> Damage | None:
    """What became of ``constant`` in ``blob``, None when the blob does not look like it at all."""
    if blob.values is None:
        return None
    values = blob.values.astype(np.float32)
    meant = constant.as_float.ravel()
    zeroed = _zeroed(values, constant)
    if zeroed and zeroed >= _MOSTLY * np.count_nonzero(meant):
        return Damage(Kind.WEIGHT_LOST, f"{zeroed} of its {values.size} values are zero")
    if np.unique(meant).size > 1 and same_values(values, constant, half=half):
        moved = min(int(np.sum(~agreed)) for agreed in _agreements(values, constant, half=half))
        return Damage(Kind.WEIGHT_SHIFT, f"{moved} of its {meant.size} values have changed places")
    for order in orders(constant, constant.as_float):
        shift = _inner_shift(blob, order, content, half=half, relative=constant.relative)
        if shift is not None:
            return Damage(Kind.WEIGHT_SHIFT, f"its values are shifted by {_bytes(shift, half)}", shift)
    return _overwritten(values, constant, half=half)


def _zeroed(values: Floats, constant: Constant) -> int:
    """How many values are zero that are not in the constant, in the order of it that explains most zeros.

    A fold of a constant that is mostly zero has its zeros at other places than the stored order has.
    """
    if values.all():
        return 0
    large = (np.abs(order) >= HALF_SMALLEST for order in orders(constant, constant.as_float))
    return min(int(np.sum((values == 0) & nonzero)) for nonzero in large)


def misread(blob: BlobRead, constant: Constant, content: bytes) -> bool:
    """Whether the blob takes the stored bytes of a constant of another size of element for its float32."""
    array = constant.array
    if not constant.is_stored or array.dtype.itemsize == 4 or blob.values is None:
        return False
    start = data_offset(blob)
    stored = array.tobytes()
    common = min(len(stored), blob.count * 4)
    return (
        common >= _TELLING_BYTES
        and any(stored[:common])
        and content[start : start + common] == stored[:common]
    )


def _inner_shift(blob: BlobRead, meant: Floats, content: bytes, *, half: bool, relative: float) -> int | None:
    """The displacement, in bytes, of values within a blob whose ends lost what was shifted out."""
    start = data_offset(blob)
    width = 2 if half else 4
    for delta in _near(8 * width):
        lost = -(-abs(delta) // width)
        kept = meant.size - lost
        if kept < 1:
            continue
        first = 0 if delta > 0 else lost
        part = meant[first : first + kept]
        values = decode(content, start + first * width + delta, kept, half=half)
        if values is not None and _telling(part) and holds(values, part, half=half, relative=relative):
            return delta
    return None


def _overwritten(values: Floats, constant: Constant, *, half: bool) -> Damage | None:
    best = max(_agreements(values, constant, half=half), key=np.sum)
    kept = int(best.sum())
    chance = _by_chance(values, constant.as_float.ravel())
    if kept == values.size or kept < chance + max(1.0, values.size / 2):
        return None
    index = int(np.flatnonzero(~best)[0])
    kind = Kind.WEIGHT_LOST if np.isfinite(values).all() else Kind.WEIGHT_NAN
    return Damage(
        kind,
        f"{values.size - kept} of its {values.size} values are wrong, the first is {values[index]:.6g} "
        f"at index {index}",
    )


def _agreements(values: Floats, constant: Constant, *, half: bool) -> Iterator[NDArray[np.bool_]]:
    """For every order of ``constant``, which of ``values`` agree with it."""
    for order in orders(constant, constant.as_float):
        yield same(values, order, half=half, relative=constant.relative)


def _by_chance(values: Floats, meant: Floats) -> float:
    """How many equal values two unrelated blobs of these values would have (few distinct ones: many)."""
    seen, seen_counts = np.unique(values, return_counts=True)
    want, want_counts = np.unique(meant, return_counts=True)
    _, left, right = np.intersect1d(seen, want, return_indices=True)
    return float(np.sum(seen_counts[left] * want_counts[right]) / max(values.size, 1))


def _telling(values: Floats) -> bool:
    """Whether finding these values somewhere means anything."""
    distinct = np.unique(values[values != 0])
    return distinct.size > 1 or (distinct.size == 1 and distinct[0] not in (1, -1))


def _near(most: int) -> Iterator[int]:
    for distance in range(1, most + 1):
        yield distance
        yield -distance


def _bytes(shift: int, half: bool) -> str:
    width = 2 if half else 4
    if shift % width:
        return f"{shift:+d} bytes"
    elements = shift // width
    return f"{elements:+d} element{'s' if abs(elements) > 1 else ''} ({shift:+d} bytes)"
