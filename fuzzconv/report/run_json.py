"""``run.json``: a run in numbers, for machines."""

from __future__ import annotations

import json
from pathlib import Path

from fuzzconv.findings.store import RunStore

RUN_FILE = "run.json"


def write_run_json(folder: Path, store: RunStore) -> Path:
    """Write ``run.json`` into a run folder from its store; returns the path.

    ``cases`` counts distinct generated cases; ``executions`` every tool run, shrinking and reduction
    included; ``search_s`` worker seconds outside shrinking and reduction; ``cases_per_s`` is
    ``cases / (search_s / jobs)``.
    """
    facts = store.facts()
    jobs, cases, search = (float(str(facts.get(name, 0))) for name in ("jobs", "cases", "search_s"))
    run = {
        "budget_s": facts.get("budget_s"),
        "elapsed_s": facts.get("elapsed_s"),
        "seed": facts.get("seed"),
        "tools": facts.get("tools"),
        "jobs": facts.get("jobs"),
        "cases": facts.get("cases", 0),
        "duplicates": facts.get("duplicates", 0),
        "executions": facts.get("executions", 0),
        "search_s": facts.get("search_s", 0.0),
        "cases_per_s": round(cases / (search / jobs), 3) if search and jobs else 0.0,
        "compared": facts.get("compared", 0),
        "operators": facts.get("operators", []),
        "verdicts": store.verdicts(),
        "skipped": facts.get("skipped", {}),
        "left_out": facts.get("left_out", {}),
        "candidates": [vars(c) for c in store.candidates() if c.status not in ("reduced", "duplicate")],
        "thin": facts.get("thin", {}),
        "replayed": facts.get("replayed", []),
        "known_hits": facts.get("known_hits", {}),
        "machine": facts.get("machine", {}),
        "findings": store.findings(),
    }
    path = folder / RUN_FILE
    temporary = path.with_suffix(".json.part")
    temporary.write_text(json.dumps(run, indent=1))
    temporary.replace(path)
    return path
