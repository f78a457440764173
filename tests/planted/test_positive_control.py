"""Positive control of the oracles: the planted faults in a stand-in, judged by the real pipeline.

Its negative half (no fault planted) judges the same cases, and every case must pass on every route.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from faults import FAULTS
from graphs import buried
from planted import Fault
from standin import standin_pipeline

from fuzzconv.findings.localise import localise
from fuzzconv.findings.reduce import reduce
from fuzzconv.findings.signature import failures
from fuzzconv.route import DEFAULT_ROUTES
from fuzzconv.verdict import Kind

# Whether two runs differ is asked of the real runtimes by an oracle of its own.
JUDGED = [fault for fault in FAULTS if fault.family != "nondeterminism"]


@pytest.mark.slow
@pytest.mark.parametrize("fault", JUDGED, ids=lambda f: f.name)
def test_a_fault_is_found_and_shrunk_by_the_real_oracles(fault: Fault, tmp_path: Path) -> None:
    pipeline = standin_pipeline(tmp_path, [fault])
    judgement = pipeline.judge(buried(fault.name, 0), DEFAULT_ROUTES)
    found = failures(judgement)
    assert len(found) == 1, [v.detail for v in judgement.verdicts]
    (part,) = localise(judgement, found[0], pipeline, DEFAULT_ROUTES)
    signature = reduce(part, pipeline, DEFAULT_ROUTES).signature
    assert (signature.family, signature.operators) == (fault.family, fault.operators)
    assert (signature.converter, signature.condition) == (fault.converter, fault.condition)


def test_without_faults_every_case_passes_on_every_route(tmp_path: Path) -> None:
    pipeline = standin_pipeline(tmp_path)
    compared = 0
    for fault in FAULTS:
        for verdict in pipeline.judge(buried(fault.name, 0), DEFAULT_ROUTES).verdicts:
            assert verdict.kind in (Kind.OK, Kind.SKIPPED), (fault.name, verdict)
            compared += verdict.kind is Kind.OK
    assert compared > 0.8 * len(FAULTS) * len(DEFAULT_ROUTES)
