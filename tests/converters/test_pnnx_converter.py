from pathlib import Path

import numpy as np
import pytest
from converter_models import convolution, crashers, make_case, node, relu, zeros

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome
from fuzzconv.converters.pnnx import PnnxConverter, inputshape, read_feeding

INPUT = 'ex.input("in{n}", ncnn.Mat(in{n}.numpy(), batch_index={axis}).clone())'
OUTPUT = '_, out{n} = ex.extract("out{n}")\nout.append(torch.from_numpy(out{n}.numpy(batch_index={axis})))'


def script(inputs: list[tuple[str, int]], outputs: list[int]) -> str:
    """A generated script: (torch dtype, batch axis) per input, batch axis per output."""
    lines = [f"    in{n} = torch.rand(1, dtype={dtype})" for n, (dtype, _) in enumerate(inputs)]
    lines += [INPUT.format(n=n, axis=axis) for n, (_, axis) in enumerate(inputs)]
    lines += [OUTPUT.format(n=n, axis=axis) for n, axis in enumerate(outputs)]
    return "\n".join(lines)


def only_feeding(case: Case, text: str) -> Feeding:
    feedings, unfeedable = read_feeding(case, text)
    assert unfeedable == ""
    (feeding,) = feedings
    return feeding


def test_blobs_follow_graph_order_and_negative_axes_are_resolved() -> None:
    case = make_case(
        [node("Add", ["a", "b"], ["s"]), node("Mul", ["a", "b"], ["p"])],
        {"a": zeros(2, 3, 4), "b": zeros(2, 3, 4)},
        [("p", (2, 3, 4)), ("s", (2, 3, 4))],
    )
    feeding = only_feeding(case, script([("torch.float", -1), ("torch.half", 233)], [1, 233]))
    assert feeding.inputs == (Binding("a", "in0", 2), Binding("b", "in1"))
    assert feeding.outputs == (Binding("p", "out0", 1), Binding("s", "out1"))


def test_an_output_that_the_script_does_not_read_is_absent() -> None:
    case = make_case(
        [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["z"])],
        {"x": zeros(2, 3)},
        [("y", (2, 3)), ("z", (2, 3))],
    )
    feeding = only_feeding(case, script([("torch.float", 233)], [233]))
    assert [b.tensor for b in feeding.outputs] == ["y"]


def test_integers_are_int32() -> None:
    case = make_case([node("Add", ["i", "i"], ["y"])], {"i": zeros(2, 3, dtype="int64")}, [("y", (2, 3), 7)])
    feeding = only_feeding(case, script([("torch.int", 233)], [233]))
    assert (feeding.inputs[0].dtype, feeding.outputs[0].dtype) == ("int32", "int32")


@pytest.mark.parametrize(
    ("case", "dtype", "axis", "reason"),
    [
        (relu(2, 3, 4, 5, 6), "torch.float", 233, "rank 5"),
        (relu(1, 2, 3, 4, 5, 6), "torch.float", 0, "rank 5"),
        (relu(2, 3), "torch.float", 3, "axis 3"),
        (relu(2), "torch.float", 0, "rank 0"),
        (relu(), "torch.float", 233, "rank 0"),
        (relu(0, 3), "torch.float", 233, "empty"),
        (relu(2, 3), "torch.uint8", 233, "uint8"),
        (relu(2, 3), "null", 233, "null"),
    ],
)
def test_what_ncnn_has_no_form_for_is_unfeedable(case: Case, dtype: str, axis: int, reason: str) -> None:
    feedings, unfeedable = read_feeding(case, script([(dtype, axis)], [233]))
    assert feedings == ()
    assert reason in unfeedable


def test_rank_five_with_a_batch_axis_is_fed() -> None:
    feeding = only_feeding(relu(2, 3, 4, 5, 6), script([("torch.float", 0)], [0]))
    assert feeding.inputs == (Binding("x", "in0", 0),)


def test_an_unknown_script_is_unfeedable_not_guessed() -> None:
    feedings, unfeedable = read_feeding(relu(1, 3), 'ex.input("in0", something_new(in0))')
    assert feedings == ()
    assert "something_new" in unfeedable


