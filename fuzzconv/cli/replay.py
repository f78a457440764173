"""``replay``: rerun known bugs and say of each whether it is still there, fixed or changed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzzconv.assembly import open_pipeline
from fuzzconv.cli.tools import add_routes_argument, add_tool_arguments, runnable_routes, toolchain_from
from fuzzconv.errors import UsageError
from fuzzconv.findings.known import (
    KnownBug,
    Replayed,
    Status,
    default_corpus,
    load_corpus,
    load_known,
    replay,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("entries", nargs="*", type=Path, help="folders of known bugs (default: the corpus)")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="folder of known bugs (default: corpus)")
    add_routes_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    add_tool_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Replay; returns 1 when an entry is not as its record says (fixed, changed, back again), else 0."""
    entries = _entries(args)
    toolchain = toolchain_from(args)
    routes, _ = runnable_routes(toolchain, args.routes)
    with open_pipeline(toolchain, routes) as pipeline:
        replayed = [replay(known, pipeline, routes) for known in entries]
    if args.json:
        document = {"entries": [_row(entry) for entry in replayed], "tools": toolchain.versions()}
        json.dump(document, sys.stdout, indent=1)
        print()
    else:
        _print(replayed)
    return int(not all(replayed))


def _entries(args: argparse.Namespace) -> Sequence[KnownBug]:
    if args.entries:
        return [load_known(folder) for folder in args.entries]
    corpus = args.corpus or default_corpus()
    entries = load_corpus(corpus)
    if not entries:
        raise UsageError(f"there are no known bugs in {corpus}; name another folder with --corpus")
    return entries


def _row(replayed: Replayed) -> dict[str, object]:
    known = replayed.known
    return {
        "slug": known.slug,
        "title": known.title,
        "recorded": known.status.value,
        "status": replayed.status.value,
        "detail": replayed.told,
        "upstream": known.upstream,
    }


def _print(replayed: Sequence[Replayed]) -> None:
    for entry in replayed:
        news = "" if entry else f" (recorded: {entry.known.status.value})"
        print(f"{entry.status.value:<8}{entry.known.title}{news}")
        print(f"        {entry.told}")
        print(f"        {entry.known.slug}, {entry.known.upstream}")
    counts = {status: sum(entry.status is status for entry in replayed) for status in Status}
    print(", ".join(f"{count} {status.value}" for status, count in counts.items() if count))
