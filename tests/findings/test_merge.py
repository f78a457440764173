from collections import Counter
from pathlib import Path

import pytest

from fuzzconv.errors import UsageError
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.merge import merge_runs
from fuzzconv.findings.store import RoundRecord, RunStore


def make_run(folder: Path, *, keys: list[str], findings: list[str], jobs: int, search_s: float) -> Path:
    folder.mkdir()
    store = RunStore(folder, create=True)
    store.add_counts(
        keys,
        Counter({("onnx2ncnn/cpu", "ok"): len(keys)}),
        Counter({("Relu", 13, "float", 4, "onnx2ncnn/cpu", "ok"): len(keys)}),
        {"rank:4": (len(keys), 1)},
    )
    store.add_round(RoundRecord(0, 7, 0, 0.0, 5.0, len(keys), 9, 0.5))
    for slug in findings:
        store.add_finding(slug, f"sig-{slug}", {"slug": slug, "signature": f"sig-{slug}", "known": ""})
        (folder / "findings" / slug).mkdir(parents=True)
        (folder / "findings" / slug / "finding.json").write_text(folder.name)
    store.set_facts({"jobs": jobs, "search_s": search_s, "elapsed_s": 10.0, "operators": ["Relu"]})
    store.close()
    return folder


def test_counters_add_up_and_equal_things_count_once(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", keys=["a", "b"], findings=["x"], jobs=2, search_s=20.0)
    two = make_run(tmp_path / "two", keys=["b", "c"], findings=["x", "y"], jobs=1, search_s=10.0)
    merge_runs([one, two], tmp_path / "both")
    store = RunStore(tmp_path / "both")
    assert store.case_keys() == {"a", "b", "c"}
    assert store.verdicts() == {"onnx2ncnn/cpu": {"ok": 4}}
    assert store.features() == {"rank:4": (4, 2)}
    assert [record.number for record in store.rounds()] == [0, 1]
    assert [(f["slug"], f["hits"]) for f in store.findings()] == [("x", 2), ("y", 1)]
    assert (tmp_path / "both/findings/x/finding.json").read_text() == "one"
    assert (tmp_path / "both/findings/y/finding.json").read_text() == "two"
    facts = store.facts()
    assert facts["cases"] == 3
    assert facts["elapsed_s"] == 20.0
    assert facts["search_s"] == 30.0
    assert facts["jobs"] == 1.5


def test_variants_come_along(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / name, keys=[], findings=[name], jobs=1, search_s=1.0) for name in ("one", "two")
    ]
    general = Signature("result", "pnnx", "compare", ("Gather",))
    store = RunStore(runs[1])
    store.add_variant("two", general)
    store.close()
    merge_runs(runs, tmp_path / "both")
    merged = RunStore(tmp_path / "both")
    assert merged.variants() == [("two", general)]
    assert [f.get("variants") for f in merged.findings()] == [None, [str(general)]]


def test_an_existing_target_is_left_alone(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", keys=["a"], findings=[], jobs=1, search_s=1.0)
    with pytest.raises(UsageError, match="can't make"):
        merge_runs([one, one], one)
    assert RunStore(one).case_keys() == {"a"}
