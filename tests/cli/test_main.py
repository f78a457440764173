"""The command line's frame: which command runs, and what its end means to the shell."""

from __future__ import annotations

import argparse
import subprocess
import sys
from types import ModuleType

import pytest

from fuzzconv.cli import main as frame
from fuzzconv.cli.main import main
from fuzzconv.errors import FuzzconvError, MissingToolError, UsageError


class Planted(ModuleType):
    """A command that records its arguments, then returns or raises ``end``."""

    def __init__(self, end: int | BaseException) -> None:
        super().__init__("planted")
        self.end = end
        self.seen: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--budget", default="1m")

    def run(self, args: argparse.Namespace) -> int:
        self.seen.append(args.budget)
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end


def plant(monkeypatch: pytest.MonkeyPatch, end: int | BaseException, name: str = "fuzz") -> Planted:
    module = Planted(end)
    monkeypatch.setitem(sys.modules, f"fuzzconv.cli.{name}", module)
    monkeypatch.setattr(frame, "available_commands", lambda: {name: frame.COMMANDS[name]})
    return module


@pytest.mark.parametrize("arguments", [["--budget", "2h"], ["fuzz", "--budget", "2h"]])
def test_fuzz_is_the_default_command(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    planted = plant(monkeypatch, 1)
    assert main(arguments) == 1
    assert planted.seen == ["2h"]


def test_no_arguments_at_all_run_a_campaign(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = plant(monkeypatch, 0)
    assert main([]) == 0
    assert planted.seen == ["1m"]


@pytest.mark.parametrize(
    ("error", "code"), [(UsageError("x"), 2), (FuzzconvError("x"), 2), (MissingToolError("x"), 3)]
)
def test_an_error_for_the_user_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: FuzzconvError, code: int
) -> None:
    plant(monkeypatch, error)
    assert main([]) == code
    assert capsys.readouterr() == ("", "fuzzconv: x\n")


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, KeyboardInterrupt())
    assert main([]) == 130


def test_our_own_bug_is_shown_and_is_no_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plant(monkeypatch, ZeroDivisionError("planted"))
    assert main([]) == 70
    assert "ZeroDivisionError: planted" in capsys.readouterr().err


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doktor"]) == 2
    assert "'doktor'" in capsys.readouterr().err


def test_an_unknown_option_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, 0)
    with pytest.raises(SystemExit) as ended:
        main(["--bugdet", "1h"])
    assert ended.value.code == 2


def test_help_lists_commands_and_imports_none_of_them() -> None:
    code = "import sys; from fuzzconv.cli.main import main; main(['--help']); print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "doctor" in done.stdout
    assert "exit codes: 0 nothing new" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_every_available_command_follows_the_convention() -> None:
    for name in frame.available_commands():
        module = __import__(f"fuzzconv.cli.{name}", fromlist=["run"])
        module.add_arguments(argparse.ArgumentParser())
        assert callable(module.run)


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m fuzzconv doctor --json | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
