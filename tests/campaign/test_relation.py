"""What a reduced failure is to those found before it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fuzzconv.campaign.messages import FoundBug
from fuzzconv.campaign.reduction import (
    _doubt,
    _named_after,
    _relation,
    _relation_by_name,
    _under_plainer_condition,
)
from fuzzconv.findings.finding import Blame, Signature
from fuzzconv.findings.reduce import Reduction
from fuzzconv.reference.reference import UNRUNNABLE, Reference
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

SPECIAL = Signature("result", "pnnx", "compare", ("Gather(axis,large)",))
GENERAL = Signature("result", "pnnx", "compare", ("Gather",))


def task(found: Signature) -> SimpleNamespace:
    return SimpleNamespace(found=frozenset({FoundBug(found, Kind.SHAPE_MISMATCH.value, "earlier")}))


def relation(found: Signature, new: Signature, kind: Kind = Kind.SHAPE_MISMATCH) -> tuple[str, str]:
    return _relation(SimpleNamespace(signature=new, verdict=SimpleNamespace(kind=kind)), task(found))


def test_what_a_found_signature_covers_is_a_duplicate() -> None:
    assert relation(GENERAL, SPECIAL) == ("duplicate", "earlier")


def test_a_more_general_signature_than_the_found_one_is_its_variant() -> None:
    assert relation(SPECIAL, GENERAL) == ("variant", "earlier")


@pytest.mark.parametrize("kind", [Kind.DIVERGENCE, Kind.NAN])
def test_of_another_kind_it_is_news(kind: Kind) -> None:
    assert relation(SPECIAL, GENERAL, kind) == ("reduced", "")


@pytest.mark.parametrize(
    ("skip", "doubted"), [(f"{UNRUNNABLE}: pads", True), ("non-finite reference", False)]
)
def test_a_crash_on_what_onnxruntime_refuses_too_is_doubted(skip: str, doubted: bool) -> None:
    crash = SimpleNamespace(
        signature=Signature("crash", "pnnx", "convert", ("MaxPool",)),
        judgement=SimpleNamespace(reference=Reference(skip=skip)),
    )
    assert bool(_doubt(crash)) is doubted


def test_what_a_converter_takes_no_notice_of_names_the_cause() -> None:
    bad = SimpleNamespace(route=Route.parse("pnnx:fp16=0/cpu"))
    alike = replace(SPECIAL, operators=("Cast", "Max(inputs=3)"), converter="ncnn")
    chain = Reduction(None, bad, alike, 0.0, 0, True)
    named = _named_after(chain, Blame(operator="Max(inputs=3)")).signature
    assert (named.operators, named.converter) == (("Max(inputs=3)",), "pnnx")
    assert _named_after(chain, Blame("not determined")) == chain
    on_vulkan = replace(chain, signature=replace(alike, condition="vulkan"))
    assert _named_after(on_vulkan, Blame(operator="Max(inputs=3)")).signature.converter == "ncnn"


def test_a_variant_may_get_a_name_that_makes_it_a_finding() -> None:
    found, looks_like = replace(SPECIAL, operators=("LSTM(B)",)), replace(SPECIAL, operators=("GRU(B)",))
    assert relation(found, looks_like) == ("variant", "earlier")
    bad = SimpleNamespace(route=Route.parse("pnnx:fp16=0/cpu"), kind=Kind.SHAPE_MISMATCH)
    blame = Blame(operator="GRU(linear_before_reset=0)")
    named = _named_after(Reduction(None, bad, looks_like, 0.0, 0, True), blame)
    assert _relation_by_name(named, blame, task(found)) == ("reduced", "")
    assert _relation_by_name(named, blame, task(named.signature)) == ("variant", "earlier")


def test_what_is_wrong_without_packing_too_is_of_those_found_there() -> None:
    shader = Reduction(None, None, replace(SPECIAL, condition="vulkan"), 0.0, 0, True)
    plain = _under_plainer_condition(shader, Blame(condition="nopacking"))
    assert plain.signature == replace(SPECIAL, condition="nopacking")
    assert _under_plainer_condition(shader, Blame()) == shader
    assert _named_after(shader, Blame(condition="nopacking")) == shader


def test_a_cause_that_no_operator_names_gets_no_operators_name() -> None:
    told = replace(SPECIAL, operators=(), message="operators fused into one GELU")
    fused = Reduction(None, None, told, 0.0, 0, True)
    assert _named_after(fused, Blame(operator="Max(inputs=3)")) == fused
