"""Option rows on the real ncnn: each has the effect it is run for, and none where it is said to have none."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from fuzzconv.case import Array
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunStatus
from fuzzconv.runtime.options import options_for, rows_for, rows_left_out
from fuzzconv.toolchain.locate import find_toolchain

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the expected effects are those of ncnn's x86 code"
)

CHANNELS, SIDE = 24, 9
CONVOLUTION = f"""7767517
2 2
Input in0 0 1 in0
Convolution conv 1 1 in0 out0 0={CHANNELS} 1=3 4=1 5=0 6={CHANNELS * CHANNELS * 9}
"""
INNER_PRODUCT = """7767517
2 2
Input in0 0 1 in0
InnerProduct dense 1 1 in0 out0 0=16 1=0 2=512
"""


def run(runtime: NcnnRuntime, param: str, row: str, device: str) -> Array:
    """The network's output under a row, on the same weights and input each time."""
    rng = np.random.default_rng(7)
    count, shape = (512, (32,)) if "dense" in param else (CHANNELS * CHANNELS * 9, (CHANNELS, SIDE, SIDE))
    weights = np.float32(rng.standard_normal(count) * 0.1)
    x = np.float32(rng.standard_normal(shape))
    feeds, fetches = (Feed("in0", x, None),), (Fetch("out0", None),)
    content = bytes(4) + weights.tobytes()
    result = runtime.run(RunRequest(param, content, feeds, fetches, options_for(row, device)))
    assert result.status is RunStatus.DONE, result.stderr
    output = result.outputs["out0"]
    assert output is not None
    return output


@pytest.fixture(scope="module")
def cpu() -> NcnnRuntime:
    with NcnnRuntime("cpu") as runtime:
        yield runtime


def check(runtime: NcnnRuntime, param: str, device: str, row: str, *, differs: bool) -> None:
    plain, other = run(runtime, param, "", device), run(runtime, param, row, device)
    assert (plain.tobytes() != other.tobytes()) == differs
    assert np.allclose(plain, other, atol=0.05 * float(np.abs(plain).max()))


@pytest.mark.parametrize(
    ("row", "differs"),
    [
        *((row, True) for row in ("nowinograd", "nowinograd63", "nowinograd43-nowinograd63", "bf16s")),
        *((row, False) for row in ("threads2", "nolightmode", "twice")),
    ],
)
def test_rows_of_the_cpu_on_a_convolution(cpu: NcnnRuntime, row: str, *, differs: bool) -> None:
    check(cpu, CONVOLUTION, "cpu", row, differs=differs)


@pytest.mark.parametrize(("row", "differs"), [("fp16s", True), ("bf16s", True), ("nosgemm", False)])
def test_rows_of_the_cpu_on_an_inner_product(cpu: NcnnRuntime, row: str, *, differs: bool) -> None:
    check(cpu, INNER_PRODUCT, "cpu", row, differs=differs)


@pytest.mark.parametrize("param", [CONVOLUTION, INNER_PRODUCT])
@pytest.mark.parametrize("switch", ["fp16p", "fp16a", "bf16p", "nosubgroup", "tensorstorage"])
def test_switches_left_out_on_the_cpu_change_nothing(cpu: NcnnRuntime, switch: str, param: str) -> None:
    assert switch in rows_left_out("cpu")
    check(cpu, param, "cpu", switch, differs=False)


@pytest.mark.slow
@pytest.mark.vulkan
def test_rows_of_vulkan() -> None:
    if not find_toolchain().vulkan.found:
        pytest.skip(f"Vulkan: {find_toolchain().vulkan.missing}")
    differing = {"nowinograd", "fp16p", "fp16s", "fp16", "bf16p", "bf16p-nowinograd"}
    with NcnnRuntime("vulkan") as runtime:
        for row in rows_for("vulkan", {"Convolution"}):
            plain, other = run(runtime, CONVOLUTION, "", "vulkan"), run(runtime, CONVOLUTION, row, "vulkan")
            assert np.allclose(plain, other, atol=0.05 * float(np.abs(plain).max())), row
            if row in differing:
                assert plain.tobytes() != other.tobytes(), row
        for switch in ("fp16a", "nowinograd63", "tensorstorage"):
            assert switch in rows_left_out("vulkan")
            again = run(runtime, CONVOLUTION, switch, "vulkan")
            assert again.tobytes() == run(runtime, CONVOLUTION, "", "vulkan").tobytes(), switch
