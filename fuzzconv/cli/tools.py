"""The options that name tools, shared by every command that runs the road."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from fuzzconv.toolchain.locate import find_ncnn, find_onnx2ncnn, find_pnnx, find_toolchain
from fuzzconv.toolchain.toolchain import Toolchain


def add_tool_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--pnnx``, ``--onnx2ncnn`` and ``--ncnn``."""
    group = parser.add_argument_group("tools (found by themselves where not given; see: fuzzconv doctor)")
    group.add_argument("--pnnx", type=Path, metavar="PATH", help="pnnx binary (also: $PNNX)")
    group.add_argument("--onnx2ncnn", type=Path, metavar="PATH", help="onnx2ncnn binary (also: $ONNX2NCNN)")
    group.add_argument("--ncnn", type=Path, metavar="DIR", help="directory holding another ncnn package")


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
