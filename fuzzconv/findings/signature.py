"""When are two failures the same bug? Signatures, computed at two moments.

``signature_of`` reads a *localised* case (``localise.py``) and lists every trait its operators have: the wide
signature. After reduction it is given only the traits that matter: the exact signature, which names the
finding. ``covers`` connects the two: an exact signature covers a wide one of the same operators that has, at
least, the traits that matter. So a campaign dedupes in three steps, each dearer than the last:

1. a wide signature that a known exact one covers is a hit on that finding (no tool runs; ``explains`` in
   ``probes.py`` spends one more judgement to be sure: without the traits that matter, it must pass);
2. an equal wide signature met before is waiting for, or was, reduction already;
3. otherwise the case is reduced, and an exact signature that is known makes it a duplicate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace

import numpy as np

from fuzzconv.case import Array, Case
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings.axes import (
    FIRST_AXIS,
    FROM_THE_END,
    ONE_AXIS,
    WITHOUT_SLICED,
    along_first_axis,
    from_the_end,
    of_one_axis,
    slices_all,
)
from fuzzconv.findings.batch import FIVE_AXES, TRANSPOSED, makers_of_five_axes
from fuzzconv.findings.broadcasts import LOWER_RANK
from fuzzconv.findings.finding import Signature
from fuzzconv.findings.kernels import KERNEL_LEFT_OUT, KERNEL_OF_THREE, left_out, of_three
from fuzzconv.findings.parameters import BIAS_AS_STATE, recurrent_operators
from fuzzconv.findings.storage import DOUBLE, is_storage, misstored, storage_cause
from fuzzconv.findings.tails import absorbed
from fuzzconv.findings.traits import EXTERNAL, Trait, operators_of, split_operator, traits_of
from fuzzconv.findings.wordless import HEAP, NO_FLOATS, NO_PARAMETER, readers_of_no_floats
from fuzzconv.findings.written import (
    CONSTANT_AS_BLOB,
    RIGHT_BY_LUCK,
    refused_layer,
    takers_of_lists,
    telling_message,
)
from fuzzconv.judgement import Judgement
from fuzzconv.runtime.options import condition_of, row_order
from fuzzconv.verdict import Kind, Verdict

_FAMILIES = {
    Kind.WEIGHT_LOST: "weights",
    Kind.WEIGHT_SHIFT: "weights",
    Kind.WEIGHT_NAN: "weights",
    Kind.SHAPE_MISMATCH: "result",
    Kind.NAN: "result",
    Kind.DIVERGENCE: "result",
    Kind.CRASH: "crash",
    Kind.HANG: "hang",
    Kind.REFUSED: "refused",
    Kind.LOAD_FAILURE: "load",
    Kind.NONDETERMINISM: "nondeterminism",
}
_TELLING_FAMILIES = frozenset({"crash", "load", "nondeterminism", "result", "weights"})
_FIXED_STAGES = {"weights": "weights", "result": "compare", "nondeterminism": "compare"}
_EITHER = "ncnn"
_BEHIND_WEIGHTS = frozenset({"run", "compare"})
"""Stages that a network comes to whose weights have been found right."""
_BY_NCNN = frozenset({"load", "run", "compare"})
_TELLING = re.compile(r"\bort \w+ failed\b.*")
"""Where pnnx's embedded onnxruntime says what is wrong, that names the cause, whatever operator met it."""
_UNKNOWN_TYPE = re.compile(r"Unknown data type [1-9]")
"""What onnx2ncnn says when it reads a number of a type that it has no reader for; 0 is that of no tensor."""
_MASKS = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"0x[0-9a-fA-F]+"), "ADDRESS"),
    (re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.+-]+)+[/\\]?"), "PATH"),
    (re.compile(r"'[^']*'|\"[^\"]*\""), "NAME"),
    (re.compile(r"\b(Node|Op) ?\([^)]*\)"), r"\1 (NAME)"),
    (re.compile(r"tensor: \S+"), "tensor: NAME"),
    (re.compile(r"\b(layer load_\w+ \d+) \S+ failed"), r"\1 NAME failed"),
    (HEAP, "heap corruption"),
    (re.compile(r"\d+"), "N"),
)
_LONGEST_MESSAGE = 160
UNKNOWN_LAYER = "unknown layer "
"""How the message of a failure for a layer that ncnn doesn't have begins."""
UNKNOWN_TORCH = f"{UNKNOWN_LAYER}torch.*"
"""pnnx writes a torch operator that ncnn has no layer for as it is, and says nothing: one fault for all."""
_PLUMBING = frozenset({"Input", "MemoryData", "Noop", "Split", "Squeeze", "ExpandDims", "Reshape", "Flatten"})
"""Layers that move nothing but names and axes; converters differ in them."""
_NAMED_IN_PART: Mapping[str, Callable[[Case], tuple[str, ...]]] = {
    CONSTANT_AS_BLOB: takers_of_lists,
    BIAS_AS_STATE: recurrent_operators,
    FIRST_AXIS: along_first_axis,
    FIVE_AXES: makers_of_five_axes,
    FROM_THE_END: from_the_end,
    KERNEL_LEFT_OUT: left_out,
    KERNEL_OF_THREE: of_three,
    NO_FLOATS: readers_of_no_floats,
    ONE_AXIS: of_one_axis,
    WITHOUT_SLICED: slices_all,
}
"""Of these causes each operator has its own; the others of the case have no part in it."""
_WRONG_SOMEWHERE = frozenset({TRANSPOSED, LOWER_RANK})
"""Causes that are two bugs, where a network is wrong on every device and where it is wrong on one."""
_NEAR = 0.1
"""Two wrong results are alike when they differ by less than this share of their error."""


