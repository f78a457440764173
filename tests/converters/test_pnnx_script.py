import pytest

from fuzzconv.converters.script import Port, ScriptError, parse_script

FRAME = """\
import numpy as np
import ncnn
import torch

def test_inference():
    torch.manual_seed(0)
    in0 = torch.rand(1, 3, 5, 5, dtype=torch.float)
    in1 = torch.randint(10, (1, 4), dtype=torch.int)
    out = []

    with ncnn.Net() as net:
        net.load_param("model.ncnn.param")
        net.load_model("model.ncnn.bin")

        with net.create_extractor() as ex:
{body}
    if len(out) == 1:
        return out[0]
    else:
        return tuple(out)
"""


def script(*lines: str) -> str:
    return FRAME.format(body="\n".join("            " + line for line in lines))


def test_the_dialect_with_batch_index() -> None:
    parsed = parse_script(
        script(
            'ex.input("in0", ncnn.Mat(in0.numpy(), batch_index=0).clone())',
            'ex.input("in1", ncnn.Mat(in1.numpy(), batch_index=233).clone())',
            "",
            '_, out0 = ex.extract("out0")',
            "out.append(torch.from_numpy(out0.numpy(batch_index=-1)))",
            '_, out1 = ex.extract("out1")',
            "out.append(torch.from_numpy(out1.numpy(batch_index=233)))",
        )
    )
    assert parsed.inputs == (Port("in0", 0, None, "torch.float"), Port("in1", None, None, "torch.int"))
    assert parsed.outputs == (Port("out0", -1), Port("out1"))


def test_the_dialect_with_squeeze() -> None:
    parsed = parse_script(
        script(
            'ex.input("in0", ncnn.Mat(in0.squeeze(0).numpy()).clone())',
            'ex.input("in1", ncnn.Mat(in1.numpy()).clone())',
            '_, out0 = ex.extract("out0")',
            "out.append(torch.from_numpy(np.array(out0)).unsqueeze(1))",
            '_, out1 = ex.extract("out1")',
            "out.append(torch.from_numpy(np.array(out1)))",
        )
    )
    assert parsed.inputs == (Port("in0", None, 0, "torch.float"), Port("in1", None, None, "torch.int"))
    assert parsed.outputs == (Port("out0", None, 1), Port("out1"))


def test_an_input_without_a_tensor_has_no_dtype() -> None:
    parsed = parse_script(script('ex.input("in7", ncnn.Mat(in7.numpy(), batch_index=3).clone())'))
    assert parsed.inputs == (Port("in7", 3),)


@pytest.mark.parametrize(
    "line",
    [
        'ex.input("in0", ncnn.Mat(in0.permute(1, 0).numpy(), batch_index=0).clone())',
        'ex.input("in0", ncnn.Mat(in0.numpy(), batch_index=batch).clone())',
        'out0 = ex.extract("out0")',
        "out.append(torch.from_numpy(out0.numpy(batch_index=0)))",  # never extracted
        "out.append(out0)",
    ],
)
def test_what_is_not_known_is_not_guessed(line: str) -> None:
    with pytest.raises(ScriptError):
        parse_script(script(line))
