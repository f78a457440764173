"""``reduce``: shrink a failing model of yours to a minimal reproducer."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fuzzconv.assembly import open_pipeline
from fuzzconv.campaign.reduction import finding_of
from fuzzconv.cli.check import add_input_arguments, read_cases, read_model
from fuzzconv.cli.tools import add_tool_arguments, runnable_routes, toolchain_from
from fuzzconv.findings.blame import blame_of
from fuzzconv.findings.localise import localise
from fuzzconv.findings.reduce import DEFAULT_SECONDS, reduce
from fuzzconv.findings.signature import failures
from fuzzconv.judgement import Judgement
from fuzzconv.pipeline import Pipeline
from fuzzconv.report.reproducer import write_reproducer
from fuzzconv.route import Route
from fuzzconv.toolchain.toolchain import Toolchain

_SHARE_FOR_LOCALISING = 0.4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="an ONNX model that fails")
    add_input_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("reduced"), metavar="DIR", help="default: reduced")
    parser.add_argument(
        "--seconds",
        type=float,
        default=DEFAULT_SECONDS,
        metavar="S",
        help=f"for each failure (default: {DEFAULT_SECONDS:.0f})",
    )
    add_tool_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Reduce every failure of a model; returns 1 when there was one, 0 when every route is right."""
    cases = read_cases(read_model(args.model), args.inputs, args.seed)
    toolchain = toolchain_from(args)
    routes, _ = runnable_routes(toolchain, args.routes)
    with open_pipeline(toolchain, routes) as pipeline:
        for case in cases:
            judgement = pipeline.judge(case, routes)
            if judgement.worst:
                _reduce_all(judgement, pipeline, routes, toolchain, args)
                return 1
    print("nothing to reduce: no route is bad")
    return 0


def _reduce_all(
    judgement: Judgement,
    pipeline: Pipeline,
    routes: tuple[Route, ...],
    toolchain: Toolchain,
    args: argparse.Namespace,
) -> None:
    for verdict in failures(judgement):
        print(f"{verdict.route}: {verdict.kind.value}: {verdict.detail}")
        seconds = args.seconds * _SHARE_FOR_LOCALISING
        for part in localise(judgement, verdict, pipeline, routes, seconds=seconds):
            reduction = reduce(part, pipeline, routes, seconds=args.seconds - seconds)
            blame = blame_of(reduction.judgement, reduction.verdict, pipeline)
            finding = replace(finding_of(reduction, judgement.case, toolchain), blame=blame)
            folder = write_reproducer(finding, args.out)
            nodes = f"{len(judgement.case.model.graph.node)} nodes to {len(finding.case.model.graph.node)}"
            end = "" if reduction.complete else ", stopped by time"
            print(f"  {finding.title}\n  {nodes} in {reduction.seconds:.1f} s{end}; {finding.blame.stage}")
            print(f"  {folder}")
