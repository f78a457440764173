"""``fuzzconv doctor``: what is installed, which routes will run, what is missing and how to get it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import import_module
from importlib.util import find_spec

from fuzzconv.cli.tools import add_tool_arguments, toolchain_from
from fuzzconv.errors import MissingToolError
from fuzzconv.route import DEFAULT_ROUTES, Route
from fuzzconv.toolchain.optional import variants_left_out
from fuzzconv.toolchain.routes import available_routes
from fuzzconv.toolchain.toolchain import Toolchain


@dataclass(frozen=True)
class Diagnosis:
    """All that doctor says, before it is laid out.

    Attributes:
        routes: every default route → why it is skipped; empty where it will run.
        fork_server: why pnnx runs without its fork server (correct, but slower); empty when it has one.
        variants: metamorphic variants that can't be made → why.
    """

    toolchain: Toolchain
    routes: dict[Route, str]
    fork_server: str
    variants: dict[str, str] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="print JSON, and nothing else, on stdout")
    add_tool_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the diagnosis; 3 when ncnn or both converters are missing, else 0."""
    diagnosis = diagnose(toolchain_from(args))
    print(json.dumps(as_json(diagnosis), indent=2) if args.json else as_text(diagnosis))
    return MissingToolError.exit_code if diagnosis.toolchain.required_missing else 0


def diagnose(toolchain: Toolchain) -> Diagnosis:
    """Look at a toolchain."""
    _, skipped = available_routes(toolchain)
    routes = {route: skipped.get(route, "") for route in DEFAULT_ROUTES}
    return Diagnosis(toolchain, routes, _fork_server_problem(), variants_left_out())


def as_text(diagnosis: Diagnosis) -> str:
    """The diagnosis for people: tools, Vulkan, routes, and the commands that get what is missing."""
    toolchain = diagnosis.toolchain
    rows = [("tool", "version", "from", "path")]
    rows += [
        (t.name, t.version, t.origin, str(t.path)) if t.found else (t.name, "-", "-", t.missing)
        for t in toolchain.tools
    ]
    vulkan = toolchain.vulkan
    device = f"{vulkan.device} (Vulkan {vulkan.api_version})" if vulkan.found else vulkan.missing
    fork_server = f"not available: {diagnosis.fork_server}" if diagnosis.fork_server else "available"
    lines = [
        *_aligned(rows),
        "",
        f"Vulkan device  {device}",
        f"Vulkan driver  {vulkan.driver or 'unknown'}",
        f"fork server    {fork_server}",
        *(f"variants       {name}: skipped: {why}" for name, why in diagnosis.variants.items()),
        "",
    ]
    lines += _aligned(
        [(str(route), f"skipped: {why}" if why else "will run") for route, why in diagnosis.routes.items()]
    )
    if toolchain.missing:
        lines += ["", "to get what is missing:"]
        lines += _aligned([(f"  {tool.name}", tool.remedy) for tool in toolchain.missing])
    return "\n".join(lines)


def as_json(diagnosis: Diagnosis) -> dict[str, object]:
    """The diagnosis for machines."""
    return {
        "tools": {
            tool.name: asdict(tool) | {"path": str(tool.path) if tool.path else None}
            for tool in diagnosis.toolchain.tools
        },
        "vulkan": asdict(diagnosis.toolchain.vulkan),
        "variants_left_out": diagnosis.variants,
        "fork_server": {"available": not diagnosis.fork_server, "reason": diagnosis.fork_server},
        "routes": {
            str(route): {"will_run": not why, "reason": why} for route, why in diagnosis.routes.items()
        },
    }


def _fork_server_problem() -> str:
    name = "fuzzconv.converters.forkserver"
    if not find_spec(name):
        return "not part of this installation"
    return str(import_module(name).available())


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
