from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper
from small_cases import array, case, node, verdict

from fuzzconv.case import Case
from fuzzconv.errors import UsageError
from fuzzconv.findings.finding import Blame, Signature
from fuzzconv.findings.known import (
    KnownBug,
    Status,
    default_corpus,
    load_corpus,
    load_known,
    matching,
    replay,
    write_known,
)
from fuzzconv.judgement import Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

ROUTES = (Route.parse("pnnx:fp16=0/cpu"), Route.parse("onnx2ncnn/cpu"))
SIGNATURE = Signature("result", "pnnx", "compare", ("AveragePool(ceil_mode=1)",))
KNOWN = KnownBug(
    slug="pool",
    signature=SIGNATURE,
    title='a "quoted" title — with more than ASCII',
    kind=Kind.DIVERGENCE,
    route="pnnx:fp16=0/cpu",
    case=Case(
        case([node("AveragePool", "x", kernel_shape=[2, 2], ceil_mode=1)], {"x": array(1, 1, 2, 2)}).model,
        {"x": array(1, 1, 2, 2)},
        declare_inputshape=True,
    ),
    blame=Blame("lowering to ncnn", ("a check", "another"), "pool_0"),
    tools={"pnnx": ("20261020", "20260101")},
    upstream="https://example.org/1",
)


class Fixed:
    """Judges with one kind for pnnx's routes and one for the others."""

    def __init__(self, kind: Kind, stage: str = "compare") -> None:
        self._kind, self._stage = kind, stage

    def judge(self, judged: Case, routes: Sequence[Route]) -> Judgement:
        kinds = [self._kind if r.converter == "pnnx" else Kind.DIVERGENCE for r in routes]
        verdicts = [verdict(str(r), k, self._stage) for r, k in zip(routes, kinds, strict=True)]
        return Judgement(judged, Reference(), tuple(verdicts))


def test_an_entry_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write_known(KNOWN, tmp_path)
    (again,) = load_corpus(tmp_path)
    assert again.case.key == KNOWN.case.key
    assert replace(again, case=KNOWN.case) == KNOWN


def test_external_data_comes_back_inline(tmp_path: Path) -> None:
    stored = case([node("Add", "x w")], {"x": array(3)}, {"w": array(3)})
    stored = Case(stored.model, stored.inputs, external_data=True)
    write_known(replace(KNOWN, case=stored), tmp_path)
    again = load_known(tmp_path / "pool").case
    assert again.external_data
    np.testing.assert_array_equal(numpy_helper.to_array(again.model.graph.initializer[0]), array(3))


def test_a_damaged_entry_is_the_users_to_mend(tmp_path: Path) -> None:
    folder = write_known(KNOWN, tmp_path)
    (folder / "model.onnx").write_bytes(b"\xff\xff")
    with pytest.raises(UsageError, match="can't read the known bug in"):
        load_corpus(tmp_path)


def test_no_corpus_holds_nothing(tmp_path: Path) -> None:
    assert load_corpus(tmp_path / "nowhere") == ()


def test_the_most_exact_of_the_covering_entries_matches() -> None:
    plain = replace(KNOWN, slug="plain", signature=replace(SIGNATURE, operators=("AveragePool",)))
    wide = replace(SIGNATURE, operators=("AveragePool(ceil_mode=1,large,pads)",))
    assert matching(wide, [plain, KNOWN]) is KNOWN
    assert matching(replace(wide, operators=("AveragePool(pads)",)), [plain, KNOWN]) is plain
    assert matching(replace(wide, family="crash"), [plain, KNOWN]) is None


@pytest.mark.parametrize(
    ("kind", "stage", "status"),
    [
        (Kind.DIVERGENCE, "compare", Status.STILL),
        (Kind.NAN, "compare", Status.STILL),
        (Kind.OK, "compare", Status.FIXED),
        (Kind.CRASH, "run", Status.CHANGED),
        (Kind.UNSUPPORTED, "convert", Status.CHANGED),
    ],
)
def test_what_a_replay_finds(kind: Kind, stage: str, status: Status) -> None:
    assert replay(KNOWN, Fixed(kind, stage), ROUTES).status is status


def test_another_converters_fault_is_none_of_this_entrys() -> None:
    # onnx2ncnn fails in Fixed, always
    assert replay(KNOWN, Fixed(Kind.OK), ROUTES).status is Status.FIXED


def test_a_route_that_does_not_run_tells_nothing() -> None:
    found = replay(KNOWN, Fixed(Kind.OK), ROUTES[1:])
    assert found.status is Status.NOT_RUN
    assert found


def test_a_replay_is_falsy_when_the_record_is_out_of_date() -> None:
    assert not replay(KNOWN, Fixed(Kind.OK), ROUTES)
    assert replay(replace(KNOWN, status=Status.FIXED), Fixed(Kind.OK), ROUTES)
    assert not replay(replace(KNOWN, status=Status.FIXED), Fixed(Kind.NAN), ROUTES)


def test_the_incident_is_in_the_corpus() -> None:
    entries = {known.upstream: known for known in load_corpus(default_corpus())}
    incident = entries["https://github.com/Tencent/ncnn/issues/5599"]
    constants = {t.name: numpy_helper.to_array(t) for t in incident.case.model.graph.initializer}
    exponent = constants["exponent"]
    assert (exponent.dtype, exponent.shape, exponent[0]) == (np.int64, (1,), -1)
    assert incident.signature.family == "weights"
