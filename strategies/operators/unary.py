"""Elementwise operators of one input without attributes: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import acosh, asinh, atan, cosh, exp, log, log1p, sinh, sqrt, tan, tanh

from strategies.builder import LIMIT, Builder, Value, Want
from strategies.dtypes import FLOATS, HALF_AND_SINGLE, INTS
from strategies.operators.registry import Spec, add

Range = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """One operator: its domain, its fresh inputs, and how it maps a range."""

    name: str
    to: Callable[[float, float], Range]
    domain: Range = (-LIMIT, LIMIT)
    fresh: Range = (-3.0, 3.0)
    since: int = 1
    pnnx: bool = True
    jump: float | None = None


def _rising(f: Callable[[float], float]) -> Callable[[float, float], Range]:
    return lambda lo, hi: (f(lo), f(hi))


def _fixed(low: float, high: float) -> Callable[[float, float], Range]:
    return lambda lo, hi: (low, high)


def _abs(lo: float, hi: float) -> Range:
    return (0.0 if lo <= 0 <= hi else min(abs(lo), abs(hi)), max(abs(lo), abs(hi)))


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -500 else 0.0


def _softplus(x: float) -> float:
    return log1p(exp(x)) if x < 30 else x


def _cosh(lo: float, hi: float) -> Range:
    low, high = _abs(lo, hi)
    return cosh(low), cosh(high)


ROWS = (
    Row("Relu", _rising(lambda x: max(0.0, x))),
    Row("Abs", _abs),
    Row("Neg", lambda lo, hi: (-hi, -lo)),
    Row("Sigmoid", _rising(_sigmoid)),
    Row("Tanh", _rising(tanh)),
    Row("Exp", _rising(exp), (-15.0, 6.0)),
    Row("Log", _rising(log), (0.05, LIMIT), (0.1, 4.0)),
    Row("Sqrt", _rising(sqrt), (0.05, LIMIT), (0.1, 4.0)),
    Row("Reciprocal", lambda lo, hi: (1 / hi, 1 / lo), (0.1, LIMIT), (0.2, 4.0)),
    Row("Softplus", _rising(_softplus), (-30.0, 1e3)),
    Row("Sin", _fixed(-1, 1), (-30.0, 30.0)),
    Row("Cos", _fixed(-1, 1), (-30.0, 30.0)),
    Row("Tan", _rising(tan), (-1.3, 1.3), (-1.2, 1.2)),
    Row("Asin", _fixed(-1.6, 1.6), (-0.95, 0.95), (-0.9, 0.9)),
    Row("Acos", _fixed(0, 3.2), (-0.95, 0.95), (-0.9, 0.9)),
    Row("Atan", _rising(atan)),
    Row("Floor", lambda lo, hi: (lo - 1, hi), jump=0.0),
    Row("Ceil", lambda lo, hi: (lo, hi + 1), jump=0.0),
    Row("Round", lambda lo, hi: (lo - 1, hi + 1), since=11, jump=0.5),
    Row("Sign", _fixed(-1, 1), since=9, jump=0.0),
    Row("Erf", _fixed(-1, 1), since=9),
    Row("Softsign", _fixed(-1, 1), pnnx=False),
    Row("Sinh", _rising(sinh), (-6.0, 6.0), since=9),
    Row("Cosh", _cosh, (-6.0, 6.0), since=9),
    Row("Asinh", _rising(asinh), since=9),
    Row("Acosh", _rising(acosh), (1.1, LIMIT), (1.2, 5.0), since=9),
    Row("Atanh", _fixed(-2, 2), (-0.95, 0.95), (-0.9, 0.9), since=9),
    Row("Identity", lambda lo, hi: (lo, hi)),
)


DOUBLES = frozenset(
    ("Relu", "Abs", "Neg", "Sigmoid", "Tanh", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Sign")
)
"""Those that onnxruntime's CPU kernels take float64 for."""

ANY = FLOATS | INTS


def _spec(row: Row) -> Spec:
    def build(b: Builder, x: Value) -> Value:
        lo, hi = row.to(x.lo, x.hi)
        return b.node(row.name, [x], b.like(x, lo=lo, hi=hi))

    dtypes = ANY if row.name == "Identity" else FLOATS if row.name in DOUBLES else HALF_AND_SINGLE
    want = Want(dtypes=dtypes, lo=row.domain[0], hi=row.domain[1], fresh=row.fresh, jump=row.jump)
    vanishes = row.name == "Identity"
    return Spec(row.name, build, want, row.since, pnnx=row.pnnx, vanishes=vanishes)


for _row in ROWS:
    add(_spec(_row))
