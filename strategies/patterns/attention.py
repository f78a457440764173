"""Scaled dot-product attention written out."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from strategies.builder import Builder, Value, Want
from strategies.patterns.parts import SINGLE, add, mul, number, product_scale, scalar
from strategies.patterns.registry import pattern
from strategies.shapes import Shape


def _heads(b: Builder) -> Shape:
    """Batch, heads, tokens, features per head; without heads now and then."""
    lead = (1, b.pick((2, 1, 3, 4))) if not b.flag(3) else (b.pick((1, 2)),)
    return (*lead, b.size(9), b.size(9))


@pattern(
    "attention",
    emits=("Transpose", "MatMul", "Div", "Mul", "Add", "Softmax"),
    want=Want(ranks=(4, 3), lo=-5, hi=5, where=lambda s: 0 not in s, shape=_heads, dtypes=SINGLE),
    misses=("constant", "axis", "broadcast"),
    since=13,
)
def attention(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """softmax(q kT / sqrt d + mask) v.

    Near misses: another scale, softmax over the queries, a mask per query alone.
    """
    *lead, queries, features = x.shape
    tokens = b.size(9)
    key = b.input((*lead, tokens, features), x.dtype, -3.0, 3.0)
    value = b.input((*lead, tokens, features), x.dtype, -3.0, 3.0)
    order = [*range(len(lead)), len(lead) + 1, len(lead)]
    turned = b.node("Transpose", [key], b.like(key, shape=(*lead, features, tokens)), perm=order)
    bound = x.bound * 3.0 * features
    scores = b.node("MatMul", [x, turned], b.like(x, shape=(*lead, queries, tokens), lo=-bound, hi=bound))
    root = number(b, sqrt(features), miss)
    if b.flag():
        scaled = mul(b, scores, scalar(b, x, 1 / root))
    else:
        scaled = b.node("Div", [scores, scalar(b, x, root)], b.like(scores))
    steps = [turned, scores, scaled]
    if miss == "broadcast" or b.flag(3):
        mask_shape = (queries, 1) if miss == "broadcast" else (queries, tokens)
        steps.append(add(b, scaled, b.weight(mask_shape, -2.0, 2.0, x.dtype)))
    axis = -2 if miss == "axis" else -1
    weights = b.node("Softmax", [steps[-1]], b.like(scores, lo=0.0, hi=1.0), axis=axis)
    out = b.like(x, lo=-3.0 * tokens, hi=3.0 * tokens)
    return [*steps, weights, b.node("MatMul", [weights, value], out)]


@pattern(
    "attention_heads",
    emits=("MatMul", "Add", "Reshape", "Transpose", "Mul", "Softmax"),
    want=Want(
        ranks=(3,),
        lo=-5,
        hi=5,
        where=lambda s: 0 not in s and s[2] % 2 == 0,
        dtypes=SINGLE,
        shape=lambda b: (1, b.size(7), b.pick((4, 2, 6, 8, 12))),
    ),
    misses=("constant", "axis"),
    since=13,
)
def attention_heads(b: Builder, x: Value, miss: str) -> Sequence[Value]:
    """Self-attention with its projections and two heads.

    Near misses: another scale, heads that are not swapped back.
    """
    batch, tokens, width = x.shape
    per_head = width // 2
    steps: list[Value] = []

    def project(source: Value) -> Value:
        scale = product_scale(source, width)
        w = b.weight((width, width), -scale, scale, x.dtype)
        bound = source.bound * width * w.bound
        product = b.node("MatMul", [source, w], b.like(source, lo=-bound, hi=bound))
        return add(b, product, b.weight((width,), -1.0, 1.0, x.dtype))

    def heads(source: Value, order: Sequence[int]) -> Value:
        shape = (batch, tokens, 2, per_head)
        split = b.node("Reshape", [source, b.ints(shape)], b.like(source, shape=shape))
        turned = tuple(shape[i] for i in order)
        return b.node("Transpose", [split], b.like(source, shape=turned), perm=list(order))

    query, value = heads(project(x), (0, 2, 1, 3)), heads(project(x), (0, 2, 1, 3))
    key = heads(project(x), (0, 2, 3, 1))
    scaled = mul(b, query, scalar(b, x, number(b, 1 / sqrt(per_head), miss)))
    bound = scaled.bound * key.bound * per_head
    scores = b.node("MatMul", [scaled, key], b.like(x, shape=(batch, 2, tokens, tokens), lo=-bound, hi=bound))
    weights = b.node("Softmax", [scores], b.like(scores, lo=0.0, hi=1.0), axis=-1)
    mixed = b.node(
        "MatMul",
        [weights, value],
        b.like(x, shape=(batch, 2, tokens, per_head), lo=value.lo, hi=value.hi),
    )
    steps += [query, key, value, scaled, scores, weights, mixed]
    joined = mixed
    if miss != "axis":
        shape = (batch, tokens, 2, per_head)
        joined = b.node("Transpose", [mixed], b.like(mixed, shape=shape), perm=[0, 2, 1, 3])
        steps.append(joined)
    flat = b.node("Reshape", [joined, b.ints(x.shape)], b.like(joined, shape=x.shape))
    return [*steps, flat, project(flat)]