def family_of(verdict: Verdict) -> str:
    """The family of a bad verdict; kinds that one cause can show alternately are one family."""
    return _FAMILIES[verdict.kind]


def failures(judgement: Judgement) -> tuple[Verdict, ...]:
    """One bad verdict for each failure of a case: a family at a converter, on its simplest route.

    A failure that both converters show alike is ncnn's, and listed once. Most interesting first.
    """
    groups: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in judgement.verdicts:
        if verdict.kind.is_bad:
            groups.setdefault((verdict.route.converter, family_of(verdict)), []).append(verdict)
    simplest = [min(group, key=_route_order) for group in groups.values()]
    distinct: list[Verdict] = []
    for verdict in simplest:
        if not any(_alike(judgement, verdict, other) for other in distinct):
            distinct.append(verdict)
    return tuple(sorted(distinct, key=lambda v: (v.silent, v.kind.rank), reverse=True))


def signature_of(
    judgement: Judgement, verdict: Verdict, traits: Collection[Trait] | None = None
) -> Signature:
    """The signature of one failure of a localised or reduced case.

    Args:
        judgement: the case on every route (routes left out can't separate conditions).
        verdict: one of ``failures(judgement)``.
        traits: those that matter; None takes all there are (a wide signature).
    """
    family = family_of(verdict)
    case = judgement.case
    condition = _condition(judgement, verdict)
    frame = Signature(
        family=family,
        converter=_converter(judgement, verdict, condition),
        stage=_FIXED_STAGES.get(family, verdict.stage),
        operators=(),
        condition=condition,
        message=_message(verdict),
    )
    told = telling_message(judgement, verdict) if family in _TELLING_FAMILIES else ""
    lucky = told in RIGHT_BY_LUCK and not re.search(r"[bf][fp]16", condition)
    if told and (not condition or lucky or told in _WRONG_SOMEWHERE):
        # What the network lacks shows on the plain road; what one device or option alone does is another bug.
        named = _NAMED_IN_PART.get(told)
        if lucky or not condition:  # what a network lacks its converter left out, whatever the other one does
            frame = replace(frame, converter=verdict.route.converter, condition="")
        return replace(frame, operators=named(case) if named else (), message=told)
    if (family == "crash" and _TELLING.search(frame.message)) or frame.message == UNKNOWN_TORCH:
        return frame
    if family == "crash" and _UNKNOWN_TYPE.search(str(verdict.evidence.get("message"))):
        # Of an operator's inputs any one may have the type that the reader of scalars does not know.
        return replace(frame, operators=operators_of(case, ()))
    operators = misstored(case, verdict, frame.condition)
    if traits is not None or family == "weights":
        operators = operators or storage_cause(case, verdict, traits_of(case) if traits is None else traits)
        if operators == (DOUBLE,) and family == "crash" and NO_PARAMETER not in frame.message:
            frame = replace(frame, message="heap corruption")  # where it shows, and how, is chance
    if verdict.route.converter == "onnx2ncnn" and any(map(is_storage, operators)):
        frame = replace(frame, converter="onnx2ncnn", condition="")  # what nothing has written may be right
    operators = operators or (refused_layer(judgement, verdict, traits) if family == "load" else ())
    if not operators:
        conversion = judgement.conversion_on(verdict.route)
        told_of = traits_of(case) if traits is None else traits
        operators = operators_of(case, told_of, absorbed(case, conversion))
    return replace(frame, operators=operators)


