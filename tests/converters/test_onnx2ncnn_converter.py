from pathlib import Path

import numpy as np
import pytest
from converter_models import convolution, make_case, node, relu, zeros

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter, blob_names, possible_feedings, unfeedable_reason
from fuzzconv.testing import judge
from fuzzconv.verdict import Kind

RELU_PARAM = "7767517\n2 2\nInput x 0 1 x\nReLU y 1 1 x y\n"


def test_both_forms_are_offered_squeezed_first() -> None:
    squeezed, as_is = possible_feedings(relu(1, 3, 4, 5), RELU_PARAM)
    assert squeezed == Feeding((Binding("x", "x", squeeze_axis=0),), (Binding("y", "y", squeeze_axis=0),))
    assert as_is == Feeding((Binding("x", "x"),), (Binding("y", "y"),))
    x = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
    assert squeezed.inputs[0].prepare(x).shape == (3, 4, 5)
    assert as_is.inputs[0].prepare(x).shape == (1, 3, 4, 5)


def test_of_two_inputs_one_alone_may_lose_its_first_axis() -> None:
    case = make_case([node("Add", ["x", "z"], ["y"])], {"x": zeros(1, 3), "z": zeros(1, 3)}, [("y", (1, 3))])
    fed = possible_feedings(case, "7767517\n3 3\nInput x 0 1 x\nInput z 0 1 z\nBinaryOp y 2 1 x z y\n")
    assert [tuple(b.squeeze_axis for b in f.inputs) for f in fed] == [
        (0, 0),
        (None, None),
        (0, None),
        (None, 0),
    ]


def test_integers_are_offered_as_integers_and_as_floats() -> None:
    case = make_case([node("Neg", ["x"], ["y"])], {"x": zeros(1, 3, dtype="int64")}, [("y", (1, 3))])
    fed = [(f.inputs[0].squeeze_axis, f.inputs[0].dtype) for f in possible_feedings(case, RELU_PARAM)]
    assert fed == [(0, "int32"), (0, "float32"), (None, "int32"), (None, "float32")]


def test_only_forms_that_ncnn_has_are_offered() -> None:
    assert [f.inputs[0].squeeze_axis for f in possible_feedings(relu(1, 2, 3, 4, 5), RELU_PARAM)] == [0]
    assert [f.inputs[0].squeeze_axis for f in possible_feedings(relu(1), RELU_PARAM)] == [None]


def test_a_tensor_that_the_param_does_not_know_is_absent() -> None:
    case = make_case(
        [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["lost"])],
        {"x": zeros(1, 3)},
        [("lost", (1, 3)), ("y", (1, 3))],
    )
    assert {tuple(b.tensor for b in f.outputs) for f in possible_feedings(case, RELU_PARAM)} == {("y",)}


def test_outputs_are_read_in_the_order_of_their_making() -> None:
    case = make_case(
        [node("Relu", ["x"], ["inner"]), node("Abs", ["inner"], ["last"])],
        {"x": zeros(1, 3)},
        [("last", (1, 3)), ("inner", (1, 3)), ("x", (1, 3))],
    )
    param = "7767517\n3 3\nInput x 0 1 x\nReLU inner 1 1 x inner\nUnaryOp last 1 1 inner last 0=0\n"
    assert {tuple(b.tensor for b in f.outputs) for f in possible_feedings(case, param)} == {
        ("x", "inner", "last")
    }


def test_blob_names_are_neither_layer_names_nor_parameters() -> None:
    param = "7767517\n3 4\nInput layer 0 1 x\nSlice s 1 2 x a b -23300=2,-233,-233 1=0\nReLU r 1 1 a 0=0.1\n"
    assert blob_names(param) == ["x", "a", "b", "0=0.1"]
    assert blob_names("7767517\n1 1\nInput the input 0 1 the input\n") is None


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (relu(2, 3), "2 at its first axis"),
        (relu(1, 2, 3, 4, 5, 6), "rank 6"),
        (relu(), "scalar"),
        (relu(1, 0), "empty"),
        (make_case([], {"b": zeros(1, 2, dtype="bool")}, []), "neither float nor"),
        (make_case([node("Relu", ["x"], ["y"])], {"x": zeros(1, 3)}, [("y", (3, 1))]), "output 'y' has 3"),
    ],
)
def test_what_has_no_batchless_form_is_unfeedable(case: Case, reason: str) -> None:
    assert reason in unfeedable_reason(case)


def test_a_batch_of_one_is_feedable() -> None:
    assert unfeedable_reason(relu(1, 3, 4)) == ""


@pytest.mark.onnx2ncnn
class TestRealOnnx2Ncnn:
    def convert(self, binary: Path, case: Case, scratch: Path) -> Conversion:
        return Onnx2NcnnConverter(binary).convert(case, scratch)

    def test_a_convolution(self, onnx2ncnn_binary: Path, tmp_path: Path) -> None:
        conversion = self.convert(onnx2ncnn_binary, convolution(), tmp_path)
        assert conversion.run.outcome is Outcome.DONE
        assert (conversion.unsupported, conversion.warnings, conversion.unfeedable) == ((), (), "")
        assert conversion.weights == bytes(4) + np.ones(108, np.float32).tobytes()
        assert [f.inputs for f in conversion.feedings] == [
            (Binding("x", "x", squeeze_axis=0),),
            (Binding("x", "x"),),
        ]

    def test_an_unsupported_operator_is_named(self, onnx2ncnn_binary: Path, tmp_path: Path) -> None:
        case = make_case([node("Det", ["x"], ["y"])], {"x": zeros(1, 4, 4)}, [("y", (1,))])
        conversion = self.convert(onnx2ncnn_binary, case, tmp_path)
        assert (conversion.run.outcome, conversion.unsupported) == (Outcome.DONE, ("Det",))

    def test_names_with_spaces_are_still_bound(self, onnx2ncnn_binary: Path, tmp_path: Path) -> None:
        case = make_case([node("Relu", ["the input"], ["y"])], {"the input": zeros(1, 3)}, [("y", (1, 3))])
        conversion = self.convert(onnx2ncnn_binary, case, tmp_path)
        assert conversion.feedings[0].inputs == (Binding("the input", "the input", squeeze_axis=0),)

    def test_an_unreadable_model_is_refused(self, onnx2ncnn_binary: Path, tmp_path: Path) -> None:
        class Broken(Case):
            def write(self, directory: Path) -> Path:
                path = super().write(directory)
                path.write_bytes(b"\xff" * 20)
                return path

        case = relu(1, 3)
        conversion = self.convert(onnx2ncnn_binary, Broken(case.model, case.inputs), tmp_path)
        assert (conversion.run.outcome, conversion.run.exit_status) == (Outcome.REFUSED, 255)

    def test_an_output_that_a_later_layer_uses_up_is_read(self, onnx2ncnn_binary: Path) -> None:
        """ncnn's light mode has freed ``inner`` when ``last`` is there."""
        case = make_case(
            [node("Sigmoid", ["x"], ["inner"]), node("Relu", ["inner"], ["last"])],
            {"x": zeros(1, 3)},
            [("last", (1, 3)), ("inner", (1, 3))],
        )
        assert [v.kind for v in judge(case, "onnx2ncnn/cpu").verdicts] == [Kind.OK]
