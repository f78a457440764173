"""Small line charts of a run's progress over time, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

from fuzzconv.report.markup import Markup, element

_WIDTH, _HEIGHT = 340, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 26


def curve_svg(label: str, seconds: Sequence[float], values: Sequence[int]) -> Markup:
    """One curve: ``values`` (never falling) against ``seconds``; the last value is written at its end."""
    last_x, last_y = max(seconds[-1], 1e-9), max(*values, 1)
    points = " ".join(
        f"{_x(s, last_x):.1f},{_y(v, last_y):.1f}" for s, v in zip(seconds, values, strict=True)
    )
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    ticks = _ticks(last_y)
    return element(
        "svg",
        element("line", x1=_LEFT, y1=bottom, x2=right, y2=bottom, class_="axis"),
        *(
            element(
                "line",
                x1=_LEFT,
                y1=f"{_y(v, last_y):.1f}",
                x2=right,
                y2=f"{_y(v, last_y):.1f}",
                class_="grid",
            )
            for v in ticks[1:]
        ),
        element("polyline", points=points, class_="curve"),
        *(_text(_LEFT - 6, _y(v, last_y) + 4, _short(v), "end") for v in ticks),
        _text(_LEFT, _HEIGHT - 8, "0", "start"),
        _text(right, _HEIGHT - 8, duration(last_x), "end"),
        class_="chart",
        role="img",
        aria_label=f"{label} over time, {values[-1]} at the end",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
    )


def _ticks(last: int) -> list[int]:
    """Round numbers from 0 up to ``last``, at most six."""
    step = next(s for power in range(12) for s in (10**power, 2 * 10**power, 5 * 10**power) if last / s <= 5)
    return list(range(0, last + 1, step))


def duration(seconds: float) -> str:
    """``90`` → ``1 min 30 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 and seconds != whole else f"{whole} s"
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    parts = [(hours, "h"), (minutes, "min"), (rest if not hours else 0, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


def _x(seconds: float, last: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / last


def _y(value: float, last: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * value / last


def _short(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:.0f}k"
    return f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor)
