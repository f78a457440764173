"""Matrix products."""

from __future__ import annotations

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOATS
from strategies.operators.registry import operator


def _scale(x: Value, inner: int) -> float:
    return max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * inner)))


@operator(
    "MatMul", want=Want(dtypes=FLOATS, ranks=(2, 3, 4, 1, 5), lo=-1e3, hi=1e3, where=lambda s: s[-1] > 0)
)
def matmul(b: Builder, x: Value) -> Value:
    """("MatMul") numpy.matmul: weight of rank 1, 2 or with batch dimensions; either operand first."""
    *lead, rows, inner = (1, *x.shape) if x.rank == 1 else x.shape
    if x.rank >= 2 and b.flag(6):
        # The weight on the left: (n, rows) @ x.
        n = b.size(17)
        scale = _scale(x, rows)
        w = b.weight((n, rows), -scale, scale, x.dtype)
        bound = x.bound * rows * w.bound
        return b.node("MatMul", [w, x], b.like(x, shape=(*lead, n, inner), lo=-bound, hi=bound))
    scale = _scale(x, inner)
    form = b.weighted((("matrix", 5.0), ("batched", 1.5), ("vector", 0.7), ("other", 1.5)))
    columns = b.size(17)
    shape: tuple[int, ...] = (inner, columns)
    if form == "vector":
        shape = (inner,)
    elif form == "batched" and lead:
        shape = (*(d if not b.flag(3) else 1 for d in lead), inner, columns)
    if form == "other" and b.has("more_inputs"):
        w = b.input((*lead, inner, columns) if x.rank > 1 else (inner, columns), x.dtype, -scale, scale)
    else:
        w = b.weight(shape, -scale, scale, x.dtype)
    tail = () if w.rank == 1 else (columns,)
    out_shape = (*lead, *(() if x.rank == 1 else (rows,)), *tail)
    bound = x.bound * inner * w.bound
    return b.node("MatMul", [x, w], b.like(x, shape=out_shape, lo=-bound, hi=bound))


@operator("Gemm", want=Want(dtypes=FLOATS, ranks=(2,), lo=-1e3, hi=1e3, where=lambda s: 0 not in s))
def gemm(b: Builder, x: Value) -> Value:
    """("Gemm") alpha A' B' + beta C; C is optional since opset 11 and broadcasts one way.

    pnnx: without C, alpha must be one.
    """
    trans_a, trans_b = b.flag(6), b.flag()
    rows, inner = x.shape[::-1] if trans_a else x.shape
    columns = b.size(24)
    scale = _scale(x, inner)
    w = b.weight((columns, inner) if trans_b else (inner, columns), -scale, scale, x.dtype)
    forms = [(columns,), (columns,), (columns,), (1, columns), (rows, columns), (rows, 1), (1,), (), (1, 1)]
    bias = None if b.opset >= 11 and b.flag(3) else b.weight(b.pick(forms), -2.0, 2.0, x.dtype)
    alpha = b.pick((None, 1.0, 0.5, 2.0, -1.0) if bias or b.rare() else (None, 1.0))
    beta = b.pick((None, 1.0, 0.5, 2.0, 0.0))
    bound = 2 * x.bound * inner * w.bound + 4.0
    return b.node(
        "Gemm",
        [x, w, bias],
        b.like(x, shape=(rows, columns), lo=-bound, hi=bound),
        alpha=alpha,
        beta=beta,
        transA=1 if trans_a else (0 if b.flag(6) else None),
        transB=1 if trans_b else (0 if b.flag(6) else None),
    )
