"""Prints figures as one table: for a terminal, or as Markdown for the documentation."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.figure import Figure
from fuzzconv.report.machine import machine

_HEAD = ("figure", "value", "unit", "target", "× naive", "target", "", "how")
_PIPED_WIDTH = 140


def print_table(figures: Sequence[Figure], load: float, *, markdown: bool) -> None:
    """The machine in a line, then a row for each figure, on standard output.

    ``load`` is the load average before the measurements: above 0.5 other programs took part of the processor.
    """
    facts = machine()
    told = f"{facts['cpu']}; {facts['os']}; Python {facts['python']}; load before {load:.1f}"
    if markdown:
        print(f"{told}\n\n{_markdown_row(_HEAD)}\n{_markdown_row(['---', *['---:'] * 5, '---', '---'])}")
        print(*(_markdown_row(_cells(figure)) for figure in figures), sep="\n")
        return
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    console.print(told)
    table = Table(pad_edge=False)
    for number, column in enumerate(_HEAD):
        numeric = 0 < number < len(_HEAD) - 2
        table.add_column(column, justify="right" if numeric else "left", no_wrap=numeric)
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "≤" if figure.at_most else "≥"
    return (
        figure.name,
        "not measured" if figure.value is None else f"{figure.value:.3g}",
        figure.unit,
        "" if figure.target is None else f"{sign} {figure.target:g}",
        "" if figure.ratio is None else f"{figure.ratio:.1f}",
        "" if figure.ratio_target is None else f"≥ {figure.ratio_target:g}",
        {True: "met", False: "missed", None: ""}[figure.met],
        figure.note,
    )
