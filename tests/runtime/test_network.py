"""The worker's side, in this process: what differs between releases of ncnn."""

import numpy as np
import pytest

from fuzzconv.runtime import network
from fuzzconv.runtime.frames import Message

RELU = """7767517
2 2
Input            x        0 1 x
ReLU             relu     1 1 x y
"""


def run(array, axis, **options):
    fields = {"param": RELU, "options": options, "feeds": [["x", axis]], "fetches": [["y", axis]]}
    return network.run(Message(fields, [np.zeros(0, np.uint8), array]), vulkan=False)


@pytest.mark.parametrize("has_batch", [True, False])
def test_a_batch_of_one_is_fed_whether_or_not_a_mat_has_a_batch_axis(monkeypatch, has_batch):
    monkeypatch.setattr(network, "_MAT_HAS_BATCH", has_batch)
    array = np.float32([[[-1, 2, -3]]])
    answer = run(array, 1)
    assert answer.fields["status"] == "done"
    assert answer.arrays[0].shape == (1, 1, 3)
    assert answer.arrays[0].ravel().tolist() == [0, 2, 0]


def test_without_a_batch_axis_a_larger_batch_is_unfeedable(monkeypatch):
    monkeypatch.setattr(network, "_MAT_HAS_BATCH", False)
    assert run(np.ones((2, 3), np.float32), 0).fields["status"] == "unfeedable"


def test_an_option_that_a_release_lacks_may_be_off_but_not_on():
    assert run(np.ones((1, 2), np.float32), 0, use_of_tomorrow=False).fields["status"] == "done"
    with pytest.raises(AttributeError, match="use_of_tomorrow"):
        run(np.ones((1, 2), np.float32), 0, use_of_tomorrow=True)
