import pytest

from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome, ToolRun
from fuzzconv.oracles.process import judge_conversion, judge_run, judge_trace, last_message, signal_name
from fuzzconv.route import Route
from fuzzconv.runtime.execution import RunResult, RunStatus, WeightTrace
from fuzzconv.verdict import Kind

ROUTE = Route("pnnx", "fp16=0", "cpu")
FEEDING = Feeding((Binding("x", "in0"),), (Binding("y", "out0"),))


def conversion(
    outcome: Outcome = Outcome.DONE, status: int = 0, stderr: str = "", **fields: object
) -> Conversion:
    run = ToolRun(outcome, status, "", stderr, 20.0)
    defaults: dict[str, object] = {"param": "7767517\n", "weights": b"", "feedings": (FEEDING,)}
    return Conversion("pnnx", "fp16=0", run, **{**defaults, **fields})  # type: ignore[arg-type]


def test_a_sound_conversion_is_left_to_the_next_judge() -> None:
    assert judge_conversion(ROUTE, conversion()) is None


@pytest.mark.parametrize(
    ("made", "kind", "said"),
    [
        (conversion(Outcome.CRASHED, -11, "a\nterminate called\n"), Kind.CRASH, "SIGSEGV: terminate called"),
        (conversion(Outcome.CRASHED, -6), Kind.CRASH, "SIGABRT: (it printed nothing)"),
        (conversion(Outcome.HUNG, -9), Kind.HANG, "did not end within 20 s"),
        (conversion(Outcome.OUT_OF_MEMORY, -6), Kind.CRASH, "memory limit"),
        (conversion(Outcome.REFUSED, 255, "bad file"), Kind.REFUSED, "exit status 255: bad file"),
        (conversion(param=None), Kind.REFUSED, "no usable ncnn files"),
        (conversion(feedings=()), Kind.REFUSED, "no usable ncnn files"),
    ],
)
def test_what_goes_wrong_in_a_converter(made: Conversion, kind: Kind, said: str) -> None:
    verdict = judge_conversion(ROUTE, made)
    assert verdict is not None
    assert verdict.kind is kind
    assert said in verdict.detail
    assert verdict.stage == "convert"


def test_a_refusal_that_names_an_operator_is_unsupported_and_a_crash_is_not() -> None:
    refused = judge_conversion(ROUTE, conversion(Outcome.REFUSED, 1, unsupported=("Foo",)))
    crashed = judge_conversion(ROUTE, conversion(Outcome.CRASHED, -11, unsupported=("Foo",)))
    assert refused is not None
    assert refused.kind is Kind.UNSUPPORTED
    assert crashed is not None
    assert crashed.kind is Kind.CRASH
    assert not crashed.silent


def test_what_cannot_be_fed_is_skipped_with_the_reason() -> None:
    verdict = judge_conversion(ROUTE, conversion(unfeedable="rank 5 without a batch axis"))
    assert verdict is not None
    assert (verdict.kind, verdict.detail) == (Kind.SKIPPED, "rank 5 without a batch axis")


def test_an_unknown_layer_is_a_silent_load_failure_unless_the_converter_said_so() -> None:
    result = RunResult(RunStatus.LOAD_FAILED, stderr="layer aten::foo not exists or registered\n")
    silent = judge_run(ROUTE, conversion(), result)
    told = judge_run(ROUTE, conversion(unsupported=("Foo",)), result)
    assert silent is not None
    assert silent.kind is Kind.LOAD_FAILURE
    assert silent.silent
    assert silent.evidence["unknown_layer"] == "aten::foo"
    assert told is not None
    assert told.kind is Kind.UNSUPPORTED


@pytest.mark.parametrize(
    ("status", "signal", "kind"),
    [
        (RunStatus.CRASHED, 8, Kind.CRASH),
        (RunStatus.HUNG, 0, Kind.HANG),
        (RunStatus.LOAD_FAILED, 0, Kind.LOAD_FAILURE),
    ],
)
def test_what_goes_wrong_while_weights_are_traced(status: RunStatus, signal: int, kind: Kind) -> None:
    verdict = judge_trace(ROUTE, conversion(), WeightTrace(status, signal=signal))
    assert verdict is not None
    assert (verdict.kind, verdict.stage) == (kind, "load")


def test_a_failed_extract_names_the_blob() -> None:
    result = RunResult(RunStatus.EXTRACT_FAILED, return_code=-100, failed_at="out0")
    verdict = judge_run(ROUTE, conversion(), result)
    assert verdict is not None
    assert verdict.detail == "ncnn's extract of blob 'out0' returned -100"


def test_messages_lose_their_colours_and_empty_lines() -> None:
    assert last_message("\x1b[1;31mfirst\x1b[m\nort Run failed\x1b[m\n\n----\n") == "ort Run failed"
    assert last_message("", "spoken on stdout") == "spoken on stdout"
    assert signal_name(11) == "SIGSEGV"
    assert signal_name(200) == "signal 200"
