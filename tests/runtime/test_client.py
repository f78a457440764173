import os
import signal
import threading
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from fuzzconv.errors import MissingToolError
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunStatus
from fuzzconv.runtime.options import options_for

RELU = """7767517
2 2
Input x 0 1 x
ReLU relu 1 1 x y
"""
INNER = """7767517
3 3
Input x 0 1 x
InnerProduct fc 1 1 x h 0=2 1=1 2=6
Scale twice 1 1 h y 0=2 1=0
"""
W = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
B = np.array([10, 20], np.float32)
S = np.array([2, 3], np.float32)
INNER_BIN = bytes(4) + W.tobytes() + B.tobytes() + S.tobytes()
X = np.array([1, -1, 2], np.float32)

# A few seconds of arithmetic: 64 x 64 channels, 7 x 7 kernel, 350 x 350 pixels.
LONG = """7767517
3 3
Input x 0 1 x
Interp grow 1 1 x big 0=1 1=350.0 2=350.0
Convolution conv 1 1 big y 0=64 1=7 6=200704
"""


def request(param, weights=b"", *, feed=X, fetches=("y",), device="cpu", **options):
    return RunRequest(
        param,
        weights,
        (Feed("x", feed, None),),
        tuple(Fetch(name, None) for name in fetches),
        {**options_for("", device), **options},
    )


def long_request():
    return request(LONG, bytes(4 + 200704 * 4), feed=np.ones((64, 1, 1), np.float32))


@pytest.fixture(scope="module")
def cpu():
    with NcnnRuntime("cpu") as runtime:
        yield runtime


def test_outputs_are_those_of_the_formula(cpu):
    result = cpu.run(request(INNER, INNER_BIN))
    assert result.status is RunStatus.DONE
    assert result.outputs["y"].tolist() == ((W @ X + B) * S).tolist()
    assert (result.return_code, result.failed_at, result.signal, result.stderr) == (0, "", 0, "")


def test_blobs_in_the_middle_can_be_fetched_in_param_order(cpu):
    result = cpu.run(request(INNER, INNER_BIN, fetches=("x", "h", "y")))
    assert result.outputs["x"].tolist() == X.tolist()
    assert result.outputs["h"].tolist() == (W @ X + B).tolist()
    assert result.outputs["y"].tolist() == ((W @ X + B) * S).tolist()


def test_without_light_mode_they_can_be_fetched_in_any_order(cpu):
    result = cpu.run(request(INNER, INNER_BIN, fetches=("y", "h"), lightmode=False))
    assert result.outputs["h"].tolist() == (W @ X + B).tolist()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_batch_axis_goes_in_and_comes_back(cpu, axis):
    x = np.arange(-12, 12, dtype=np.float32).reshape(2, 3, 4)
    asked = RunRequest(RELU, b"", (Feed("x", x, axis),), (Fetch("y", axis),), options_for("", "cpu"))
    assert np.array_equal(cpu.run(asked).outputs["y"], np.maximum(x, 0))


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (3, 5, 7), (2, 3, 5, 7)])
def test_every_rank_passes_unchanged(cpu, shape):
    x = np.arange(1, 1 + np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)
    output = cpu.run(request(RELU, feed=x)).outputs["y"]
    assert np.array_equal(output, x.reshape(1) if shape == () else x)


def test_rank_five_without_a_batch_axis_is_refused(cpu):
    result = cpu.run(request(RELU, feed=np.ones((1, 1, 2, 2, 2), np.float32)))
    assert (result.status, result.failed_at) == (RunStatus.INPUT_REFUSED, "x")
    assert "dims <=4" in result.stderr


def test_int32_bits_pass_unchanged(cpu):
    param = "7767517\n2 2\nInput x 0 1 x\nNoop n 1 1 x y\n"
    x = np.array([1, -1, 2**31 - 1], np.int32)
    assert cpu.run(request(param, feed=x)).outputs["y"].view(np.int32).tolist() == x.tolist()


