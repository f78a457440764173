"""``fuzzconv matrix RUN``: operator × opset × dtype × rank × route as data, and against what pnnx claims."""

from __future__ import annotations

import argparse
from pathlib import Path

from fuzzconv.report.matrix import build_matrix, matrix_csv, matrix_markdown
from fuzzconv.report.run_report import load_run_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("run", type=Path, help="folder of a run")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a line per operator, opset, dtype, rank and route")
    form.add_argument(
        "--md", action="store_true", help="operators against routes, and pnnx's own claims (default)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the matrix; 0."""
    matrix = build_matrix(load_run_report(args.run).matrix)
    print(matrix_csv(matrix) if args.csv else matrix_markdown(matrix), end="")
    return 0