def covers(exact: Signature, wide: Signature) -> bool:
    """Whether a failure of signature ``wide`` can have the cause that ``exact`` names."""
    if same_frame(exact, wide) and any(map(is_storage, exact.operators)):
        return exact.operators == wide.operators or _stored_alike(exact, wide.operators)
    return (
        same_frame(exact, wide)
        and len(exact.operators) == len(wide.operators)
        and all(_operator_covers(e, w) for e, w in zip(exact.operators, wide.operators, strict=True))
    )


def is_among(exact: Signature, wide: Signature) -> bool:
    """Whether ``exact`` is named after one operator alone, and ``wide`` lists that one beside others."""
    return (
        same_frame(exact, wide)
        and len(exact.operators) == 1
        and any(_operator_covers(exact.operators[0], operator) for operator in wide.operators)
    )


def same_frame(one: Signature, other: Signature) -> bool:
    """Whether two signatures agree in all but the operators.

    ``ncnn`` agrees with either converter: a case the other converter can't take shows the bug on one only.
    """
    return (one.family, one.stage, one.condition, one.message) == (
        other.family,
        other.stage,
        other.condition,
        other.message,
    ) and (one.converter == other.converter or _EITHER in (one.converter, other.converter))


def same_cause(one: Signature, other: Signature) -> bool:
    """Whether two exact signatures name one cause."""
    return same_frame(one, other) and one.operators == other.operators


def coarse(signature: Signature) -> Signature:
    """The signature with operator names only: what all failures of these operators have in common."""
    names = tuple(split_operator(text)[0] for text in signature.operators)
    return Signature(
        signature.family, signature.converter, signature.stage, names, signature.condition, signature.message
    )


