import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from converter_models import convolution, crashers, relu
from hypothesis import HealthCheck, Phase, given, settings

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Outcome
from fuzzconv.converters.forkserver import ForkServer, available, build_shim
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.converters.process import Limits, PlainRunner, Runner
from strategies import cases

needs_server = pytest.mark.skipif(available() != "", reason=f"no fork server here: {available()}")
SHELL = Path("/bin/sh")

# What differs between two plain runs (times), and what onnxruntime says once in a process only.
MASKED = re.compile(
    r"(?:\x1b\[[\d;]*m)?\d{4}-\d\d-\d\d [\d:.]+ [^\n]*Unknown CPU vendor[^\n]*\n"
    r"|\d+\.\d\dms"
    r"|\d{4}-\d\d-\d\d [\d:.]+(?= \[[WEF]:onnxruntime)"
    r"|(?<=^[IWEF]0000) [\d:.]+ +\d+(?= )",  # protobuf: time and process number
    re.MULTILINE,
)

# glibc on a heap that pnnx has corrupted: whether and where it notices depends on what else is on the heap.
HEAP_CORRUPTION = re.compile(
    r"(?:malloc|realloc|free|munmap_chunk|malloc_consolidate)\(\): |double free or corruption|corrupted "
)


def masked(stderr: str) -> list[str]:
    """The lines without what may differ; the times' padding makes spaces differ in number."""
    return [re.sub(" +", " ", line).rstrip() for line in MASKED.sub("", stderr).splitlines()]


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer(SHELL, warm_up=False)
    yield server
    server.close()


def status(server: ForkServer, script: str, scratch: Path, **limits: float) -> int:
    return server.run(["-c", script], scratch, Limits(**limits)).exit_status


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()


def ends(process: int) -> bool:
    for _ in range(100):
        if not alive(process):
            return True
        time.sleep(0.02)
    return False


@needs_server
def test_one_server_serves_all_and_outlives_its_children(server: ForkServer, tmp_path: Path) -> None:
    assert status(server, "exit 3", tmp_path) == 3
    first = server.pid
    assert status(server, "kill -SEGV $$", tmp_path) == -11
    assert status(server, "sleep 60", tmp_path, timeout_s=0.2) == -9
    assert status(server, "exit 4", tmp_path) == 4
    assert server.pid == first
    assert children(first) == []  # no zombies
    assert server.problem == ""


def children(process: int | None) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


@needs_server
def test_the_server_leaks_no_descriptors(server: ForkServer, tmp_path: Path) -> None:
    status(server, "exit 0", tmp_path)
    descriptors = Path(f"/proc/{server.pid}/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(30):
        status(server, "kill -ABRT $$", tmp_path)
    assert len(list(descriptors.iterdir())) == before


@needs_server
def test_a_killed_server_is_replaced(server: ForkServer, tmp_path: Path) -> None:
    status(server, "exit 0", tmp_path)
    first = server.pid
    assert first
    os.kill(first, signal.SIGKILL)
    assert status(server, "exit 5", tmp_path) == 5
    assert server.pid != first
    assert server.problem == ""


@needs_server
def test_a_server_killed_in_mid_run_takes_its_child_along_and_the_run_is_done_again(
    server: ForkServer, tmp_path: Path
) -> None:
    status(server, "exit 0", tmp_path)
    first = server.pid
    assert first
    # The first attempt leaves its number and a file, and waits; the second finds the number's file alone.
    record = tmp_path.parent / f"{tmp_path.name}.pid"
    script = f"test -e {record} && exec ls; echo half > half_written; echo $$ > {record}; sleep 60"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(server.run, ["-c", script], tmp_path, Limits())
        for _ in range(200):
            if record.exists() and record.read_text():
                break
            time.sleep(0.02)
        os.kill(first, signal.SIGKILL)
        run = running.result(20)
    assert ends(int(record.read_text()))
    assert run.outcome is Outcome.DONE
    assert "half_written" not in run.stdout
    assert server.pid not in (None, first)


@needs_server
def test_close_stops_the_server_and_a_later_run_starts_another(server: ForkServer, tmp_path: Path) -> None:
    status(server, "exit 0", tmp_path)
    first = server.pid
    assert first
    server.close()
    assert ends(first)
    assert server.pid is None
    assert status(server, "exit 6", tmp_path) == 6


@needs_server
def test_server_and_child_end_when_the_client_dies(tmp_path: Path) -> None:
    client = f"""
from pathlib import Path
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.process import Limits
server = ForkServer(Path("/bin/sh"), warm_up=False)
server.run(["-c", "exit 0"], Path({str(tmp_path)!r}), Limits())
print(server.pid, flush=True)
server.run(["-c", "echo $$ > child; sleep 60"], Path({str(tmp_path)!r}), Limits(timeout_s=60))
"""
    with subprocess.Popen([sys.executable, "-c", client], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        server = int(process.stdout.readline())
        child = tmp_path / "child"
        for _ in range(200):
            if child.exists() and child.read_text():
                break
            time.sleep(0.02)
        assert alive(server)
        process.kill()
    assert ends(server)
    assert ends(int(child.read_text()))


@needs_server
def test_threads_may_share_a_server(server: ForkServer, tmp_path: Path) -> None:
    def run(number: int) -> int:
        scratch = tmp_path / str(number)
        scratch.mkdir()
        return status(server, f"exit {number}", scratch)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(40))) == list(range(40))


