"""The pnnx fork server against plain runs of pnnx, the same cases in turn."""

from __future__ import annotations

import shutil
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from benchmarks.models import distinct_cases
from benchmarks.plan import Plan
from fuzzconv.assembly import scratch_base
from fuzzconv.case import Case
from fuzzconv.converters.conversion import Converter
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.pnnx import PnnxConverter


def measure(plan: Plan) -> list[Figure]:
    """Milliseconds per conversion and the ratio."""
    binary = plan.toolchain.pnnx.path
    if binary is None:
        return [Figure("pnnx through the fork server", None, "ms", note=plan.toolchain.pnnx.missing)]
    server = ForkServer(binary)
    fast, plain = PnnxConverter(binary, fp16=True, server=server), PnnxConverter(binary, fp16=True)
    if server.problem:
        return [Figure("pnnx through the fork server", None, "ms", note=server.problem)]
    sample = list(islice(distinct_cases(1), plan.cases))
    try:
        _seconds(fast, sample[0])
        pairs = [(_seconds(fast, case), _seconds(plain, case)) for case in sample]
    finally:
        fast.close()
    quick, slow = (median(times) for times in zip(*pairs, strict=True))
    name = "pnnx through the fork server"
    return [
        Figure("pnnx, a plain run", slow * 1000, "ms"),
        Figure(name, quick * 1000, "ms", ratio=slow / quick, ratio_target=6.0),
    ]


def _seconds(converter: Converter, case: Case) -> float:
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=scratch_base()))
    try:
        started = time.perf_counter()
        converter.convert(case, directory)
        return time.perf_counter() - started
    finally:
        shutil.rmtree(directory)
