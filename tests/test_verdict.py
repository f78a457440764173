from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

ROUTE = Route("pnnx", "fp16=0", "cpu")


def test_kinds_rise_in_interest() -> None:
    order = ["ok", "skipped", "unsupported", "refused", "load_failure", "hang", "crash", "shape_mismatch"]
    order += ["nan", "divergence", "nondeterminism", "weight_lost", "weight_shift", "weight_nan"]
    assert [kind.value for kind in sorted(Kind, key=lambda kind: kind.rank)] == order


def test_unsupported_is_not_bad_and_refused_is() -> None:
    assert not Kind.UNSUPPORTED.is_bad
    assert not Kind.SKIPPED.is_bad
    assert Kind.REFUSED.is_bad
    assert Kind.WEIGHT_NAN.is_bad


def test_only_a_bad_verdict_without_a_warning_is_silent() -> None:
    assert Verdict(ROUTE, Kind.DIVERGENCE).silent
    assert not Verdict(ROUTE, Kind.DIVERGENCE, warned="todo Foo").silent
    assert not Verdict(ROUTE, Kind.OK).silent
