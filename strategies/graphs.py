"""Whole cases: which operators, and how they are joined.

A case begins with an *anchor*, an operator drawn with equal odds, so that every operator gets its share;
others grow before and after it from whatever values the graph has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fuzzconv.case import Case
from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT16, FLOAT32, FLOAT64, FLOATS, INT32, INT64, Dtype
from strategies.initializers import Storage
from strategies.models import case_of
from strategies.operators import SPECS, Spec
from strategies.patterns import PATTERNS, Pattern
from strategies.steering import Aim, aims
from strategies.swarm import OPSETS, Swarm

RARE_RATE = 1 / 16
"""Share of cases that may hold what pnnx is known not to support."""

_PATTERN_ONE_IN = 3
_AIMED_ONE_IN = 2


def cases(
    *,
    operators: Collection[str] | None = None,
    patterns: Collection[str] | None = None,
    swarm: Swarm | None = None,
    max_nodes: int = 6,
    opsets: Sequence[int] | None = None,
    rare_rate: float = RARE_RATE,
    odds: Mapping[str, float] | None = None,
    favoured: Collection[str] = (),
) -> SearchStrategy[Case]:
    """Cases: small valid ONNX models with inputs. The defaults give the campaign's full mix.

    Args:
        operators: names of the specs to use (see ``SPECS``); None is all, or the swarm's.
        patterns: names of fusion patterns (see ``PATTERNS``), one of which every case then begins with; None
            puts all into the mix, with ``operators`` only those that are made of these.
        swarm: what else the cases may use; None is everything.
        max_nodes: operators per graph at most (a pattern counts as one; storage of constants adds nodes).
        opsets: opset versions, the simplest first; None is the swarm's.
        rare_rate: share of cases in [0, 1] that may hold what pnnx is known not to support.
        odds: name → factor in (0, 1] that lowers its odds (known bugs' triggers) and never excludes it; the
            names of ``SPECS``, ``FORMS``, ``ROUTES``, ``DTYPES`` and ``values.PATTERNS`` count.
        favoured: features (out of ``census.wanted_features``) that half of the cases aim at, even where
            ``swarm``, ``operators`` or ``patterns`` would leave them out.

    Raises:
        ValueError: an unknown operator, pattern or feature, no operator or opset left, or a number out of
            range.

    Example::

        @given(cases(operators={"Conv", "Relu"}))
        def test_conversion(case): ...
    """
    swarm = swarm or Swarm()
    names = operators if operators is not None else swarm.operators
    unknown = sorted(set(names or ()) - SPECS.keys())
    if unknown:
        raise ValueError(f"no spec for operators {', '.join(unknown)}; see strategies.SPECS")
    unknown = sorted(set(patterns or ()) - PATTERNS.keys())
    if unknown:
        raise ValueError(f"no pattern is called {', '.join(unknown)}; see strategies.PATTERNS")
    if max_nodes < 1 or not 0 <= rare_rate <= 1:
        raise ValueError("max_nodes must be at least 1, rare_rate between 0 and 1")
    if not all(0 < factor <= 1 for factor in (odds or {}).values()):
        raise ValueError("odds must be above 0 and at most 1")
    specs = [s for s in SPECS.values() if names is None or s.name in names]
    versions = tuple(opsets or swarm.opsets or OPSETS)
    # An operator too new for the chosen opsets brings its own.
    specs = [s for s in specs if any(map(s.exists, versions))] or [
        s for s in specs if any(map(s.exists, OPSETS))
    ]
    if not specs:
        raise ValueError("no operator exists in the chosen opsets")
    chosen = [p for p in PATTERNS.values() if patterns is None or p.name in patterns]
    if patterns is None and operators is not None:
        chosen = [p for p in chosen if p.emits <= set(operators)]
    return _cases(
        _Recipe(
            specs,
            chosen,
            patterns is not None,
            versions,
            swarm,
            max_nodes,
            rare_rate,
            dict(odds or {}),
            aims(favoured),
        )
    )


def swarms() -> SearchStrategy[Swarm]:
    """Swarms over all operators; the simplest is the full mix."""
    return st.integers(0, 2**32 - 1).map(
        lambda seed: Swarm.of_seed(seed, operators=SPECS) if seed else Swarm()
    )


Anchor = TypeVar("Anchor", Spec, Pattern)


class _Recipe:
    """What ``cases`` was asked for, checked and sorted once."""

    def __init__(
        self,
        specs: list[Spec],
        patterns: list[Pattern],
        patterns_only: bool,
        versions: tuple[int, ...],
        swarm: Swarm,
        max_nodes: int,
        rare_rate: float,
        odds: Mapping[str, float],
        aims: Sequence[Aim],
    ) -> None:
        self.specs = specs
        self.supported = [s for s in specs if s.pnnx] or specs
        self.unsupported = [s for s in specs if not s.pnnx]
        self.patterns = [p for p in patterns if any(map(p.exists, versions))]
        self.patterns_only = patterns_only and bool(self.patterns)
        self.swarm = swarm
        self.max_nodes = max_nodes
        self.rare_one_in = round(1 / rare_rate) if rare_rate else 0
        self.odds = odds
        self.versions = versions
        self.aimed = bool(aims)
        self.aimed_anchors = [aim.anchor for aim in aims if aim.anchor]
        self.aimed_storages = [aim.storage for aim in aims if aim.storage]

    def opsets(self, anchor: Spec | Pattern, storage: Storage | None) -> Sequence[int]:
        """The opsets for this anchor; the storage aimed at goes before the versions asked for."""
        every = tuple(dict.fromkeys((*self.versions, *OPSETS)))
        possible = [o for o in every if anchor.exists(o)]
        both = [o for o in possible if storage is None or storage.exists(o)] or possible
        return [o for o in both if o in self.versions] or both

    def anchor(self, b: Builder) -> Spec | Pattern:
        """What a case begins with, whether it is a rare case, and what it aims at, if anything.

        Half of Hypothesis's first draws of a round differ in the very first choice alone. That choice is the
        operator's, so that they differ as cases (begun with a flag, 4 % of a round were copies of one case).
        """
        supported: Spec | Pattern
        supported = _choose(b, self.patterns) if self.patterns_only else _choose(b, self.supported)
        b.rare_case = self._rare(b)
        if self.aimed and not b.rare_case and b.flag(_AIMED_ONE_IN):
            b.aim = b.pick(self.aimed_storages) if self.aimed_storages else None
            if self.aimed_anchors:
                return b.pick(self.aimed_anchors)
        if self.patterns_only:
            return supported
        if b.rare_case and self.unsupported and b.flag():
            return _choose(b, self.unsupported)
        if self.patterns and b.has("patterns") and b.flag(_PATTERN_ONE_IN):
            pattern = b.pick(self.patterns)
            return supported if _spared(b, pattern) else pattern
        return supported

    def _rare(self, b: Builder) -> bool:
        return bool(self.rare_one_in) and b.flag(self.rare_one_in)


@st.composite
def _cases(draw: DrawFn, recipe: _Recipe) -> Case:
    b = Builder(draw, recipe.swarm, 0, odds=recipe.odds)
    anchor = recipe.anchor(b)
    specs = recipe.specs if b.rare_case else recipe.supported
    b.opset = b.pick(recipe.opsets(anchor, b.aim))
    b.dtype = _own_dtype(b, anchor)
    specs = [s for s in specs if s.exists(b.opset)]
    lone = isinstance(anchor, Spec) and anchor.vanishes and not b.rare_case
    solid = [s for s in specs if not s.vanishes] if lone else []
    if recipe.max_nodes > 1 and (solid or b.flag(4)):
        b.fresh(anchor.want)
        for _ in range(b.integer(1, 2)):
            _grow(b, solid or specs)
    _apply(b, anchor)
    for _ in range(recipe.max_nodes - 1):
        if not b.flag():
            break
        _grow(b, specs)
    if b.aim and b.aim.feature not in b.features:
        _add_constant(b, b.aim)
    if b.has("constant_outputs") and b.rare_case and b.flag(8):
        # A branch that depends on no graph input and ends in an output: pnnx refuses or crashes on most.
        b.pool.append(b.weight(b.shape(), -3.0, 3.0))
        _grow(b, specs)
        b.features.add("graph:constant_output")
    if b.has("unused_weights") and b.flag(8):
        b.unused()
    return case_of(b)


def _own_dtype(b: Builder, anchor: Spec | Pattern) -> Dtype:
    """The graph's own type: a float type, or an integer type that the anchor takes."""
    types = [(FLOAT32, 24.0)]
    types += [(d, 1.0) for d in (FLOAT16, FLOAT64) if b.has(d.name)]
    if b.has("integers"):
        types += [(d, 1.5) for d in (INT64, INT32) if d in anchor.want.dtypes]
    return b.weighted(types)


def _spared(b: Builder, spec: Spec | Pattern) -> bool:
    """Whether low odds of its name or operators say to take something else this time."""
    return any(b.spared(name) for name in sorted({spec.name, *spec.operators} & b.odds.keys()))


def _choose(b: Builder, specs: Sequence[Anchor]) -> Anchor:
    """One of ``specs``; one whose name or operators have low odds is mostly exchanged for another draw."""
    spec: Anchor = b.pick(specs)
    for _ in range(2):
        if not _spared(b, spec):
            break
        spec = b.pick(specs)
    return spec


def _grow(b: Builder, specs: Sequence[Spec]) -> None:
    """Append an operator that takes one of the graph's values, the latest mostly."""
    latest = b.pool[:-5:-1] if b.has("branches") and b.flag(4) else b.pool[:-2:-1]
    value = b.pick(latest)
    # An operator that vanishes between a graph input and an output leaves an input that is an output.
    fresh = not b.rare_case and any(value is v for v, _ in b.inputs)
    fitting = [s for s in specs if s.want.accepts(value) and not (fresh and s.vanishes)]
    if fitting:
        _build(b, _choose(b, fitting), value)


def _add_constant(b: Builder, aim: Storage) -> None:
    """Add a constant to the latest value that allows it: no operator had a place for the one aimed at."""
    x = b.take(Want(dtypes=FLOATS, ranks=(2, 3, 4, 5)))
    # Lists hold vectors only, and only a matrix can be transposed.
    shape = x.shape[-1:] if aim.form else x.shape[-2:]
    weight = b.weight(shape, -3.0, 3.0, x.dtype)
    b.pool.append(b.node("Add", [x, weight], b.like(x, lo=x.lo + weight.lo, hi=x.hi + weight.hi)))


def _apply(b: Builder, spec: Spec | Pattern) -> None:
    made = b.pool[-1:] if isinstance(spec, Spec) and spec.vanishes else []
    _build(b, spec, made[0] if made and spec.want.accepts(made[0]) else b.take(spec.want))


def _build(b: Builder, spec: Spec | Pattern, value: Value) -> None:
    made = spec.build(b, value)
    b.pool.extend([made] if isinstance(made, Value) else made)
