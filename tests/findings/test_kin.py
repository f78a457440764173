from __future__ import annotations

import pytest

from fuzzconv.findings.finding import Signature
from fuzzconv.findings.kin import is_variant


def wrong(*operators: str, condition: str = "") -> Signature:
    return Signature("result", "pnnx", "compare", operators, condition)


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("ReduceMean(axes)", "ReduceSum(axes,keepdims=0)"),
        ("LayerNormalization(axis)", "RMSNormalization(axis,rank=3)"),
        ("Softmax(old opset)", "LogSoftmax(axis,old opset)"),
        ("Upsample", "Resize(sizes)"),
        ("Gather(axis,large)", "Gather(axis)"),
        ("LayerNormalization(B,axis,rank=3)", "LayerNormalization(B,axis,large)"),
    ],
)
def test_operators_of_one_group_and_words_of_size_make_no_cause_of_their_own(known: str, other: str) -> None:
    assert is_variant(wrong(known), wrong(other))


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ("ReduceMean(axes)", "ReduceSum"),
        ("Conv(rank=3)", "Conv(pads,rank=4)"),
        ("MaxPool(large,strides)", "MaxPool(large,pads)"),
        ("LayerNormalization(axis)", "InstanceNormalization(axis)"),
    ],
)
def test_other_words_tell_causes_apart(known: str, other: str) -> None:
    assert not is_variant(wrong(known), wrong(other))


def test_a_condition_tells_causes_apart_whatever_the_size() -> None:
    assert not is_variant(wrong("Conv(large)"), wrong("Conv", condition="vulkan"))