@needs_server
def test_a_program_that_the_shim_can_not_enter_is_run_plainly(tmp_path: Path) -> None:
    source = tmp_path / "static.c"
    source.write_text("int main(int argc, char **argv) { (void)argv; return argc; }")
    binary = tmp_path / "static"
    compiler = shutil.which("cc")
    if not compiler or subprocess.run([compiler, "-static", "-o", binary, source], check=False).returncode:
        pytest.skip("no compiler that links statically")
    server = ForkServer(binary, warm_up=False)
    assert server.run(["a", "b"], tmp_path, Limits()).exit_status == 3
    assert "does not start with the shim" in server.problem
    assert server.pid is None


def test_a_script_is_run_plainly(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text("#!/bin/sh\nexit $#\n")
    script.chmod(0o755)
    server = ForkServer(script)
    assert server.run(["a"], tmp_path, Limits()).exit_status == 1
    assert server.problem


@needs_server
def test_the_shim_is_built_once_into_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FUZZCONV_CACHE", str(tmp_path))
    built = build_shim()
    first = built.stat()
    assert build_shim().stat().st_mtime_ns == first.st_mtime_ns
    assert [path.name for path in built.parent.iterdir()] == [built.name]


@pytest.mark.parametrize("present", [True, False])
def test_without_a_compiler_the_reason_is_given(
    present: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUZZCONV_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    if present:  # a compiler that fails
        compiler = tmp_path / "cc"
        compiler.write_text("#!/bin/sh\necho 'no headers' >&2; exit 1\n")
        compiler.chmod(0o755)
    if sys.platform == "linux" and hasattr(os, "pidfd_open"):
        assert ("no headers" if present else "needs a C compiler") in available()
    server = ForkServer(SHELL)
    assert server.problem == available() != ""
    assert server.run(["-c", "exit 7"], tmp_path, Limits()).exit_status == 7


@needs_server
@pytest.mark.pnnx
def test_pnnx_writes_the_same_through_the_server(pnnx_binary: Path, tmp_path: Path) -> None:
    outcomes, unstable, _ = assert_same_results(pnnx_binary, [convolution(), *crashers()[:2]], tmp_path)
    assert (outcomes, unstable) == ({Outcome.DONE: 1, Outcome.CRASHED: 2}, 0)


@needs_server
@pytest.mark.pnnx
def test_pnnx_warms_up_and_converters_share_the_server(pnnx_binary: Path, tmp_path: Path) -> None:
    server = ForkServer(pnnx_binary)
    converters = [PnnxConverter(pnnx_binary, fp16, server=server) for fp16 in (False, True)]
    for converter in converters:
        scratch = tmp_path / converter.setting
        scratch.mkdir()
        assert converter.convert(relu(1, 3), scratch).feedings
    first = server.pid
    assert first
    for converter in converters:
        converter.close()
    assert ends(first)
    assert server.problem == ""


@needs_server
@pytest.mark.pnnx
@pytest.mark.slow
def test_pnnx_is_byte_identical_through_the_server_and_six_times_faster(
    pnnx_binary: Path, tmp_path: Path
) -> None:
    collected = generated_cases(520)
    outcomes, unstable, ratio = assert_same_results(pnnx_binary, [*crashers(), *collected], tmp_path)
    assert sum(outcomes.values()) >= 500
    assert outcomes[Outcome.CRASHED] >= 4
    assert outcomes[Outcome.DONE] >= 300
    assert unstable <= 15
    assert ratio >= 6


@needs_server
@pytest.mark.onnx2ncnn
@pytest.mark.slow
def test_onnx2ncnn_is_byte_identical_through_the_server(onnx2ncnn_binary: Path, tmp_path: Path) -> None:
    outcomes, unstable, _ = assert_same_results(
        onnx2ncnn_binary,
        generated_cases(520),
        tmp_path,
        ["model.ncnn.param", "model.ncnn.bin"],
        warm_up=False,
    )
    assert outcomes[Outcome.DONE] >= 300
    assert unstable <= 15


def generated_cases(number: int) -> list[Case]:
    collected: list[Case] = []

    @settings(
        max_examples=number,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def collect(case: Case) -> None:
        collected.append(case)

    collect()
    return collected


Result = tuple[Outcome, int, str, list[str], dict[str, bytes]]


def assert_same_results(
    binary: Path,
    all_cases: list[Case],
    scratch: Path,
    arguments: Sequence[str] = ("fp16={fp16}",),
    *,
    warm_up: bool = True,
) -> tuple[Counter[Outcome], int, float]:
    """Convert plainly and through a server, and compare everything.

    Where they differ, plain runs are compared with each other: for some models pnnx writes memory that it
    never filled, and no two runs are equal. A run that ended because pnnx had corrupted its heap proves
    nothing either way.

    Returns:
        Outcomes of the equal cases, number of those in which plain runs differ too, ratio of median times.
    """
    server, plain = ForkServer(binary, warm_up=warm_up), PlainRunner(binary)
    outcomes: Counter[Outcome] = Counter()
    unstable = 0
    seconds: dict[Runner, list[float]] = {server: [], plain: []}

    def result(runner: Runner, case: Case, fp16: int) -> Result:
        with tempfile.TemporaryDirectory(dir=scratch) as name:
            directory = Path(name)
            case.write(directory)
            words = [word.format(fp16=fp16) for word in arguments]
            run = runner.run(["model.onnx", *words], directory, Limits())
            seconds[runner].append(run.seconds)
            files = {p.name: p.read_bytes() for p in directory.iterdir() if p.name != "tool.stderr"}
        said = masked(run.stderr)
        if run.outcome is Outcome.CRASHED:
            # Last words may quote memory that pnnx never filled (an index of 7957695011148363296).
            said = [re.sub(r"\d+", "N", line) for line in said]
        return run.outcome, run.exit_status, run.stdout, said, files

    result(server, all_cases[0], 0)
    memory = resident(server)
    for number, case in enumerate(all_cases):
        served, direct = (result(runner, case, number % 2) for runner in (server, plain))
        if served == direct:
            outcomes[direct[0]] += 1
        elif any(HEAP_CORRUPTION.search(line) for line in (*served[3], *direct[3])) or any(
            result(plain, case, number % 2) != direct for _ in range(5)
        ):
            unstable += 1
        else:
            kept = scratch / f"differs-{number}"
            kept.mkdir()
            case.write(kept)
            assert served[:4] == direct[:4], f"case {number}, kept in {kept}"
            names = [n for n in {**served[4], **direct[4]} if served[4].get(n) != direct[4].get(n)]
            pytest.fail(f"case {number}, kept in {kept}: {names} differ")
    assert server.problem == ""
    assert resident(server) <= memory + (4 << 20)
    server.close()
    return outcomes, unstable, statistics.median(seconds[plain]) / statistics.median(seconds[server])


def resident(server: ForkServer) -> int:
    """Bytes of memory that the server holds."""
    pages = int(Path(f"/proc/{server.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
