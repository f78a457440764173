"""The options that name tools, shared by every command that runs the road."""

from __future__ import annotations

import argparse
from pathlib import Path

from fuzzconv.toolchain.locate import find_toolchain
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
