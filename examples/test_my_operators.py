"""A Hypothesis test of your own: run it with ``pytest examples``, or copy it into your suite."""

from hypothesis import given, settings

from fuzzconv.case import Case
from fuzzconv.testing import assert_converts
from strategies import cases

settings.load_profile("fuzzconv")


@given(cases(operators={"Conv", "Relu", "Sigmoid"}, max_nodes=3, opsets=(13,), rare_rate=0.0))
@settings(max_examples=10, derandomize=True)
def test_small_convolutional_networks_convert(case: Case) -> None:
    """pnnx and ncnn compute what onnxruntime computes, within the error that rounding explains."""
    assert_converts(case, "pnnx:fp16=0/cpu")
