"""Products of several tensors: Einsum, attention, rotary positions."""

from __future__ import annotations

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import FLOAT32, INT64
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

ONLY_FLOAT32 = frozenset({FLOAT32})

EQUATIONS = {
    2: ("ij,jk->ik", "ij->ji", "ij,kj->ik", "ij,j->i", "ij->i", "ij,ij->ij", "ij->", "ij, jk", "i...->..."),
    3: ("bij,bjk->bik", "bij,bkj->bik", "bij,jk->bik", "bij->bji", "bij,bij->b", "bij->bi", "...j,jk->...k"),
    4: ("bhid,bhjd->bhij", "bhij,bhjd->bhid", "bchw,oc->bohw", "bchw->bhwc", "bchw->bc", "nctv,vw->nctw"),
}


@operator(
    "Einsum",
    since=12,
    want=Want(ranks=(3, 4, 2), dtypes=ONLY_FLOAT32, lo=-100, hi=100, where=lambda s: 0 not in s),
)
def einsum(b: Builder, x: Value) -> Value:
    """("Einsum") products, transposes, sums, ellipses; the result's letters may be left to the alphabet."""
    equation = b.pick(EQUATIONS[x.rank])
    terms, _, result = equation.replace(" ", "").partition("->")
    first, _, second = terms.partition(",")
    sizes = _letters(first, x.shape)
    if "->" not in equation:
        result = "".join(sorted(c for c in set(terms) - {","} if terms.count(c) == 1))
    room = MAX_ELEMENTS // max(elements(x.shape), 1)
    for letter in second.replace(".", ""):
        sizes.setdefault(letter, b.size(max(1, min(room, 13))))
    rest = x.shape[1:] if first.startswith("i...") else x.shape[: x.rank - 1]
    shape = _shaped(result, sizes, rest)
    summed = elements(tuple(n for letter, n in sizes.items() if letter not in result)) or 1
    operands = [x]
    bound = x.bound * summed
    if second:
        scale = max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * summed)))
        other = _shaped(second, sizes, ())
        operands.append(b.partner(other, x.dtype, -scale, scale, widest=scale))
        bound *= scale
    return b.node("Einsum", operands, b.like(x, shape=shape, lo=-bound, hi=bound), equation=equation)


def _letters(term: str, shape: Shape) -> dict[str, int]:
    if term.startswith("..."):
        return dict(zip(reversed(term[3:]), reversed(shape), strict=False))
    return dict(zip(term.replace("...", ""), shape, strict=False))


def _shaped(term: str, sizes: dict[str, int], rest: Shape) -> Shape:
    head, dots, tail = term.partition("...")
    before, after = (tuple(sizes[c] for c in part) for part in (head, tail))
    return (*before, *(rest if dots else ()), *after)


def _heads(b: Builder) -> Shape:
    """(batch, heads, steps, head size)."""
    return (b.batch(), b.pick((1, 2, 3, 4)), b.pick((2, 1, 3, 5, 7, 8, 9)), b.pick((2, 4, 3, 8, 5, 16)))


@operator(
    "Attention",
    since=23,
    want=Want(ranks=(4,), dtypes=ONLY_FLOAT32, lo=-30, hi=30, shape=_heads, where=lambda s: 0 not in s),
    pnnx=False,
)
def attention(b: Builder, x: Value) -> Value:
    """("Attention") queries, keys and values by head, keys shared by heads; mask, causality, softcap."""
    batch, heads, steps, width = x.shape
    grouped = heads % 2 == 0 and b.flag(4)
    others = heads // 2 if grouped else heads
    length, out_width = b.pick((steps, 2, 3, 5, 8)), width if b.flag() else b.pick((2, 3, 4))
    keys = b.partner((batch, others, length, width), x.dtype, -1.0, 1.0, widest=30.0)
    held = b.partner((batch, others, length, out_width), x.dtype, -3.0, 3.0, widest=1e3)
    mask = b.weight((steps, length), -3.0, 3.0, x.dtype) if b.flag(3) else None
    causal = 1 if mask is None and b.flag(3) else None
    out = b.like(x, shape=(batch, heads, steps, out_width), lo=held.lo, hi=held.hi)
    scale = b.pick((None, 0.5, 0.125))
    return b.node(
        "Attention", [x, keys, held, mask], out, is_causal=causal, scale=scale, softcap=b.pick((None, 5.0))
    )


def _even_heads(b: Builder) -> Shape:
    *lead, width = _heads(b)
    return (*lead, width + width % 2)


@operator(
    "RotaryEmbedding",
    since=23,
    want=Want(
        ranks=(4,),
        dtypes=ONLY_FLOAT32,
        lo=-1e3,
        hi=1e3,
        shape=_even_heads,
        where=lambda s: 0 not in s and s[3] % 2 == 0,
    ),
    pnnx=False,
)
def rotary_embedding(b: Builder, x: Value) -> Value:
    """("RotaryEmbedding") pairs turned by their position's angle: halves or neighbours, all or some.

    The angles are given for each place, or in a table that position_ids look up.
    """
    batch, _, steps, width = x.shape
    turned = 2 if width > 2 and b.flag(4) else width
    looked_up = b.flag(3)
    shape = (steps + 2, turned // 2) if looked_up else (batch, steps, turned // 2)
    cosines, sines = (b.weight(shape, -1.0, 1.0, x.dtype) for _ in range(2))
    places = None
    if looked_up:
        order = np.random.default_rng(b.integer(0, 255)).integers(0, steps + 2, (batch, steps))
        places = b.constant(order, INT64, shape_data=False)
    return b.node(
        "RotaryEmbedding",
        [x, cosines, sines, places],
        b.like(x, lo=-2 * x.bound, hi=2 * x.bound),
        interleaved=b.pick((None, 0, 1)),
        rotary_embedding_dim=turned if turned < width else None,
    )
