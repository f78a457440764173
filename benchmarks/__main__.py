"""``python -m benchmarks [NAME …] [--quick | --long] [--markdown]``: measure and print one table.

Figures are ratios against the naive loop of the same run, and absolute ones for this machine.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

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
from benchmarks.table import print_table

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


def main() -> int:
    """Run the benchmarks asked for; returns 0, or 1 when a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} (default: all)")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument(
        "--quick", action="store_true", help="once and short: about four minutes, a rough idea"
    )
    extent.add_argument("--long", action="store_true", help="watch the memory of a campaign of 40 minutes")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    load = os.getloadavg()[0]
    figures = _run(arguments.names or list(BENCHMARKS), _plan(arguments))
    print_table(figures, load, markdown=arguments.markdown)
    return int(any(figure.met is False for figure in figures))


def _plan(arguments: argparse.Namespace) -> Plan:
    jobs = min(2, len(os.sched_getaffinity(0)))
    if arguments.quick:
        return Plan(jobs=jobs, repeats=1, campaign_seconds=24, load_seconds=5.0, cases=40, memory_seconds=70)
    return Plan(jobs=jobs, memory_seconds=2400 if arguments.long else Plan.memory_seconds)


def _run(names: Sequence[str], plan: Plan) -> list[Figure]:
    figures = []
    for name in names:
        started = time.monotonic()
        figures += BENCHMARKS[name](plan)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
