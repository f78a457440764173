import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzzconv.converters.conversion import Outcome
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.process import STDERR_FILE, STDOUT_FILE, Limits, PlainRunner, Runner, read_bounded

SHELL = Path("/bin/sh")


@pytest.fixture(scope="module", params=["plain", "fork server"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    """The shell as a tool, run both ways: every limit must hold in both."""
    if request.param == "plain":
        yield PlainRunner(SHELL)
        return
    server = ForkServer(SHELL, warm_up=False)
    if server.problem:
        pytest.skip(f"no fork server here: {server.problem}")
    yield server
    assert server.problem == ""
    server.close()


def shell(runner: Runner, script: str, scratch: Path, **limits: float) -> tuple[Outcome, int, str, str]:
    run = runner.run(["-c", script], scratch, Limits(**limits))
    return run.outcome, run.exit_status, run.stdout, run.stderr


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        ("exit 0", Outcome.DONE, 0),
        ("exit 255", Outcome.REFUSED, 255),
        ("kill -SEGV $$", Outcome.CRASHED, -11),
        ("kill -ABRT $$", Outcome.CRASHED, -6),
        ('echo "what():  std::bad_alloc" >&2; kill -ABRT $$', Outcome.OUT_OF_MEMORY, -6),
        ("echo 'Cannot allocate memory' >&2; exit 1", Outcome.OUT_OF_MEMORY, 1),
        ("echo std::bad_alloc caught, went on >&2", Outcome.DONE, 0),
        ("kill -KILL $$", Outcome.OUT_OF_MEMORY, -9),  # nobody else here kills with this signal
    ],
)
def test_the_outcome_follows_from_status_and_message(
    runner: Runner, script: str, outcome: Outcome, status: int, tmp_path: Path
) -> None:
    assert shell(runner, script, tmp_path)[:2] == (outcome, status)


def test_output_and_working_directory_are_the_scratch(runner: Runner, tmp_path: Path) -> None:
    _, _, stdout, stderr = shell(runner, "pwd; echo error >&2; cat", tmp_path)
    assert stdout == f"{tmp_path}\n"
    assert stderr == "error\n"
    assert {p.name for p in tmp_path.iterdir()} == {STDOUT_FILE, STDERR_FILE}


def test_a_hanging_tool_is_killed_with_all_its_children(runner: Runner, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome, status, stdout, _ = shell(runner, "sleep 60 & echo $!; sleep 60", tmp_path, timeout_s=0.3)
    assert (outcome, status) == (Outcome.HUNG, -9)
    assert time.monotonic() - started < 5
    assert ended(int(stdout))


def test_children_left_behind_by_a_tool_that_ended_are_killed(runner: Runner, tmp_path: Path) -> None:
    outcome, _, stdout, _ = shell(runner, "sleep 60 & echo $!", tmp_path)
    assert outcome is Outcome.DONE
    assert ended(int(stdout))


def ended(process: int) -> bool:
    """Whether a process is gone or a zombie, at the latest in two seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_endless_output_fills_neither_disk_nor_memory(runner: Runner, tmp_path: Path) -> None:
    outcome, status, stdout, _ = shell(runner, "exec yes", tmp_path, timeout_s=20, file_bytes=4 << 20)
    assert (outcome, status) == (Outcome.HUNG, -25)  # SIGXFSZ
    assert (tmp_path / STDOUT_FILE).stat().st_size <= 4 << 20
    assert len(stdout) < 300_000


def test_the_memory_limit_holds(runner: Runner, tmp_path: Path) -> None:
    script = f"exec {sys.executable} -S -c 'import mmap; mmap.mmap(-1, 1 << 30)'"
    assert shell(runner, script, tmp_path, memory_bytes=2 << 30)[0] is Outcome.DONE
    outcome, status, _, stderr = shell(runner, script, tmp_path, memory_bytes=600 << 20)
    assert (outcome, status) == (Outcome.OUT_OF_MEMORY, 1)
    assert "Cannot allocate memory" in stderr


def test_no_core_is_dumped(runner: Runner, tmp_path: Path) -> None:
    assert shell(runner, "ulimit -c", tmp_path)[2] == "0\n"


def test_arguments_and_environment_pass_unchanged(
    runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    script = 'printf "<%s>" "$0" "$@" "$LD_PRELOAD$FUZZCONV_FORKSERVER"'
    run = runner.run(["-c", script, "a b", "$HOME", "'", "", "-x"], tmp_path, Limits())
    assert run.stdout == "<a b><$HOME><'><><-x><>"


def test_a_tool_inherits_no_descriptors(runner: Runner, tmp_path: Path) -> None:
    # 3 is the directory that ls itself reads.
    assert shell(runner, "exec ls /proc/self/fd", tmp_path)[2].split() == ["0", "1", "2", "3"]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptors_leak(runner: Runner, tmp_path: Path) -> None:
    shell(runner, "exit 0", tmp_path)
    before = open_descriptors()
    for _ in range(20):
        shell(runner, "exit 1", tmp_path)
    assert open_descriptors() == before


def test_read_bounded_keeps_both_ends(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"A" * 10 + b"\xff" * 100 + b"Z" * 10)
    text = read_bounded(path, limit=20)
    assert text.startswith("AAAAAAAAAA\n")
    assert text.endswith("\nZZZZZZZZZZ")
    assert "100 bytes left out" in text
    assert read_bounded(path).count("\ufffd") == 100
    assert read_bounded(tmp_path / "missing") == ""
