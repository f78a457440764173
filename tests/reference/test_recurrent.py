"""The recurrent formulas against onnxruntime, which shares no code with them, and one case by hand."""

import numpy as np
import pytest
from onnx import helper
from reference_models import make_case

from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.confirm import confirm_reference, second_outputs
from fuzzconv.reference.reference import Precision

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTIVATIONS = {"RNN": ["Relu"], "GRU": ["Sigmoid", "Softsign"], "LSTM": ["Sigmoid", "Softsign", "Relu"]}
FORMS = {
    "plain": {},
    "clip": {"clip": 0.5},
    "lengths": {"lengths": True},
    "start": {"start": True},
    "activations": {"activations": True},
    "reset": {"linear_before_reset": 1},
    "coupled": {"input_forget": 1, "peepholes": True},
}
OWN = {"reset": ("GRU",), "coupled": ("LSTM",)}


def recurrent_case(
    operator, direction, lengths=False, start=False, peepholes=False, activations=False, **attributes
):
    rng = np.random.default_rng(len(operator) + len(direction))
    directions, gates = 1 + (direction == "bidirectional"), GATES[operator]

    def draw(*shape):
        return (rng.standard_normal(shape) * 0.6).astype(np.float32)

    shapes = {"w": (gates * HIDDEN, INPUTS), "r": (gates * HIDDEN, HIDDEN), "b": (2 * gates * HIDDEN,)}
    weights = {name: draw(directions, *shape) for name, shape in shapes.items()}
    slots = ["x", "w", "r", "b", "", ""]
    outputs = ["y", "yh"]
    if lengths:
        slots[4], weights["lengths"] = "lengths", np.int32([5, 3, 1])
    if start:
        slots[5], weights["h"] = "h", draw(directions, BATCH, HIDDEN)
    if operator == "LSTM":
        slots += ["h"] if start else [""]
        slots += ["p"] if peepholes else [""]
        outputs.append("yc")
    if peepholes:
        weights["p"] = draw(directions, 3 * HIDDEN)
    if activations:
        attributes["activations"] = ACTIVATIONS[operator] * directions
    node = helper.make_node(operator, slots, outputs, hidden_size=HIDDEN, direction=direction, **attributes)
    return make_case([node], {"x": draw(STEPS, BATCH, INPUTS)}, weights, outputs, opset=14)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("operator", "form"), [(o, f) for o in GATES for f in FORMS if o in OWN.get(f, GATES)]
)
def test_both_references_agree(operator, form, direction):
    case = recurrent_case(operator, direction, **FORMS[form])
    reference = compute_reference(case, [Precision.FP32])
    assert Precision.FP32 in reference.bounds
    assert not isinstance(second_outputs(case), str)
    assert confirm_reference(case, reference) == ""


def test_an_rnn_of_ones_counts_its_steps():
    one = np.ones((1, 1, 1), np.float32)
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=1, activations=["Relu"])
    case = make_case([node], {"x": np.ones((4, 1, 1), np.float32)}, {"w": one, "r": one}, opset=14)
    assert second_outputs(case)["y"].ravel().tolist() == [1, 2, 3, 4]
