"""The byte map as a picture and a table: two tracks over the same bytes, out of step where weights shift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fuzzconv.report.byte_map import ByteMap, Row, Span
from fuzzconv.report.markup import Markup, element, joined

_SHOWN_BEFORE, _SHOWN_AFTER = 3, 28
_BYTE = 9
_TRACK = 34
_LABEL = 64
_COLOURS = 6


def byte_map_html(found: ByteMap) -> Markup:
    """The bytes around the first fault, drawn to scale, then row by row."""
    rows = found.around_fault(_SHOWN_BEFORE, _SHOWN_AFTER)
    if not rows:
        return element("p", "The .bin is empty.")
    colours = _colours([*found.written, *found.read])
    return joined(
        [
            element("div", _tracks(found, rows, colours), class_="scroll"),
            element("div", _table(found, rows, colours), class_="scroll"),
        ]
    )


def _colours(spans: Sequence[Span]) -> Mapping[str, str]:
    labels = dict.fromkeys(span.label for span in spans)
    return {label: f"c{number % _COLOURS}" for number, label in enumerate(labels)}


def _tracks(found: ByteMap, rows: Sequence[Row], colours: Mapping[str, str]) -> Markup:
    """Upper track: where each constant lies. Lower track: what ncnn takes for each layer."""
    start, end = rows[0].offset, rows[-1].offset + len(rows[-1].data)
    width = _LABEL + (end - start) * _BYTE + 2
    fault = found.first_fault
    marks = []
    if fault is not None:
        x = _LABEL + (found.rows[fault].offset - start) * _BYTE
        marks = [element("line", x1=x, y1=0, x2=x, y2=2 * _TRACK + 6, class_="fault")]
    return element(
        "svg",
        element("text", "written", x=0, y=_TRACK / 2 + 4),
        element("text", "read", x=0, y=_TRACK * 1.5 + 8),
        *(
            _bar(span, start, end, 0, colours)
            for span in found.written
            if span.end > start and span.start < end
        ),
        *(
            _bar(span, start, end, _TRACK + 4, colours)
            for span in found.read
            if span.end > start and span.start < end
        ),
        *marks,
        *(
            element(
                "text", str(offset), x=_LABEL + (offset - start) * _BYTE, y=2 * _TRACK + 20, class_="tick"
            )
            for offset in range(start, end, 16)
        ),
        class_="tracks",
        role="img",
        aria_label="bytes as written and as read",
        width=width,
        height=2 * _TRACK + 24,
    )


def _bar(span: Span, start: int, end: int, y: float, colours: Mapping[str, str]) -> Markup:
    left, right = max(span.start, start), min(span.end, end)
    x, width = _LABEL + (left - start) * _BYTE, (right - left) * _BYTE
    fits = max(int(width / 7.5), 0)
    label = (
        span.label if len(span.label) <= fits else span.label[: max(fits - 1, 0)] + "…" if fits > 1 else ""
    )
    tag = None
    if span.data_start > left:
        tag = element(
            "rect",
            x=x,
            y=y,
            width=(min(span.data_start, right) - left) * _BYTE,
            height=_TRACK - 4,
            class_="tag",
        )
    return element(
        "g",
        element("title", f"{span.label}: bytes {span.start} to {span.end}"),
        element("rect", x=x, y=y, width=width, height=_TRACK - 4, rx=3, class_=colours[span.label]),
        tag,
        element("text", label, x=x + 5, y=y + _TRACK / 2 + 2),
    )


def _table(found: ByteMap, rows: Sequence[Row], colours: Mapping[str, str]) -> Markup:
    head = element(
        "tr", *(element("th", name) for name in ("offset", "bytes", "as float32", "written as", "read as"))
    )
    body = [
        element(
            "tr",
            element("td", str(row.offset)),
            element("td", element("code", row.data.hex(" "))),
            element("td", row.number),
            element("td", row.written or "?", class_=_class(row.written, colours)),
            element("td", row.read or "not read", class_=_class(row.read, colours)),
            class_="suspect" if row.suspect else None,
        )
        for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body), class_="numbers bytes")
    if len(rows) == len(found.rows):
        return table
    return joined([table, element("p", f"{len(rows) * 4} of {found.size} bytes shown.", class_="note")])


def _class(label: str, colours: Mapping[str, str]) -> str | None:
    name = label.partition(": tag")[0]
    return colours.get(name) or colours.get(name.rpartition("[")[0])
