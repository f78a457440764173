"""``python -m benchmarks [NAME …] [--quick | --long]``: measure and print one table.

Figures are ratios against the naive loop of the same run, and absolute ones for this machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import (
    coordinator,
    every_case,
    fork_server,
    generation,
    memory,
    scaling,
    stages,
    startup,
    throughput,
)
from benchmarks.figure import Figure
from benchmarks.plan import Plan
from fuzzconv.report.machine import machine

BENCHMARKS: Mapping[str, Callable[[Plan], list[Figure]]] = {
    "stages": stages.measure,
    "generation": generation.measure,
    "fork-server": fork_server.measure,
    "throughput": throughput.measure,
    "every-case": every_case.measure,
    "startup": startup.measure,
    "scaling": scaling.measure,
    "coordinator": coordinator.measure,
    "memory": memory.measure,
}
_PIPED_WIDTH = 140


def main() -> int:
    """Run the benchmarks asked for; returns 0, or 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument(
        "--quick", action="store_true", help="once and short: about three minutes, a rough idea"
    )
    extent.add_argument("--long", action="store_true", help="watch the memory of a campaign of 40 minutes")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    figures = _run(arguments.names or list(BENCHMARKS), _plan(arguments))
    _print(figures)
    return int(any(figure.met is False for figure in figures))


def _plan(arguments: argparse.Namespace) -> Plan:
    jobs = min(2, len(os.sched_getaffinity(0)))
    if arguments.quick:
        return Plan(jobs=jobs, repeats=1, campaign_seconds=24, load_seconds=5.0, cases=40, memory_seconds=40)
    return Plan(jobs=jobs, memory_seconds=2400 if arguments.long else Plan.memory_seconds)


def _run(names: Sequence[str], plan: Plan) -> list[Figure]:
    figures = []
    for name in names:
        started = time.monotonic()
        figures += BENCHMARKS[name](plan)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return figures


def _print(figures: Sequence[Figure]) -> None:
    console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, highlight=False)
    facts = machine()
    load = os.getloadavg()[0]
    console.print(f"{facts['cpu']}; {facts['os']}; Python {facts['python']}; load average {load:.1f}")
    table = Table(pad_edge=False)
    table.add_column("figure")
    for column in ("value", "unit", "target", "× naive", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("how", style="dim")
    for figure in figures:
        table.add_row(*_cells(figure))
    console.print(table)


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


if __name__ == "__main__":
    sys.exit(main())
