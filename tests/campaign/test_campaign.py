"""The whole campaign as a user runs it, on the real tools."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fuzzconv.findings.store import RunStore
from fuzzconv.toolchain.locate import find_onnx2ncnn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.onnx2ncnn,
    pytest.mark.skipif(not find_onnx2ncnn().found, reason=f"onnx2ncnn: {find_onnx2ncnn().missing}"),
]
ROUTE = "onnx2ncnn/cpu"


def start(out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-m",
        "fuzzconv",
        "--out",
        str(out),
        "--routes",
        ROUTE,
        "--jobs",
        "1",
        *options,
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=out,
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def run_folder(out: Path) -> Path:
    (folder,) = (path for path in out.iterdir() if path.is_dir() and not path.name.startswith("."))
    return folder


def wait_for_rounds(out: Path, count: int = 1, seconds: float = 60.0) -> None:
    """Until the store has finished rounds (or fail)."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        folders = [path for path in out.iterdir() if (path / "campaign.sqlite").exists()]
        if folders and int(str(RunStore(folders[0]).facts().get("cases", 0))) >= count:
            return
        time.sleep(0.2)
    pytest.fail("the campaign judged no case in time")


def test_a_short_campaign_ends_in_time_with_everything_in_run_json(tmp_path: Path) -> None:
    started = time.monotonic()
    process = start(tmp_path, "--budget", "15s", "--seed", "3")
    output, errors = process.communicate(timeout=60)
    elapsed = time.monotonic() - started
    assert process.returncode in (0, 1), errors
    assert elapsed < 15 + 10
    run = json.loads((run_folder(tmp_path) / "run.json").read_text())
    assert run["seed"] == 3
    assert run["jobs"] == 1
    assert run["cases"] > 0
    assert sum(run["verdicts"][ROUTE].values()) == run["cases"]
    assert run["executions"] >= 2 * run["cases"]
    assert abs(run["cases_per_s"] - run["cases"] / run["search_s"]) < 0.01
    assert process.returncode == (1 if run["findings"] else 0)
    for finding in run["findings"]:
        folder = run_folder(tmp_path) / "findings" / finding["slug"]
        assert (folder / "reproduce.py").is_file()
        assert finding["reproduced"][0] > 0
    assert f"{run['cases']} cases" in output
    assert "--seed 3" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_save_everything_and_exit_130(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, "--budget", "5m", "--seed", "4")
    wait_for_rounds(tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    run = json.loads((run_folder(tmp_path) / "run.json").read_text())
    assert run["cases"] > 0
    assert run["elapsed_s"] < 200


def test_a_run_killed_without_mercy_is_resumed_where_it_was(tmp_path: Path) -> None:
    process = start(tmp_path, "--budget", "20s", "--seed", "5")
    wait_for_rounds(tmp_path, count=3)
    process.kill()
    process.communicate(timeout=30)
    before = RunStore(run_folder(tmp_path))
    cases, spent = len(before.case_keys()), float(str(before.facts()["elapsed_s"]))
    before.close()
    assert cases >= 3
    started = time.monotonic()
    resumed = subprocess.run(
        [sys.executable, "-m", "fuzzconv", "--resume", str(run_folder(tmp_path))],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert resumed.returncode in (0, 1), resumed.stderr
    assert time.monotonic() - started < 20 - spent + 10
    run = json.loads((run_folder(tmp_path) / "run.json").read_text())
    assert run["cases"] >= cases
    assert run["seed"] == 5


def test_a_folder_that_takes_no_more_is_one_line_and_can_be_resumed(tmp_path: Path) -> None:
    """No file above 300 kB stands in for a full disk: the store outgrows it after a few cases."""
    command = (
        f"ulimit -f 300; exec {sys.executable} -m fuzzconv --budget 60s --seed 3 --jobs 1 --routes {ROUTE}"
    )
    full = subprocess.run(
        ["bash", "-c", f"{command} --out {tmp_path}"],
        capture_output=True,
        text=True,
        timeout=90,
        cwd=tmp_path,
        check=False,
    )
    assert full.returncode == 2, full.stderr
    assert len(full.stderr.strip().splitlines()) == 1
    assert "--resume" in full.stderr
    cases = len(RunStore(run_folder(tmp_path)).case_keys())
    resume = ["--resume", str(run_folder(tmp_path)), "--budget", "70s"]
    process = start(tmp_path, *resume)
    wait_for_rounds(tmp_path, count=cases + 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--budget", "soon"), "not a duration"),
        (("--routes", "gpu"), "no route matches"),
        (("--jobs", "0"), "--jobs"),
        (("--resume", "nowhere"), "not a run folder"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "fuzzconv", *options],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert process.returncode == 2
    assert said in process.stderr
    assert len(process.stderr.strip().splitlines()) == 1


def test_an_unwritable_folder_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = start(tmp_path, "--out", str(tmp_path / "file"))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "can't make the run folder" in errors
