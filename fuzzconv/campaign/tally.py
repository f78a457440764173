"""The running totals of a campaign: what the screen shows and ``run.json`` sums up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from fuzzconv.campaign.messages import CaseJudged, ReductionEnded, RoundEnded
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.store import RunStore, merge_features


@dataclass
class Tally:
    """Totals so far; ``flush`` moves the counters that grew since the last flush into the store.

    Attributes:
        keys: keys of all distinct cases; ``duplicates`` counts cases met before.
        compared: distinct cases in which at least one PNNX route reached a comparison.
        executions: tool runs of every kind, shrinking and reduction included.
        search_seconds: worker seconds spent searching (not shrinking, not reducing).
        verdicts: route id → kind → count.
        left_out: why → how many cases did not go through Vulkan.
        known: hits of known signatures.
        features: feature → (cases generated, cases compared on a PNNX route).
    """

    keys: set[str] = field(default_factory=set)
    duplicates: int = 0
    compared: int = 0
    executions: int = 0
    search_seconds: float = 0.0
    verdicts: dict[str, Counter[str]] = field(default_factory=dict)
    operators: set[str] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    known: Counter[Signature] = field(default_factory=Counter)
    features: dict[str, tuple[int, int]] = field(default_factory=dict)
    _keys: list[str] = field(default_factory=list)
    _verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _cells: Counter[tuple[str, int, str, int, str, str]] = field(default_factory=Counter)
    _features: list[tuple[str, bool]] = field(default_factory=list)

    @classmethod
    def of_store(cls, store: RunStore) -> Tally:
        """The totals an interrupted run had reached."""
        facts = store.facts()

        def number(name: str) -> float:
            return float(str(facts.get(name, 0)))

        left_out, operators = facts.get("left_out"), facts.get("operators")
        return cls(
            keys=store.case_keys(),
            duplicates=int(number("duplicates")),
            compared=int(number("compared")),
            executions=int(number("executions")),
            search_seconds=number("search_s"),
            verdicts={route: Counter(kinds) for route, kinds in store.verdicts().items()},
            operators=set(operators) if isinstance(operators, list) else set(),
            left_out=Counter(left_out) if isinstance(left_out, dict) else Counter(),
            features=store.features(),
        )

    @property
    def cases(self) -> int:
        """Distinct cases (model and inputs)."""
        return len(self.keys)

    def add_case(self, event: CaseJudged) -> None:
        """Count a judged case; an event without a key adds routes to a case that was counted before."""
        if event.key in self.keys:
            self.duplicates += 1
            return
        if event.key:
            self.keys.add(event.key)
            self._keys.append(event.key)
            self.compared += event.compared
            self._features += [(feature, event.compared) for feature in event.features]
            for feature in event.features:
                generated, compared = self.features.get(feature, (0, 0))
                self.features[feature] = (generated + 1, compared + event.compared)
        self.operators.update(event.operators)
        for route, kind in event.verdicts.items():
            self.verdicts.setdefault(route, Counter())[kind] += 1
            self._verdicts[route, kind] += 1
        self._cells.update(event.cells)
        self.known.update(event.known)

    def add_round(self, event: RoundEnded) -> None:
        """Count a finished round."""
        self.search_seconds += event.seconds - event.shrink_seconds
        self.executions += event.executions

    def add_reduction(self, event: ReductionEnded) -> None:
        """Count a finished reduction."""
        self.executions += event.executions

    def cases_per_second(self, jobs: int) -> float:
        """Distinct cases per second of search, as if all ``jobs`` workers had searched all the time."""
        return self.cases / (self.search_seconds / jobs) if self.search_seconds else 0.0

    def facts(self) -> dict[str, object]:
        """The totals that the store keeps for a later ``--resume``."""
        return {
            "cases": self.cases,
            "duplicates": self.duplicates,
            "compared": self.compared,
            "executions": self.executions,
            "search_s": round(self.search_seconds, 3),
            "left_out": dict(self.left_out),
            "operators": sorted(self.operators),
            "known_hits": {str(signature): hits for signature, hits in self.known.items()},
        }

    def flush(self, store: RunStore) -> None:
        """Write everything counted since the last flush."""
        store.add_counts(self._keys, self._verdicts, self._cells, merge_features(self._features))
        store.set_facts(self.facts())
        self._keys.clear()
        self._verdicts.clear()
        self._cells.clear()
        self._features.clear()

    def verdict_table(self) -> Mapping[str, Mapping[str, int]]:
        """Route id → kind → count, plain dicts."""
        return {route: dict(counts) for route, counts in sorted(self.verdicts.items())}