@pytest.mark.parametrize(("shape", "fed"), [((1, 3, 4), (3, 4)), ((2, 3, 4), (2, 3, 4))])
def test_the_old_squeeze_takes_an_axis_of_one_and_no_other(
    shape: tuple[int, ...], fed: tuple[int, ...]
) -> None:
    text = "    in0 = torch.rand(1, dtype=torch.double)\n"
    text += 'ex.input("in0", ncnn.Mat(in0.squeeze(0).numpy()).clone())'
    binding = only_feeding(relu(*shape), text).inputs[0]
    prepared = binding.prepare(np.ones(shape, np.float64))
    assert (prepared.shape, prepared.dtype) == (fed, np.float32)


def test_inputshape_names_every_type() -> None:
    case = make_case(
        [node("Relu", ["x"], ["y"])],
        {"x": zeros(1, 3, 9, 9), "i": zeros(2, dtype="int64"), "h": zeros(3, 1, dtype="float16")},
        [("y", (1, 3, 9, 9))],
    )
    assert inputshape(case) == "[1,3,9,9]f32,[2]i64,[3,1]f16"


def test_inputshape_can_not_name_scalars_and_booleans() -> None:
    assert inputshape(relu()) == ""
    assert inputshape(make_case([], {"b": zeros(2, dtype="bool")}, [])) == ""


@pytest.mark.pnnx
class TestRealPnnx:
    def convert(self, binary: Path, case: Case, scratch: Path, fp16: bool = False) -> Conversion:
        return PnnxConverter(binary, fp16, memory_bytes=1 << 30).convert(case, scratch)

    def test_a_convolution(self, pnnx_binary: Path, tmp_path: Path) -> None:
        conversion = self.convert(pnnx_binary, convolution(), tmp_path)
        assert conversion.run.outcome is Outcome.DONE
        assert (conversion.unsupported, conversion.warnings, conversion.unfeedable) == ((), (), "")
        assert conversion.param is not None
        assert conversion.param.startswith("7767517\n")
        # a 4-byte tag, then 4·3·3·3 weights of one
        assert conversion.weights == bytes(4) + np.ones(108, np.float32).tobytes()
        assert conversion.feedings == (Feeding((Binding("x", "in0", 0),), (Binding("y", "out0", 0),)),)
        assert set(conversion.files) == {"pnnxsim.onnx", "pnnx.param", "pnnx.bin", "pnnx.py", "ncnn.py"}

    def test_fp16_halves_the_weights(self, pnnx_binary: Path, tmp_path: Path) -> None:
        conversion = self.convert(pnnx_binary, convolution(), tmp_path, fp16=True)
        assert conversion.setting == "fp16=1"
        assert conversion.weights == bytes.fromhex("476b3001") + np.ones(108, np.float16).tobytes()

    def test_an_unused_input_keeps_its_number(self, pnnx_binary: Path, tmp_path: Path) -> None:
        case = make_case(
            [node("Relu", ["x"], ["y"])], {"unused": zeros(1, 2), "x": zeros(1, 3)}, [("y", (1, 3))]
        )
        (feeding,) = self.convert(pnnx_binary, case, tmp_path).feedings
        assert [(b.tensor, b.blob) for b in feeding.inputs] == [("unused", "in0"), ("x", "in1")]

    def test_symbolic_shapes_are_declared(self, pnnx_binary: Path, tmp_path: Path) -> None:
        case = relu(1, 3, 9, 7, declared={"x": ("N", 3, "H", "W")}, declare_inputshape=True)
        conversion = self.convert(pnnx_binary, case, tmp_path)
        assert "model inputshape = [1,3,9,7]f32" in conversion.run.stderr
        assert conversion.warnings == ()

    def test_an_unsupported_operator_is_named(self, pnnx_binary: Path, tmp_path: Path) -> None:
        case = make_case([node("Det", ["x"], ["y"])], {"x": zeros(1, 4, 4)}, [("y", (1,))])
        conversion = self.convert(pnnx_binary, case, tmp_path)
        assert (conversion.run.outcome, conversion.unsupported) == (Outcome.DONE, ("Det",))

    def test_a_crash_is_a_value(self, pnnx_binary: Path, tmp_path: Path) -> None:
        conversion = self.convert(pnnx_binary, crashers()[0], tmp_path)
        assert (conversion.run.outcome, conversion.run.exit_status) == (Outcome.CRASHED, -11)
        assert (conversion.param, conversion.feedings) == (None, ())
