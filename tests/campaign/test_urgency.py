from __future__ import annotations

from fuzzconv.campaign.messages import CandidateFound
from fuzzconv.campaign.urgency import LEGACY_EVERY, most_urgent, urgency
from fuzzconv.findings.finding import Signature


def candidate(converter: str, family: str, *operators: str) -> CandidateFound:
    return CandidateFound(Signature(family, converter, "compare", operators), "", f"{converter}/cpu", "")


SMALL, LARGE = candidate("pnnx", "result", "Abs"), candidate("pnnx", "result", "Abs", "Relu")
CRASH, OLD = candidate("pnnx", "crash", "Abs"), candidate("onnx2ncnn", "weights", "Abs")


def test_wrong_results_of_few_operators_come_first_and_the_legacy_converter_last() -> None:
    assert sorted([OLD, CRASH, LARGE, SMALL], key=urgency) == [SMALL, LARGE, CRASH, OLD]


def test_the_legacy_converter_has_its_turn() -> None:
    pending = [SMALL, LARGE, CRASH, OLD]
    chosen = [most_urgent(pending, given) for given in range(2 * LEGACY_EVERY)]
    assert chosen == [*[SMALL] * (LEGACY_EVERY - 1), OLD] * 2


def test_a_turn_with_nothing_of_its_kind_waiting_goes_to_what_there_is() -> None:
    assert most_urgent([CRASH], LEGACY_EVERY - 1) is CRASH
    assert most_urgent([OLD], 0) is OLD
