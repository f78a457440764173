"""The options that name tools, shared by every command that runs the road."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fuzzconv.errors import MissingToolError
from fuzzconv.route import Route, select_routes
from fuzzconv.toolchain.locate import find_ncnn, find_onnx2ncnn, find_pnnx, find_toolchain
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.toolchain.toolchain import Toolchain


def add_tool_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--pnnx``, ``--onnx2ncnn`` and ``--ncnn``."""
    group = parser.add_argument_group("tools (found by themselves where not given; see: fuzzconv doctor)")
    group.add_argument("--pnnx", type=Path, metavar="PATH", help="pnnx binary (also: $PNNX)")
    group.add_argument("--onnx2ncnn", type=Path, metavar="PATH", help="onnx2ncnn binary (also: $ONNX2NCNN)")
    group.add_argument("--ncnn", type=Path, metavar="DIR", help="directory holding another ncnn package")


def add_routes_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--routes``, see ``runnable_routes``."""
    parser.add_argument(
        "--routes", metavar="GLOBS", help="comma-separated: pnnx*, */vulkan, cpu (default: all)"
    )


def runnable_routes(toolchain: Toolchain, patterns: str | None) -> tuple[tuple[Route, ...], dict[Route, str]]:
    """The routes ``--routes`` names (all without it): those that can run, and why the others can't.

    Raises:
        UsageError: a pattern names no route.
        MissingToolError: none can run.
    """
    if toolchain.required_missing:
        raise MissingToolError(toolchain.required_missing)
    routes, skipped = available_routes(toolchain, select_routes(patterns or "*"))
    if not routes:
        reasons = "; ".join(f"{route}: {reason}" for route, reason in skipped.items())
        raise MissingToolError(f"no route can run ({reasons})")
    return routes, skipped


def toolchain_from(args: argparse.Namespace) -> Toolchain:
    """The toolchain that the options of ``add_tool_arguments`` name.

    Raises:
        UsageError: one of them names no such tool.
    """
    return find_toolchain(pnnx=args.pnnx, onnx2ncnn=args.onnx2ncnn, ncnn=args.ncnn)


def base_toolchain(toolchain: Toolchain, base: Path) -> Toolchain:
    """The toolchain with one tool replaced by its base version, which ``--against`` names.

    A folder holds an ncnn package; a file is onnx2ncnn if its name says so, else pnnx.

    Raises:
        UsageError: there is no such tool at ``base``.
    """
    if base.is_dir():
        return replace(toolchain, ncnn=find_ncnn(base))
    if "onnx2ncnn" in base.name:
        return replace(toolchain, onnx2ncnn=find_onnx2ncnn(base))
    return replace(toolchain, pnnx=find_pnnx(base))
