"""What a set of cases holds, counted: operators, opsets, types and storage forms, ranks, graph shapes.

``Census`` counts cases; ``wanted_features`` names what a campaign should compare often enough. Features are
those that every case carries (``Case.features``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from fuzzconv.case import Case
from strategies.dtypes import DTYPES, FLOAT32, INT64
from strategies.initializers import FORMS, ROUTES
from strategies.operators import SPECS
from strategies.patterns import PATTERNS


@dataclass
class Census:
    """Counts over cases.

    Attributes:
        cases, distinct: number of cases, and of different ones.
        features: feature tag → number of cases that carry it.
        operators: (operator type, opset) → number of cases.
    """

    cases: int = 0
    features: Counter[str] = field(default_factory=Counter)
    operators: Counter[tuple[str, int]] = field(default_factory=Counter)
    _keys: set[str] = field(default_factory=set)

    @property
    def distinct(self) -> int:
        """Number of different cases."""
        return len(self._keys)

    def add(self, case: Case) -> None:
        """Count a case."""
        self.cases += 1
        self._keys.add(case.key)
        self.features.update(case.features)
        self.operators.update({(name, case.opset) for name in case.operators})

    def of_kind(self, prefix: str) -> list[tuple[str, int]]:
        """The features ``PREFIX:…`` without their prefix, the most frequent first."""
        found = [
            (f.removeprefix(f"{prefix}:"), n) for f, n in self.features.items() if f.startswith(f"{prefix}:")
        ]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def operator_table(self) -> tuple[list[int], list[tuple[str, list[int]]]]:
        """The opsets met, and per operator (by name) the number of cases at each."""
        opsets = sorted({opset for _, opset in self.operators})
        names = sorted({name for name, _ in self.operators})
        return opsets, [(name, [self.operators[name, opset] for opset in opsets]) for name in names]

    def storage_table(self) -> tuple[Sequence[str], list[tuple[str, list[int]]]]:
        """Storage forms, and per element type the number of cases that store one so."""
        forms = (*FORMS, "external")
        rows = [(d.name, [self.features[f"weight:{d.name}:{form}"] for form in forms]) for d in DTYPES]
        return forms, rows


def wanted_features() -> list[str]:
    """What a campaign should compare often enough on a PNNX route.

    Every operator that pnnx converts, every element type in every storage form that can hold it, every route
    to a constant and every fusion pattern.
    """
    operators = {f"op:{name}" for spec in SPECS.values() if spec.pnnx for name in spec.operators}
    forms = [
        f"weight:{d.name}:{form}"
        for d in DTYPES
        for form in FORMS
        if not (form == "constant_list" and d not in (FLOAT32, INT64))
        and not (form == "constant_of_shape" and d.name == "bfloat16")
    ]
    routes = [f"route:{route}" for route in ROUTES]
    patterns = [f"pattern:{name}" for name in PATTERNS]
    return [*sorted(operators), *forms, *routes, *patterns]
