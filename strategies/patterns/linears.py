"""Matrix products with what follows them: bias, scale, activation, batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from strategies.builder import Builder, Value, Want
from strategies.patterns.parts import ACTIVATIONS, SINGLE, activation, batch_norm, product_scale
from strategies.patterns.registry import pattern

ROWS = Want(ranks=(2, 3, 4), lo=-1e3, hi=1e3, where=lambda s: 0 not in s, dtypes=SINGLE)
MATRIX = Want(ranks=(2,), lo=-1e3, hi=1e3, where=lambda s: 0 not in s, dtypes=SINGLE)


def _matmul(b: Builder, x: Value, columns: int) -> Value:
    inner = x.shape[-1]
    scale = product_scale(x, inner)
    w = b.weight((inner, columns), -scale, scale, x.dtype)
    bound = x.bound * inner * w.bound
    return b.node("MatMul", [x, w], b.like(x, shape=(*x.shape[:-1], columns), lo=-bound, hi=bound))


@pattern("matmul_add", emits=("MatMul", "Add"), want=ROWS, misses=("broadcast",))
def matmul_add(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A linear layer with its bias; near miss: the bias runs along the rows."""
    columns = b.size(24)
    product = _matmul(b, x, columns)
    shape = (x.shape[-2], 1) if miss == "broadcast" else (columns,)
    bias = b.weight(shape, -2.0, 2.0, x.dtype)
    operands = [bias, product] if b.flag(3) else [product, bias]
    out = b.node("Add", operands, b.like(product, lo=product.lo - 2.0, hi=product.hi + 2.0))
    return [product, out]


@pattern("matmul_add_activation", emits=("MatMul", "Add", *ACTIVATIONS), want=ROWS, misses=("broadcast",))
def matmul_add_activation(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A linear layer, its bias and an activation."""
    product, total = matmul_add(b, x, miss)
    return [product, total, activation(b, total)]


@pattern("gemm_activation", emits=("Gemm", *ACTIVATIONS), want=MATRIX, misses=("constant",))
def gemm_activation(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A fully connected layer and its activation; near miss: beta is not one."""
    rows, inner = x.shape
    columns = b.size(24)
    scale = product_scale(x, inner)
    w = b.weight((columns, inner), -scale, scale, x.dtype)
    bias = b.weight((columns,), -2.0, 2.0, x.dtype)
    bound = x.bound * inner * w.bound + 4.0
    product = b.node(
        "Gemm",
        [x, w, bias],
        b.like(x, shape=(rows, columns), lo=-bound, hi=bound),
        transB=1,
        beta=b.pick((0.5, 2.0)) if miss == "constant" else None,
    )
    return [product, activation(b, product)]


@pattern("gemm_batchnorm", emits=("Gemm", "BatchNormalization"), want=MATRIX, misses=("constant",))
def gemm_batchnorm(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A fully connected layer and its batch normalisation; near miss: alpha is not one."""
    rows, inner = x.shape
    columns = b.size(24)
    scale = product_scale(x, inner)
    w = b.weight((columns, inner), -scale, scale, x.dtype)
    bias = b.weight((columns,), -2.0, 2.0, x.dtype)
    bound = 2 * x.bound * inner * w.bound + 2.0
    product = b.node(
        "Gemm",
        [x, w, bias],
        b.like(x, shape=(rows, columns), lo=-bound, hi=bound),
        transB=1,
        alpha=b.pick((0.5, 2.0)) if miss == "constant" else None,
    )
    return [product, batch_norm(b, product)]


@pattern(
    "transpose_matmul",
    emits=("Transpose", "MatMul"),
    want=Want(ranks=(3, 4), lo=-30, hi=30, where=lambda s: 0 not in s, dtypes=SINGLE),
    misses=("axis",),
)
def transpose_matmul(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """A product with the transpose of one operand; near miss: the permutation moves another axis too."""
    rank = x.rank
    order = list(range(rank))
    order[-1], order[-2] = order[-2], order[-1]
    if miss == "axis":
        order[-3], order[-1] = order[-1], order[-3]
    shape = tuple(x.shape[i] for i in order)
    turned = b.node("Transpose", [x], b.like(x, shape=shape), perm=order)
    scale = product_scale(x, shape[-2])
    left_shape = (*shape[:-2], b.size(9), shape[-2])
    left = b.input(left_shape, x.dtype, -scale, scale)
    bound = x.bound * shape[-2] * left.bound
    out = b.like(x, shape=(*left_shape[:-1], shape[-1]), lo=-bound, hi=bound)
    return [turned, b.node("MatMul", [left, turned], out)]