def test_an_unknown_layer_fails_the_load_and_is_named(cpu):
    result = cpu.run(request(RELU.replace("ReLU", "NoSuchLayer")))
    assert (result.status, result.failed_at) == (RunStatus.LOAD_FAILED, "param")
    assert result.return_code != 0
    assert "NoSuchLayer" in result.stderr


def test_a_short_bin_fails_the_load(cpu):
    result = cpu.run(request(INNER, INNER_BIN[:-1]))
    assert (result.status, result.failed_at) == (RunStatus.LOAD_FAILED, "weights")
    assert "read weight_data failed" in result.stderr


def test_unknown_blobs_are_refused(cpu):
    result = cpu.run(request(RELU, fetches=("nothing",)))
    assert (result.status, result.failed_at) == (RunStatus.EXTRACT_FAILED, "nothing")
    wrong = RunRequest(RELU, b"", (Feed("z", X, None),), (Fetch("y", None),), options_for("", "cpu"))
    assert cpu.run(wrong).status is RunStatus.INPUT_REFUSED


def test_stderr_belongs_to_its_own_request(cpu):
    assert cpu.run(request(RELU.replace("ReLU", "NoSuchLayer"))).stderr
    assert cpu.run(request(RELU)).stderr == ""


def test_an_unknown_option_is_our_mistake(cpu):
    with pytest.raises(RuntimeError, match="no_such_option"):
        cpu.run(request(RELU, no_such_option=True))
    assert cpu.run(request(RELU)).status is RunStatus.DONE


def test_a_fatal_signal_is_a_crash_and_the_next_request_works():
    with NcnnRuntime("cpu") as runtime:
        runtime.start()
        first = runtime.pid
        timer = threading.Timer(0.1, os.kill, (first, signal.SIGSEGV))
        timer.start()
        result = runtime.run(long_request())
        timer.join()
        assert (result.status, result.signal) == (RunStatus.CRASHED, signal.SIGSEGV)
        assert runtime.run(request(RELU)).status is RunStatus.DONE
        assert runtime.pid != first


def test_a_worker_that_died_while_idle_costs_no_case():
    with NcnnRuntime("cpu") as runtime:
        runtime.start()
        os.kill(runtime.pid, signal.SIGKILL)
        time.sleep(0.05)
        assert runtime.run(request(RELU)).status is RunStatus.DONE


def test_a_stuck_worker_is_killed():
    with NcnnRuntime("cpu", timeout_s=0.2) as runtime:
        runtime.start()
        stuck = runtime.pid
        started = time.monotonic()
        assert runtime.run(long_request()).status is RunStatus.HUNG
        assert time.monotonic() - started < 2
        with pytest.raises(ProcessLookupError):
            os.kill(stuck, 0)
        assert runtime.run(request(RELU)).status is RunStatus.DONE


def test_exhausted_memory_is_told_apart():
    # Half-precision weights are read through a std::vector of twice their size: 4 GB here.
    param = "7767517\n2 2\nInput x 0 1 x\nInnerProduct fc 1 1 x y 0=1 1=0 2=1000000000\n"
    weights = (0x01306B47).to_bytes(4, "little")
    with NcnnRuntime("cpu", memory_bytes=2 << 30) as runtime:
        assert runtime.run(request(param, weights)).status is RunStatus.OUT_OF_MEMORY
        assert runtime.run(request(RELU)).status is RunStatus.DONE


def test_close_leaves_no_process_behind():
    runtime = NcnnRuntime("cpu")
    runtime.start()
    pid = runtime.pid
    runtime.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_python_without_ncnn_is_a_missing_tool(tmp_path):
    (tmp_path / "ncnn.py").write_text("raise ImportError('no ncnn here')")
    with (
        NcnnRuntime("cpu", pythonpath=[tmp_path]) as runtime,
        pytest.raises(MissingToolError, match="no ncnn here"),
    ):
        runtime.start()


