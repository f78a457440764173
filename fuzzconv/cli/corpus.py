"""``corpus``: look after the folder of known bugs: list them, or add a finding to them."""

from __future__ import annotations

import argparse
from pathlib import Path

from fuzzconv.errors import UsageError
from fuzzconv.findings.known import (
    TOML_FILE,
    UNREPORTED,
    default_corpus,
    from_finding,
    load_corpus,
    write_known,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("action", choices=("list", "add"))
    parser.add_argument(
        "findings", nargs="*", type=Path, metavar="FINDING", help="folders of findings to add"
    )
    parser.add_argument("--upstream", default=UNREPORTED, metavar="URL", help="where it is reported")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="folder of known bugs (default: corpus)")


def run(args: argparse.Namespace) -> int:
    """List or add."""
    corpus: Path = args.corpus or default_corpus()
    if args.action == "list":
        if args.findings:
            raise UsageError("corpus list takes no folders; to add findings, say: corpus add FINDING")
        for known in load_corpus(corpus):
            print(f"{known.slug}\n    {known.title}\n    {known.status.value}, {known.upstream}")
        return 0
    if not args.findings:
        raise UsageError("name the finding's folder: corpus add FINDING")
    for folder in args.findings:
        known = from_finding(folder, upstream=args.upstream)
        if (corpus / known.slug / TOML_FILE).exists():
            raise UsageError(f"{corpus / known.slug} is already there; remove it to add it anew")
        print(write_known(known, corpus))
    return 0
