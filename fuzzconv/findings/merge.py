"""Puts several runs together into one: counters add up, cases and findings are united."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from fuzzconv.errors import UsageError
from fuzzconv.findings.store import RunStore

_SUMS = ("budget_s", "elapsed_s", "duplicates", "compared", "executions", "search_s")
_FOLDERS = ("findings", "candidates")


def merge_runs(runs: Sequence[Path], target: Path) -> None:
    """Merge run folders into the new folder ``target``.

    Equal cases count once; of two findings with one slug the first run's folder is kept. Rounds keep their
    order; their numbers start anew. What differs between the runs (seeds, tools) is listed per run.

    Raises:
        UsageError: a run can't be read, or ``target`` is there already.
    """
    stores = [RunStore(run) for run in runs]
    try:
        target.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"can't make {target}: {error.strerror}") from error
    merged = RunStore(target, create=True)
    keys: set[str] = set()
    for run, store in zip(runs, stores, strict=True):
        keys |= store.case_keys()
        _add(merged, store)
        for folder in _FOLDERS:
            _copy_new(run / folder, target / folder)
    merged.set_facts(_facts([store.facts() for store in stores], len(keys)))
    for store in (*stores, merged):
        store.close()


def _add(merged: RunStore, store: RunStore) -> None:
    verdicts = Counter(
        {(route, kind): count for route, kinds in store.verdicts().items() for kind, count in kinds.items()}
    )
    cells = Counter(
        {(c.operator, c.opset, c.dtype, c.rank, c.route, c.kind): c.cases for c in store.matrix()}
    )
    merged.add_counts(store.case_keys(), verdicts, cells, store.features())
    start = len(merged.rounds())
    for number, record in enumerate(store.rounds(), start):
        merged.add_round(record._replace(number=number))
    for finding in store.findings():
        summary = {name: value for name, value in finding.items() if name != "hits"}
        merged.add_finding(str(finding["slug"]), str(finding["signature"]), summary)
    for slug, signature in store.variants():
        merged.add_variant(slug, signature)
    for candidate in store.candidates():
        merged.add_candidate(candidate.signature, candidate.folder)
        merged.set_candidate_status(candidate.signature, candidate.status)


def _facts(facts: Sequence[Mapping[str, object]], cases: int) -> dict[str, object]:
    sums = {name: sum(float(str(f.get(name, 0))) for f in facts) for name in _SUMS}
    operators = {str(op) for f in facts for op in _list(f.get("operators"))}
    left_out: Counter[str] = Counter()
    for f in facts:
        reasons = f.get("left_out")
        left_out.update(reasons if isinstance(reasons, dict) else {})
    seconds = sum(float(str(f.get("search_s", 0))) / float(str(f.get("jobs", 1))) for f in facts)
    return {
        **facts[0],
        **sums,
        "jobs": round(sums["search_s"] / seconds, 3) if seconds else facts[0].get("jobs"),
        "cases": cases,
        "operators": sorted(operators),
        "left_out": dict(left_out),
        "merged": [{"seed": f.get("seed"), "tools": f.get("tools")} for f in facts],
    }


def _copy_new(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for folder in sorted(source.glob("[!.]*")) if source.is_dir() else ():
        if not (target / folder.name).exists():
            shutil.copytree(folder, target / folder.name)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