def normalise_message(text: str) -> str:
    """The last line of what a tool said, without what differs between machines and cases."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = lines[-1] if lines else ""
    told = _TELLING.search(line)
    line = told[0] if told else line
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return line[:_LONGEST_MESSAGE]


def same_values(judgement: Judgement, one: Verdict, other: Verdict) -> bool:
    """Whether two routes of a case gave the same outputs (missing 1-sized dimensions don't count)."""
    first = judgement.actual.get(str(one.route), {})
    second = judgement.actual.get(str(other.route), {})
    if not first or set(first) != set(second):
        return False
    for name, array in first.items():
        twin = second[name]
        if array is None or twin is None:
            if array is not twin:
                return False
        elif array.size != twin.size or not _close(array, twin):
            return False
    return True


def _close(one: Array, other: Array) -> bool:
    """In float64: the difference of two numbers near the end of float32's range overflows in float32."""
    left, right = (array.ravel().astype(np.float64) for array in (one, other))
    return bool(np.allclose(left, right, rtol=1e-3, atol=1e-5, equal_nan=True))


def _stored_alike(exact: Signature, operators: tuple[str, ...]) -> bool:
    """Whether one of ``operators``, with all their traits, has constants stored as ``exact`` says.

    Other stored constants than these are told from the evidence, before reduction as after it.
    """
    (_, wanted), *_ = map(split_operator, exact.operators)
    if exact.family != "crash" and not any(word.startswith(EXTERNAL) for word in wanted):
        return False
    return any(wanted <= words for _, words in map(split_operator, operators))


def _operator_covers(exact: str, wide: str) -> bool:
    exact_name, exact_words = split_operator(exact)
    wide_name, wide_words = split_operator(wide)
    return exact_name == wide_name and exact_words <= wide_words


def _route_order(verdict: Verdict) -> tuple[object, ...]:
    route = verdict.route
    return (bool(route.options), route.device != "cpu", route.setting, row_order(route.options), route.device)


def _siblings(judgement: Judgement, verdict: Verdict) -> list[Verdict]:
    return [v for v in judgement.verdicts if v.route.converter == verdict.route.converter]


def _condition(judgement: Judgement, verdict: Verdict) -> str:
    """What all failing routes of the converter share and a passing plainer route lacks, most basic first.

    A failure on the plainest road only (CPU, fp32) has no condition: that is where it is looked for. Weights
    are right, too, where the network goes wrong only when it runs.
    """
    siblings = _siblings(judgement, verdict)
    family = family_of(verdict)
    bad = [v.route for v in siblings if v.kind.is_bad and family_of(v) == family]
    weights = verdict.kind.is_weight_fault
    good = [v.route for v in siblings if v.kind is Kind.OK or (weights and v.stage in _BEHIND_WEIGHTS)]
    words = []
    if all(r.setting == "fp16=1" for r in bad) and any(r.setting != "fp16=1" for r in good):
        words.append("fp16=1")
    if not weights:
        if all(r.device != "cpu" for r in bad) and any(r.device == "cpu" for r in good):
            words.append(min(r.device for r in bad))
        if all(r.options for r in bad) and any(not r.options for r in good):
            words.append(condition_of(min((r.options for r in bad), key=row_order)))
    return "+".join(filter(None, words))


def _converter(judgement: Judgement, verdict: Verdict, condition: str) -> str:
    """Whose failure it is: ``ncnn`` also for what one device or option alone does with a right network."""
    route, right = verdict.route, {v.route for v in judgement.verdicts if v.kind is Kind.OK}
    device_alone = route.device in condition.split("+") and replace(route, device="cpu", options="") in right
    option_alone = bool(route.options) and replace(route, options="") in right
    if verdict.stage in _BY_NCNN and (device_alone or option_alone):
        return _EITHER
    others = [v for v in judgement.verdicts if v.route.converter != verdict.route.converter]
    if any(_alike(judgement, verdict, other) for other in others):
        return _EITHER
    return verdict.route.converter


def _alike(judgement: Judgement, one: Verdict, other: Verdict) -> bool:
    """Whether two converters' results fail alike in ncnn, so that ncnn is what fails."""
    if one.route.converter == other.route.converter or not other.kind.is_bad:
        return False
    if family_of(one) != family_of(other) or not {one.stage, other.stage} <= _BY_NCNN:
        return False
    if (one.route.device, one.route.options) != (other.route.device, other.route.options):
        return False
    theirs = (v for v in judgement.verdicts if v.route.converter == other.route.converter and v.kind.is_bad)
    if family_of(min(theirs, key=_route_order)) != family_of(one):
        return False
    if family_of(one) == "result":
        alike = same_values(judgement, one, other) and _wrong_alike(judgement, one, other)
        alike = alike and _computing_layers(judgement, one) == _computing_layers(judgement, other)
    else:
        alike = one.stage == other.stage and _message(one) == _message(other)
    # A converter that is known to be wrong is wrong by itself; asked last, for it may run the graph.
    return alike and not telling_message(judgement, one) and not telling_message(judgement, other)


def _computing_layers(judgement: Judgement, verdict: Verdict) -> list[str]:
    """Types of the layers that compute: where they differ, equal wrong values are two bugs."""
    conversion = judgement.conversion_on(verdict.route)
    layers = read_layers(conversion.param or "") if conversion else []
    return sorted(layer.type for layer in layers if layer.type not in _PLUMBING)


def _wrong_alike(judgement: Judgement, one: Verdict, other: Verdict) -> bool:
    """Whether two results are far nearer to each other than to what is right.

    Outputs of another size than expected, and values that are not finite, tell nothing here.
    """
    error, gap = 0.0, 0.0
    for name, expected in judgement.reference.outputs.items():
        first = judgement.actual[str(one.route)].get(name)
        second = judgement.actual[str(other.route)].get(name)
        if first is None or second is None or not first.size == second.size == expected.size:
            continue
        flat = np.stack([a.ravel().astype(np.float64) for a in (first, second, expected)])
        ours, theirs, right = flat[:, np.isfinite(flat).all(axis=0)]
        error = max(error, float(np.abs(ours - right).max(initial=0.0)))
        gap = max(gap, float(np.abs(ours - theirs).max(initial=0.0)))
    return error == 0.0 or gap <= _NEAR * error


def _message(verdict: Verdict) -> str:
    if family_of(verdict) not in ("crash", "load", "refused"):
        return ""
    unknown = verdict.evidence.get("unknown_layer")
    if unknown:
        return UNKNOWN_TORCH if str(unknown).startswith("torch.") else f"{UNKNOWN_LAYER}{unknown}"
    said = (str(verdict.evidence.get(key) or "") for key in ("signal", "message"))
    return _joined(normalise_message(text) for text in said)


def _joined(parts: Iterable[str]) -> str:
    return ": ".join(part for part in parts if part)
