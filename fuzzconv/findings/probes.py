"""Which traits of a reduced case matter, found by taking each away.

Reduction itself has tried to remove attributes, optional inputs, odd dtypes and sizes: what is left of those
matters. The circumstances it leaves alone (ranks, constant operands, broadcasting) are probed here: when the
failure is there without one too, or no honest comparison can be made, it stays out of the signature.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import onnx

from fuzzconv.case import Array, Case
from fuzzconv.findings.attributes import attribute_words
from fuzzconv.findings.draft import Draft, with_opset
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.localise import Localised
from fuzzconv.findings.rebuild import rebuilt, set_items
from fuzzconv.findings.signature import covers, family_of
from fuzzconv.findings.target import Target
from fuzzconv.findings.traits import MODERN_OPSET, OLD_OPSET, Trait, split_operator, traits_of
from fuzzconv.judgement import Judge
from fuzzconv.verdict import Kind


def traits_that_matter(case: Case, target: Target, *, deadline: float) -> tuple[Trait, ...]:
    """The traits of a reduced case without which its failure goes away.

    Probes stop at ``deadline`` (``time.monotonic``); what wasn't probed by then is left out.
    """
    return tuple(
        trait
        for trait in traits_of(case)
        if not trait.circumstance or (time.monotonic() < deadline and _matters(case, trait, target))
    )


def explains(known: Signature, located: Localised, judge: Judge) -> bool:
    """Whether a known exact signature explains a localised failure, at the price of one judgement at most.

    The case must have the traits that matter and pass without those of them that can be taken away.
    """
    if not covers(known, located.signature):
        return False
    variant = _without_words(located.case, known)
    if variant is None:
        return True
    verdict = judge.judge(variant, [located.verdict.route]).verdicts[0]
    return not (verdict.kind.is_bad and family_of(verdict) == family_of(located.verdict))


def _matters(case: Case, trait: Trait, target: Target) -> bool:
    """Whether some variant without the trait passes and none fails."""
    passed = False
    for variant in _variants(case, trait):
        valid = rebuilt(variant)
        if valid is None or trait in traits_of(valid):
            continue
        verdict = target.verdict_on(valid)
        if verdict.kind.is_bad and family_of(verdict) == family_of(target.verdict):
            return False
        passed |= verdict.kind is Kind.OK
    return passed


def _without_words(case: Case, known: Signature) -> Case | None:
    """``case`` with the known signature's attributes reset; None when there are none, or it isn't valid."""
    draft = Draft(case)
    wanted = [split_operator(text) for text in known.operators]
    reset = False
    for node in draft.nodes:
        words = frozenset().union(*(words for name, words in wanted if name == node.op_type))
        kept = [a for a in node.attribute if not words & set(_words_of(node, a, case.opset))]
        reset |= len(kept) < len(node.attribute)
        set_items(node.attribute, kept)
    return rebuilt(draft.case()) if reset else None


def _words_of(node: onnx.NodeProto, attribute: onnx.AttributeProto, opset: int) -> list[str]:
    alone = onnx.NodeProto()
    alone.CopyFrom(node)
    set_items(alone.attribute, [attribute])
    return attribute_words(alone, opset)


def _variants(case: Case, trait: Trait) -> Iterator[Case]:
    node = case.model.graph.node[trait.node]
    kind, _, _ = trait.word.partition("=")
    if kind == "rank":
        yield from _other_ranks(case)
    elif kind == "broadcast":
        yield _without_broadcast(case, node)
    elif kind.endswith(" constant"):
        yield _with_computed(case, list(node.input[:1] if kind == "first constant" else node.input[1:]))
    elif kind.endswith(" computed"):
        yield _with_constants(case, list(node.input[1:]))
    elif kind == "inputs":
        yield _with_two_inputs(case, trait.node)
    elif kind == OLD_OPSET:
        yield with_opset(case, MODERN_OPSET)


def _with_computed(case: Case, names: list[str]) -> Case:
    """Stored operands as graph inputs."""
    draft = Draft(case)
    for name in names:
        if name in draft.tensors:
            draft.inputs[name] = draft.tensors.pop(name)
    draft.nodes = [n for n in draft.nodes if not (n.op_type == "Constant" and n.output[0] in names)]
    return draft.case()


def _with_constants(case: Case, names: list[str]) -> Case:
    """Graph inputs as stored weights."""
    draft = Draft(case)
    for name in names:
        if name in draft.inputs:
            draft.tensors[name] = draft.inputs.pop(name)
    return draft.case()


def _with_two_inputs(case: Case, position: int) -> Case:
    """The first two inputs of a variadic operator, or its only one twice."""
    draft = Draft(case)
    node = draft.nodes[position]
    set_items(node.input, [*node.input, *node.input][:2])
    return draft.case()


def _without_broadcast(case: Case, node: onnx.NodeProto) -> Case:
    """Operands written out in the common shape."""
    draft = Draft(case)
    operands = {n: a for n, a in (*draft.inputs.items(), *draft.tensors.items()) if n in node.input}
    try:
        shape = np.broadcast_shapes(*(a.shape for a in operands.values()))
    except ValueError:
        return case
    for arrays in (draft.inputs, draft.tensors):
        for name in operands.keys() & arrays.keys():
            arrays[name] = np.broadcast_to(arrays[name], shape).copy()
    return draft.case()


def _other_ranks(case: Case) -> Iterator[Case]:
    """One axis more, in front or at the back, and one axis of size 1 less."""
    ranks = {a.ndim for a in case.inputs.values()}
    if len(ranks) != 1:
        return
    (rank,) = ranks
    alike = _of_rank(Draft(case), rank)
    for axis in (0, rank):
        yield _reranked(case, partial(np.expand_dims, axis=axis), axis, 1)
    for axis in range(rank if rank > 1 else 0):
        if all(array.shape[axis] == 1 for array in alike.values()):
            yield _reranked(case, partial(np.squeeze, axis=axis), axis, -1)


def _reranked(case: Case, change: Callable[[Array], Array], at: int, by: int) -> Case:
    """Every input, and every weight of the inputs' rank, with ``change`` made to the axis ``at``."""
    draft = Draft(case)
    (rank,) = {a.ndim for a in draft.inputs.values()}
    for name, array in _of_rank(draft, rank).items():
        arrays = draft.inputs if name in draft.inputs else draft.tensors
        arrays[name] = change(array)
    for node in draft.nodes:
        for attribute in node.attribute:
            if attribute.name == "axis" and attribute.i >= 0:
                attribute.i += by * (attribute.i >= at)
            elif attribute.name == "axes":
                set_items(attribute.ints, [v + by * (v >= at) if v >= 0 else v for v in attribute.ints])
    return draft.case()


def _of_rank(draft: Draft, rank: int) -> dict[str, Array]:
    """The inputs, and the weights of their rank."""
    weights = {n: a for n, a in draft.tensors.items() if a.dtype.kind == "f" and a.ndim == rank}
    return {**draft.inputs, **weights}
