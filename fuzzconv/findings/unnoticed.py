"""What a converter takes no notice of: a variant that means something else and is converted to the same.

An attribute is reset or set, an optional input left out, the opset changed. Where ONNX's result is another
then, and the same network is right for the variant, the difference was lost on the way; the first file that
lacks it tells where. Nothing but the tools under test and the reference is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
from onnx import AttributeProto, helper

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.attributes import schema_of, since_version
from fuzzconv.findings.draft import Draft, with_opset
from fuzzconv.findings.passes.attributes import drop_inputs, reset_attributes
from fuzzconv.findings.passes.edit import Edit
from fuzzconv.findings.rebuild import rebuilt
from fuzzconv.findings.traits import OLD_OPSET, traits_of
from fuzzconv.judgement import Judge, Judgement
from fuzzconv.reference.reference import Reference
from fuzzconv.verdict import Kind, Verdict

_MOST_VARIANTS = 12
_OPSETS = (11, 13, 18)
_WHOLE = ("no attributes", "plain window")
_PLUMBING = ("pnnx.Input", "pnnx.Output", "pnnx.Attribute", "Input", "Split", "MemoryData")
_NUMBERED = re.compile(r"(\$\w+)=\S*")
_SWITCH = (0, 1)
_SHOWN = {Kind.OK: ", and right", Kind.SKIPPED: ""}
"""What a variant's verdict lets one say of its network; where that is wrong too, nothing. Without a reference
only what was taken away can be what is lost."""


_ALIKE = (1e-4, 1e-5)
"""Relative and absolute difference of what means the same: onnxruntime's rounding, and no more."""
_WITH = "with "
"""How a label of a switched case begins."""


class Unnoticed(NamedTuple):
    """A difference that was lost: whether pnnx's passes lost it (``pnnx.param`` lacks it), and a sentence.

    ``operator`` is the operator with the words that say what was lost, as signatures write it; empty where
    the difference can't be told in one operator's words.
    """

    by_passes: bool
    told: str
    operator: str = ""


class _Variant(NamedTuple):
    """A valid case that differs in one thing, how, and in which words of which node (None: in the opset)."""

    told: str
    case: Case
    node: int | None = None
    words: re.Pattern[str] | None = None
    switch: str = ""
    """The switch that is not given, and the value that it has so."""


def unnoticed(judgement: Judgement, verdict: Verdict, judge: Judge) -> Unnoticed | None:
    """The first difference that is lost in the network of a wrong result; None when none is found."""
    name = ":".join(filter(None, verdict.route.conversion))
    mine = judgement.conversions.get(name)
    same_meaning = judgement.case.opset
    for variant in islice(_variants(judgement.case), _MOST_VARIANTS) if mine else ():
        other = judge.judge(variant.case, [verdict.route])
        theirs = other.conversions.get(name)
        (kind,) = (v.kind for v in other.verdicts)
        differs = _differ(judgement.reference, other.reference)
        if variant.node is None and not differs:
            same_meaning = variant.case.opset
        shown = kind is Kind.OK or (kind is Kind.SKIPPED and variant.words is not None)
        if mine is None or theirs is None or not shown or not differs:
            continue
        for file, by_passes in (("pnnx.param", True), ("ncnn.param", False)):
            written = _written(mine, file)
            if written and written == _written(theirs, file):
                return Unnoticed(
                    by_passes,
                    f"{variant.told} the {file} is the same{_SHOWN[kind]}: the difference is lost",
                    _operator(judgement.case, variant, same_meaning),
                )
    return None


def _operator(case: Case, variant: _Variant, same_meaning: int) -> str:
    """The operator that a lost difference belongs to, with the words for it; empty when there are none.

    Where the opset differs it is the operator that was defined anew since the last opset of one meaning.
    """
    if variant.node is None:
        changed = {
            node.op_type
            for node in case.model.graph.node
            if since_version(node, same_meaning) < since_version(node, variant.case.opset)
        }
        return f"{min(changed)}({OLD_OPSET})" if len(changed) == 1 else ""
    node = case.model.graph.node[variant.node]
    if variant.switch:
        return f"{node.op_type}({variant.switch})"
    given = (trait.word for trait in traits_of(case) if trait.node == variant.node)
    words = sorted({word for word in given if variant.words and variant.words.match(word)})
    return f"{node.op_type}({','.join(words)})" if words else ""


