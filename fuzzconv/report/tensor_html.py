"""Expected against actual: number grids with the wrong elements marked, or a heat map for larger tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import Array
from fuzzconv.report.markup import Markup, element, joined

GRID_ELEMENTS = 64
_HEAT_CELLS = 4096
_WORST = 10
_SMALL_CELL, _LARGE_CELL, _LARGE_UP_TO = 9, 16, 400
_STEPS = (1.0, 10.0, 1e3, 1e5)  # error / allowed error at which the colour changes
_NAMES = ("within bounds", "up to 10 × the bound", "up to 1000 ×", "up to 10⁵ ×", "beyond", "not finite")

Floats = NDArray[np.float64]


def output_html(name: str, expected: Array, actual: Array | None, allowed: Array | None) -> Markup:
    """One output of one route, as a block with a heading.

    Args:
        name: the output's name.
        expected: the reference.
        actual: what came out, None when nothing did.
        allowed: largest absolute error per element; None when it isn't known (nothing is marked then).
    """
    title = element("h4", "output ", element("code", name))
    if actual is None:
        return joined([title, _fact(expected, "expected"), element("p", "ncnn gave an empty blob.")])
    if _squeezed(actual) != _squeezed(expected):
        said = element("p", f"The shape is wrong: expected {_shape(expected)}, actual {_shape(actual)}.")
        return joined([title, said, _pair(expected, actual, None)])
    actual = actual.reshape(expected.shape)
    ratio = _ratio(expected, actual, allowed)
    bad = int(np.sum(~(ratio <= 1)))
    said = element("p", f"{bad} of {expected.size} elements are wrong ({expected.dtype}{_shape(expected)}).")
    if expected.size <= GRID_ELEMENTS:
        return joined([title, said, _pair(expected, actual, ratio)])
    return joined([title, said, _heat_map(ratio), _worst(expected, actual, ratio)])


def _ratio(expected: Array, actual: Array, allowed: Array | None) -> Floats:
    """Error over allowed error, NaN where the actual value is not finite but should be."""
    wanted, found = expected.astype(np.float64), actual.astype(np.float64)
    if allowed is None or allowed.shape != expected.shape:
        return np.where(wanted == found, 0.0, 0.0)
    with np.errstate(all="ignore"):
        error = np.abs(found - wanted)
        ratio = np.where(error == 0, 0.0, error / np.asarray(allowed, np.float64))
    ratio = np.where(np.isfinite(wanted) & ~np.isfinite(found), np.nan, ratio)
    return np.asarray(np.where(np.isinf(allowed), 0.0, ratio))


def _pair(expected: Array, actual: Array, ratio: Floats | None) -> Markup:
    return element(
        "div",
        element("div", element("h5", f"expected {_shape(expected)}"), _grids(expected, None), class_="side"),
        element("div", element("h5", f"actual {_shape(actual)}"), _grids(actual, ratio), class_="side"),
        class_="pair",
    )


def _grids(array: Array, ratio: Floats | None) -> Markup:
    """One table per matrix of the last two axes, cut after ``GRID_ELEMENTS`` elements."""
    blocks = []
    shown = 0
    for index, matrix in _matrices(array):
        if shown >= GRID_ELEMENTS * 2:
            blocks.append(element("p", f"… {array.size - shown} more elements"))
            break
        marks = None if ratio is None else _matrix_at(ratio, index)
        rows = [
            element(
                "tr", *(_number(value, None if marks is None else marks[r, c]) for c, value in enumerate(row))
            )
            for r, row in enumerate(matrix)
        ]
        label = element("caption", f"[{', '.join(map(str, index))}, …]") if index else None
        blocks.append(element("div", element("table", label, *rows, class_="grid"), class_="scroll"))
        shown += matrix.size
    return joined(blocks)


def _number(value: np.generic, ratio: float | None) -> Markup:
    wrong = ratio is not None and not ratio <= 1
    return element(
        "td", f"{value:.7g}" if value.dtype.kind == "f" else str(value), class_="bad" if wrong else None
    )


def _heat_map(ratio: Floats) -> Markup:
    """One square per element (or per block of elements), matrices of the last two axes side by side."""
    parts = []
    cell = _LARGE_CELL if ratio.size <= _LARGE_UP_TO else _SMALL_CELL
    step = max(1, int(np.ceil(np.sqrt(ratio.size / _HEAT_CELLS))))
    for index, matrix in _matrices(ratio):
        rows, columns = -(-matrix.shape[0] // step), -(-matrix.shape[1] // step)
        squares = []
        for r in range(rows):
            for c in range(columns):
                block = matrix[r * step : (r + 1) * step, c * step : (c + 1) * step]
                place = {"x": c * cell, "y": r * cell, "width": cell - 1, "height": cell - 1}
                squares.append(element("rect", **place, class_=f"h{_step(block)}"))
        size = {"width": columns * cell, "height": rows * cell}
        picture = element("svg", *squares, class_="heat", role="img", aria_label="heat map of errors", **size)
        label = element("figcaption", f"[{', '.join(map(str, index))}, …]") if index else None
        parts.append(element("figure", picture, label))
    note = f" (one square is {step} × {step} elements, the worst counts)" if step > 1 else ""
    keys = (element("li", element("span", class_=f"key h{i}"), name) for i, name in enumerate(_NAMES))
    legend = element("ul", *keys, class_="legend")
    caption = element("p", f"Error over allowed error, a square per element{note}:", class_="note")
    return joined([caption, element("div", *parts, class_="heats scroll"), legend])


def _step(block: Array) -> int:
    """Index into ``_NAMES`` of the worst element."""
    if np.isnan(block).any():
        return len(_STEPS) + 1
    return int(np.searchsorted(_STEPS, block.max(initial=0.0)))


def _worst(expected: Array, actual: Array, ratio: Floats) -> Markup:
    order = np.argsort(-np.where(np.isnan(ratio), np.inf, ratio), axis=None, kind="stable")
    worst = [i for i in order[:_WORST] if not ratio.flat[i] <= 1]
    rows = [
        element(
            "tr",
            element("td", str(list(map(int, np.unravel_index(i, expected.shape))))),
            element("td", f"{expected.flat[i]:.7g}"),
            element("td", f"{actual.flat[i]:.7g}", class_="bad"),
        )
        for i in worst
    ]
    head = element("tr", *(element("th", name) for name in ("index", "expected", "actual")))
    return element("div", element("table", head, *rows, class_="numbers"), class_="scroll")


def _matrices(array: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """(leading index, matrix of the last two axes) of every matrix; lower ranks give one matrix."""
    if array.ndim < 2:
        yield (), array.reshape(1, -1)
        return
    for index in np.ndindex(array.shape[:-2]):
        yield index, array[index]


def _matrix_at(array: Array, index: tuple[int, ...]) -> Array:
    return array[index] if array.ndim >= 2 else array.reshape(1, -1)


def _squeezed(array: Array) -> Sequence[int]:
    return [d for d in array.shape if d != 1]


def _shape(array: Array) -> str:
    return f"[{', '.join(map(str, array.shape))}]"


def _fact(array: Array, label: str) -> Markup:
    return element("p", f"{label}: {array.dtype}{_shape(array)}")
