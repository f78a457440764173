"""No false alarm: on generated cases the weights oracle flags pnnx for known upstream bugs only."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzzconv.case import Case
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.oracles.weights import judge_weights
from fuzzconv.oracles.weights.constants import Constants
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.toolchain.locate import find_pnnx
from strategies import cases


def triggers_a_known_bug(case: Case) -> bool:
    """What pnnx is known to write wrongly: 64-bit constants as they are, typed half fields as nothing,
    rank five without a shape, external data of another name, half infinities.
    """
    if case.external_data:
        return True
    return any(
        c.array.dtype in (np.float64, np.float16)
        or c.array.ndim >= 5
        or (c.array.dtype.kind in "iu" and c.array.size > 8)
        or (c.array.size and np.abs(c.as_float).max() >= 65504)
        for c in Constants(case.model).stored
    )


@pytest.mark.slow
@pytest.mark.pnnx
def test_only_known_bugs_are_flagged(tmp_path: Path) -> None:
    tool = find_pnnx()
    if not tool.path:
        pytest.skip(f"pnnx is missing: {tool.missing}; get it with: {tool.remedy}")
    server = ForkServer(tool.path)
    converters = [PnnxConverter(tool.path, fp16=half, server=server) for half in (False, True)]
    blobs = 0

    with NcnnRuntime("cpu") as runtime:

        @seed(20261122)
        @settings(
            max_examples=250,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=False,
        )
        @given(cases())
        def check(case: Case) -> None:
            nonlocal blobs
            for converter in converters:
                scratch = tmp_path / "scratch"
                scratch.mkdir()
                conversion = converter.convert(case, scratch)
                shutil.rmtree(scratch)
                if conversion.param and conversion.weights is not None:
                    trace = runtime.trace(conversion.param, conversion.weights)
                    fault = judge_weights(case, conversion, trace)
                    known = triggers_a_known_bug(case) or (fault and "flushed" in fault.evidence)
                    assert fault is None or known, fault
                    blobs += len(trace.blobs)

        try:
            check()
        finally:
            server.close()
    assert blobs > 100