def _variants(case: Case) -> Iterator[_Variant]:
    """Valid cases that differ in one thing, and how."""
    removed = [e for e in (*reset_attributes(case), *drop_inputs(case)) if not e.label.startswith(_WHOLE)]
    named = [(_without(e.label), e, *_place(case, e.label)) for e in (*removed, *_switched(case))]
    opsets = [Edit(f"in opset {v}", partial(with_opset, case, v)) for v in _OPSETS if v != case.opset]
    for told, edit, node, words in (*named, *((e.label, e, None, None) for e in opsets)):
        made = edit.make()
        valid = rebuilt(made) if made is not None else None
        if valid is not None:
            yield _Variant(told, valid, node, words, _other_way(told))


def _place(case: Case, label: str) -> tuple[int, re.Pattern[str] | None]:
    """The node that a pass's label names, and what the words for the thing removed begin with, if it was."""
    what, _, position = label.rpartition(" ")
    node = case.model.graph.node[int(position)]
    kind, _, name = what.partition(" ")
    if kind == _WITH.strip():
        return int(position), None
    if kind == "fewer":
        return int(position), re.compile("inputs=")
    if name.startswith("input "):
        schema = schema_of(node, case.opset)
        name = schema.inputs[int(name.removeprefix("input "))].name if schema else ""
    return int(position), re.compile(rf"{re.escape(name)}(?![A-Za-z_])")


def _without(label: str) -> str:
    """A label (``no alpha 0``, ``fewer inputs 2 0``: the last word is the node) as words."""
    return re.sub(r"^(no|fewer) (inputs )?", r"without \2", label.rpartition(" ")[0]).replace(
        "inputs", "input"
    )


def _switched(case: Case) -> Iterator[Edit]:
    """Each switch (0 or 1, not given) of each node the other way."""
    for i, node in enumerate(case.model.graph.node):
        schema = schema_of(node, case.opset)
        given = {attribute.name for attribute in node.attribute}
        for name, declared in sorted(schema.attributes.items()) if schema else ():
            default = declared.default_value
            if name not in given and default.type == AttributeProto.INT and default.i in _SWITCH:
                yield Edit(f"{_WITH}{name}={1 - default.i} {i}", partial(_with, case, i, name, 1 - default.i))


def _with(case: Case, position: int, name: str, value: int) -> Case:
    draft = Draft(case)
    draft.nodes[position].attribute.append(helper.make_attribute(name, value))
    return draft.case()


def _other_way(told: str) -> str:
    """``name=0`` of ``with name=1``, and the other way round; empty for what is told otherwise."""
    name, _, value = told.removeprefix(_WITH).partition("=")
    return f"{name}={1 - int(value)}" if told.startswith(_WITH) else ""


def _differ(one: Reference, other: Reference) -> bool:
    """Whether the two models mean different things."""
    for (_, first), (_, second) in zip(one.outputs.items(), other.outputs.items(), strict=False):
        if first.shape != second.shape or not np.allclose(first, second, *_ALIKE, equal_nan=True):
            return True
    return False


def _written(conversion: Conversion, file: str) -> tuple[list[str], bytes] | None:
    """The operators in a file, each with its parameters and counts of inputs and outputs, and the weights.

    None without operators.

    Names of blobs, shapes and the lines of stored constants are left out.
    """
    if file == "ncnn.param":
        text, weights = conversion.param or "", conversion.weights or b""
    else:
        text = conversion.files.get(file, b"").decode(errors="replace")
        weights = conversion.files.get("pnnx.bin", b"")
    alive = _alive(text)
    found = []
    for line in text.splitlines()[2:]:
        words = line.split()
        if words and words[0] not in _PLUMBING and words[1] in alive:
            settings = [w for w in words[4:] if "=" in w and not w.startswith(("#", "@"))]
            found.append(" ".join([words[0], *words[2:4], *(_NUMBERED.sub(r"\1", w) for w in settings)]))
    return (found, weights) if found else None


def _alive(text: str) -> set[str]:
    """Names of the layers that an output needs (pnnx.param says which those are; in .param all count)."""
    layers = read_layers(text)
    outputs = [layer for layer in layers if layer.type == "pnnx.Output"]
    needed = {name for layer in outputs for name in layer.inputs}
    alive = {layer.name for layer in layers} if not outputs else set()
    for layer in reversed(layers):
        if needed & set(layer.outputs):
            alive.add(layer.name)
            needed |= set(layer.inputs)
    return alive
