"""``sample``: write generated models with their inputs for other tools, and say what they hold."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import onnx
import onnxruntime
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.strategies import SearchStrategy
from rich.console import Console
from rich.table import Table

from fuzzconv.case import Case
from fuzzconv.errors import UsageError
from strategies import SPECS, cases
from strategies.census import Census

_ROUND = 200
_PIPED_WIDTH = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("-n", "--count", type=int, default=100, metavar="N", help="models (default: 100)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="the same seed gives the same models"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write DIR/<n>/model.onnx and inputs.npz (default: count only)",
    )
    parser.add_argument("--operators", metavar="NAMES", help="comma-separated: Conv,Relu (default: all)")
    parser.add_argument("--max-nodes", type=int, default=6, metavar="N", help="operators per model at most")


def run(args: argparse.Namespace) -> int:
    """Draw, write and count; returns 0, or 1 when ``onnx.checker`` objects to a model."""
    if args.count < 1:
        raise UsageError("-n must be at least 1")
    names = {name.strip() for name in args.operators.split(",")} if args.operators else None
    try:
        strategy = cases(operators=names, max_nodes=args.max_nodes)
    except ValueError as error:
        raise UsageError(f"{error} (there are: {', '.join(SPECS)})") from error
    started = time.process_time()
    drawn = draw(strategy, args.count, args.seed)
    rate = len(drawn) / (time.process_time() - started)
    if args.out:
        write(drawn, args.out)
    invalid = [case for case in drawn if not _is_valid(case)]
    refused = [case for case in drawn if not _runs(case)]
    census = Census()
    for case in drawn:
        census.add(case)
    _print(census, len(invalid), len(refused), rate)
    return int(bool(invalid))


def draw(strategy: SearchStrategy[Case], count: int, start: int) -> list[Case]:
    """``count`` cases as the search rounds of a campaign draw them, the same for the same ``start``."""
    drawn: list[Case] = []
    while len(drawn) < count:

        @seed(f"{start}/{len(drawn)}")
        @settings(
            max_examples=min(_ROUND, count - len(drawn)),
            database=None,
            deadline=None,
            derandomize=False,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
        )
        @given(strategy)
        def collect(case: Case) -> None:
            drawn.append(case)

        collect()
    return drawn


def write(drawn: Sequence[Case], out: Path) -> None:
    """Write ``out/<n>/model.onnx`` and ``inputs.npz`` for each case, numbered from 0.

    Raises:
        UsageError: the folder can't be written.
    """
    try:
        for number, case in enumerate(drawn):
            folder = out / str(number)
            folder.mkdir(parents=True, exist_ok=True)
            case.write(folder)
            case.write_inputs(folder)
    except OSError as error:
        raise UsageError(f"can't write to {out}: {error.strerror or error}") from error


def _is_valid(case: Case) -> bool:
    try:
        onnx.checker.check_model(case.model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    return True


def _runs(case: Case) -> bool:
    """Whether onnxruntime runs it on the CPU. Its errors have no common public base class."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(
            case.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        session.run(None, dict(case.inputs))
    except Exception:
        return False
    return True


def _print(census: Census, invalid: int, refused: int, rate: float) -> None:
    console = Console(width=None if os.isatty(1) else _PIPED_WIDTH, highlight=False)
    opsets, operators = census.operator_table()
    console.print(_table("cases per operator and opset", "operator", opsets, operators))
    forms, types = census.storage_table()
    console.print(_table("cases per weight type and storage form", "type", forms, types))
    for title, prefix in (
        ("ranks of inputs", "rank"),
        ("types of inputs", "input"),
        ("graph shapes", "shape"),
        ("graph features", "graph"),
        ("routes to constants", "route"),
        ("fusion patterns", "pattern"),
        ("near misses", "near_miss"),
        ("number patterns", "values"),
    ):
        counted = ", ".join(f"{name} {count}" for name, count in census.of_kind(prefix)) or "none"
        console.print(f"{title}: {counted}", markup=False)
    total = census.cases
    console.print(f"models: {total}, {total - census.distinct} of them copies of another")
    console.print(f"valid (onnx.checker, full check): {total - invalid} of {total}")
    console.print(f"run in onnxruntime: {total - refused} of {total}")
    console.print(f"speed: {rate:.0f} models/s of processor time")


def _table(
    title: str, first: str, columns: Iterable[object], rows: Iterable[tuple[str, Sequence[int]]]
) -> Table:
    table = Table(title=title, title_justify="left", pad_edge=False, padding=(0, 1))
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(str(column), justify="right")
    for name, counts in rows:
        table.add_row(name, *(str(count) if count else "·" for count in counts))
    return table
