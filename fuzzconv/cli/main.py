"""Which command to run, and what its end means to the shell.

Each command is a module ``fuzzconv/cli/NAME.py`` with ``add_arguments(parser)`` and ``run(args) -> int``;
only the one asked for is imported. Without a command's name, ``fuzz`` is meant.

Exit codes: 0 nothing new; 1 new findings (``check``: a bad route); 2 wrong usage or unreadable input;
3 a required tool or route is missing; 70 a bug of fuzzconv itself, or all its workers died; 130 interrupted,
everything found so far is saved.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module, metadata
from importlib.util import find_spec

from fuzzconv.errors import FuzzconvError, UsageError

OUR_BUG = 70
INTERRUPTED = 130
DEFAULT_COMMAND = "fuzz"
COMMANDS = {
    "fuzz": "run a campaign (the default command)",
    "check": "verify one model of yours on every route",
    "reduce": "shrink a failing model of yours to a minimal reproducer",
    "replay": "rerun known bugs: still there, fixed, changed",
    "corpus": "look after the folder of known bugs",
    "bisect": "find the release of a tool that broke or fixed something",
    "report": "rebuild the reports of a run from its store",
    "matrix": "operators against routes: what works where",
    "merge": "put the findings of several runs together",
    "sample": "print a few generated models",
    "doctor": "what is installed, which routes will run, how to get the rest",
}
EXIT_CODES = """\
exit codes: 0 nothing new; 1 new findings (check: a bad route); 2 wrong usage or unreadable input;
3 a required tool or route is missing; 70 a bug of fuzzconv itself, or all its workers died;
130 interrupted (all is saved)"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()  # a reader that went away shows here, not while Python shuts down
        return code
    except FuzzconvError as error:
        print(f"fuzzconv: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("fuzzconv: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception:
        # Python's own code for this is 1, which means new findings here: a broken campaign would look fine.
        traceback.print_exc()
        return OUR_BUG


def available_commands() -> dict[str, str]:
    """Command name → one-line help, of the commands this installation has."""
    return {name: text for name, text in COMMANDS.items() if find_spec(f"fuzzconv.cli.{name}")}


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if first in ("-h", "--help"):
        print(_overview())
        return 0
    if first == "--version":
        print(f"fuzzconv {metadata.version('fuzzconv')}")
        return 0
    commands = available_commands()
    if first and not first.startswith("-"):
        if first not in commands:
            raise UsageError(f"there is no command {first!r}; there are: {', '.join(commands)}")
        return _run(first, arguments[1:])
    if DEFAULT_COMMAND not in commands:
        raise UsageError(f"name a command: {', '.join(commands)}")
    return _run(DEFAULT_COMMAND, arguments)


def _run(command: str, arguments: list[str]) -> int:
    module = import_module(f"fuzzconv.cli.{command}")
    parser = argparse.ArgumentParser(
        prog=f"fuzzconv {command}",
        description=COMMANDS[command],
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    code: int = module.run(parser.parse_args(arguments))
    return code


def _overview() -> str:
    rows = [f"  {name:<8} {text}" for name, text in available_commands().items()]
    head = "usage: fuzzconv [COMMAND] [OPTIONS]      (fuzzconv COMMAND --help tells its options)"
    return "\n".join([head, "", "commands:", *rows, "", EXIT_CODES])