def test_start_names_the_version_of_its_own_ncnn(cpu):
    assert cpu.start() == version("ncnn")


def test_trace_shows_what_ncnn_reads(cpu):
    trace = cpu.trace(INNER, INNER_BIN)
    assert trace.status is RunStatus.DONE
    assert [(b.layer, b.layer_type, b.index, b.load_type, b.tag) for b in trace.blobs] == [
        ("fc", "InnerProduct", 0, 0, 0),
        ("fc", "InnerProduct", 1, 1, None),
        ("twice", "Scale", 0, 1, None),
    ]
    assert [(b.offset, b.size, b.count) for b in trace.blobs] == [(0, 28, 6), (28, 8, 2), (36, 8, 2)]
    assert [b.values.tolist() for b in trace.blobs] == [W.ravel().tolist(), B.tolist(), S.tolist()]
    assert (trace.consumed, trace.untraced) == (44, ())


def test_trace_decodes_half_precision(cpu):
    weights = (0x01306B47).to_bytes(4, "little") + W.astype(np.float16).tobytes() + B.tobytes() + S.tobytes()
    blob = cpu.trace(INNER, weights).blobs[0]
    assert (blob.tag, blob.size) == (0x01306B47, 16)
    assert blob.values.tolist() == W.ravel().tolist()


def test_trace_of_a_short_file_has_empty_blobs(cpu):
    trace = cpu.trace(INNER, INNER_BIN[:-9])
    assert trace.status is RunStatus.DONE
    assert [b.values is None for b in trace.blobs] == [False, True, True]
    assert trace.consumed == len(INNER_BIN) - 9


def test_trace_of_a_long_file_leaves_bytes(cpu):
    assert cpu.trace(INNER, INNER_BIN + b"12345").consumed == len(INNER_BIN)


def test_trace_tries_each_layer_alone_when_the_param_is_refused(cpu):
    two_inputs = INNER.replace("InnerProduct fc 1 1 x h", "InnerProduct fc 2 1 x x h")
    trace = cpu.trace(two_inputs, INNER_BIN)
    assert trace.status is RunStatus.LOAD_FAILED
    assert [b.layer for b in trace.blobs] == ["fc", "fc", "twice"]
    assert (trace.consumed, trace.untraced) == (44, ())


def test_trace_names_layers_it_can_not_ask(cpu):
    trace = cpu.trace(INNER.replace("Scale", "NoSuchLayer"), INNER_BIN)
    assert trace.status is RunStatus.LOAD_FAILED
    assert trace.untraced == ("twice",)


@pytest.mark.vulkan
@pytest.mark.slow
def test_vulkan_agrees_with_the_formula():
    with NcnnRuntime("vulkan") as runtime:
        try:
            runtime.start()
        except MissingToolError as error:
            pytest.skip(str(error))
        result = runtime.run(request(INNER, INNER_BIN, device="vulkan"))
    assert result.status is RunStatus.DONE
    assert np.allclose(result.outputs["y"], (W @ X + B) * S, rtol=1e-4)


def test_a_machine_without_a_vulkan_driver_says_so():
    # The loader finds no driver when its list of drivers is empty.
    env = {"VK_DRIVER_FILES": "/nonexistent.json", "VK_ICD_FILENAMES": "/nonexistent.json"}
    with (
        NcnnRuntime("vulkan", env=env) as runtime,
        pytest.raises(MissingToolError, match="no Vulkan device"),
    ):
        runtime.start()


@pytest.mark.slow
def test_memory_stays_flat_over_many_requests(cpu):
    def resident_kib():
        status = Path(f"/proc/{cpu.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    asked = request(INNER, INNER_BIN)
    for _ in range(500):
        cpu.run(asked)
    before = resident_kib()
    for _ in range(3000):
        cpu.run(asked)
        cpu.trace(INNER, INNER_BIN)
    assert resident_kib() - before < 2048
