"""Arrays as Python source that a person can read: ``np.array([1, 2], np.float32)``.

``literal`` prefers the shortest form that is bit-exact (``np.zeros``, ``np.full``, ``np.arange``) and gives
up with ``NotLiteralError`` on arrays too large or of a dtype that numpy alone can't spell.
"""

from __future__ import annotations

import textwrap

import numpy as np

from fuzzconv.case import Array

MAX_LISTED = 256
_WIDTH = 100
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_DTYPES = frozenset(("bool", *_INTEGERS, "float16", "float32", "float64"))


class NotLiteralError(Exception):
    """This value has no short exact form as source; the caller falls back to loading a file."""


def literal(array: Array, max_listed: int = MAX_LISTED) -> str:
    """An expression over ``np`` that evaluates to exactly ``array`` (same dtype, shape and bits).

    >>> literal(np.array([1, 2], np.float32))
    'np.array([1, 2], np.float32)'

    Raises:
        NotLiteralError: more than ``max_listed`` elements without a pattern, or not a plain numpy dtype.
    """
    array = np.asarray(array)
    if array.dtype.name not in _DTYPES:
        raise NotLiteralError(f"dtype {array.dtype} has no literal")
    for candidate in (_filled(array), _counting(array)):
        if candidate is not None and array.size != 1:
            return candidate
    if array.size > max_listed:
        raise NotLiteralError(f"{array.size} elements are too many to list")
    return f"np.array({nested(array)}, np.{array.dtype.name})"


def nested(array: Array) -> str:
    """The elements as nested lists, each number in its shortest exact form."""
    if array.ndim == 0:
        return _number(array.flat[0])
    if array.ndim == 1:
        return "[" + ", ".join(_number(x) for x in array) + "]"
    return "[" + ", ".join(nested(part) for part in array) + "]"


def quoted(text: str) -> str:
    """``text`` as a string literal, in double quotes where nothing needs escaping."""
    plain = text.isprintable() and not set(text) & set('"\\\\')
    return f'"{text}"' if plain else ascii(text)


def wrapped(source: str, indent: int, width: int = _WIDTH) -> str:
    """``source`` broken at spaces so that no line, indented by ``indent``, is wider than ``width``.

    Only safe where a line break may stand for any space: in expressions without string literals.
    """
    lines = textwrap.wrap(source, width - indent, break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * indent).join(lines)


def _number(value: np.generic) -> str:
    if value.dtype.kind in "biu":
        return str(value)
    if np.isnan(value):  # type: ignore[arg-type, unused-ignore]
        return "np.nan"
    text = str(value)
    if text in ("inf", "-inf"):
        return text.replace("inf", "np.inf")
    return text if text == "-0.0" else text.removesuffix(".0")


def _filled(array: Array) -> str | None:
    if array.size == 0:
        return f"np.zeros({array.shape}, np.{array.dtype.name})"
    first = array.flat[0]
    if not _same(np.full(array.shape, first, array.dtype), array):
        return None
    if first == 0 and not np.signbit(np.float64(first)):
        return f"np.zeros({array.shape}, np.{array.dtype.name})"
    if first == 1 and array.dtype.kind != "b":
        return f"np.ones({array.shape}, np.{array.dtype.name})"
    return f"np.full({array.shape}, {_number(first)}, np.{array.dtype.name})"


def _counting(array: Array) -> str | None:
    """``np.arange`` where that is shorter: whole numbers in steps of one."""
    if array.size < 4 or array.dtype.kind == "b" or not np.isfinite(array.flat[0]):
        return None
    start = float(array.flat[0])
    if start != int(start) or abs(start) > 1000:
        return None
    stop = int(start) + array.size
    try:
        counted = np.arange(int(start), stop, dtype=array.dtype).reshape(array.shape)
    except (OverflowError, ValueError):
        return None
    if not _same(counted, array):
        return None
    begin = f"{int(start)}, " if int(start) else ""
    shape = "" if array.ndim == 1 else f".reshape{array.shape}"
    return f"np.arange({begin}{stop}, dtype=np.{array.dtype.name}){shape}"


def _same(left: Array, right: Array) -> bool:
    return left.tobytes() == np.ascontiguousarray(right).tobytes()
