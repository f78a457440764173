from __future__ import annotations

import numpy as np
from small_cases import array, case, node, verdict

from fuzzconv.findings.finding import Finding, Signature
from fuzzconv.verdict import Kind


def test_the_largest_dim_is_of_values_not_of_a_list_of_pads() -> None:
    bad = verdict("pnnx:fp16=0/cpu", Kind.DIVERGENCE)
    signature = Signature("result", "pnnx", "compare", ("Pad",))
    padded = case([node("Pad", "x p")], {"x": array(1, 2, 1, 1)}, {"p": np.array([0] * 8)})
    assert Finding(signature, "", padded, bad).max_dim == 2
    gathered = case([node("Gather", "w i")], {"i": np.array([0])}, {"w": array(5, 2)})
    assert Finding(signature, "", gathered, bad).max_dim == 5
