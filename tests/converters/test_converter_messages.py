import pytest

from fuzzconv.converters.messages import last_words, read_onnx2ncnn, read_pnnx

HARMLESS = """\
pnnxparam = model.pnnx.param
fp16 = 0
customop =
get inputshape from traced inputs
inputshape = [1,3,5,5]f32
############# pass_level0 onnx
inline_containers ...                 0.00ms
shape_inference ...               \x1b[0;93m2026-11-22 13:49:40.848034420 [W:onnxruntime:pnnx, \
cpuid_info.cc:105 LogEarlyWarning] Unknown CPU vendor. cpuinfo_vendor value: 0\x1b[m
   15.33ms
┌──────────────────┬──────────┬──────────┐
│ Unsupported      │ 1        │ \x1b[32m0\x1b[0m │
└──────────────────┴──────────┴──────────┘
############# pass_ncnn
replace ncnn input torch.long type with torch.int
model has dynamic dimension size, but no inputshape2 specified
pnnx will optimize model with static input shape
FLOPS = 75
"""


def test_what_pnnx_prints_on_every_model_is_noise() -> None:
    remarks = read_pnnx(HARMLESS)
    assert (remarks.unsupported, remarks.warnings) == ((), ())


@pytest.mark.parametrize(
    ("printed", "unsupported"),
    [
        ("todo ArgMax\nignore ArgMax ArgMax_0 param axis=1", ("ArgMax",)),
        ("todo Det", ("Det",)),
        ("ignore Tensor.to Tensor.to_0 param copy=False\nignore Tensor.to t param dtype=x", ("Tensor.to",)),
        ("softmax along batch axis 0 is not supported", ("softmax along batch axis 0 is not supported",)),
        ("unsupported interpolate mode nearest-exact", ("unsupported interpolate mode nearest-exact",)),
        (
            "shape_inference ...               unsupported tensor elem data type 9",
            ("unsupported tensor elem data type 9",),
        ),
        ("permute 5-rank tensor is not supported yet!", ("permute 5-rank tensor is not supported yet!",)),
        ("function Foo not handled", ("function Foo not handled",)),
    ],
)
def test_what_pnnx_admits(printed: str, unsupported: tuple[str, ...]) -> None:
    remarks = read_pnnx(HARMLESS + printed + "\nFLOPS = 1\n")
    assert (remarks.unsupported, remarks.warnings) == (unsupported, ())


@pytest.mark.parametrize(
    ("param", "unsupported"),
    [
        ("7767517\n2 2\nInput in0 0 1 in0\nMish Mish_0 1 1 in0 out0\n", ("Mish",)),
        ("7767517\n2 2\nInput in0 0 1 in0\nConvolution conv_0 1 1 in0 out0 9=5\n", ()),
        (None, ("Mish",)),
    ],
)
def test_an_operator_named_in_vain_was_converted_after_all(
    param: str | None, unsupported: tuple[str, ...]
) -> None:
    remarks = read_pnnx("todo Mish\n", param)
    assert remarks.unsupported == unsupported
    assert remarks.warnings == (() if unsupported else ("todo Mish",))


@pytest.mark.parametrize(
    ("printed", "warning"),
    [
        # A parameter lost on a real ncnn layer: pnnx believes that it converted that operator.
        ("ignore Slice split_0 param dim=1", "ignore Slice split_0 param dim=1"),
        ("malformed split split_size_or_sections type 0", "malformed split split_size_or_sections type 0"),
        (
            "auto_pad SAME_UPPER with stride 2 2 may lead to incorrect output shape",
            "auto_pad SAME_UPPER with stride 2 2 may lead to incorrect output shape",
        ),
        (
            "ort CreateTensorAsOrtValue failed tensor type 0 is not supported",
            "ort CreateTensorAsOrtValue failed tensor type 0 is not supported",
        ),
        (
            "\x1b[1;31m2026-11-22 13:49:38.47 [E:onnxruntime:, x.cc:1 F] Non-zero status code\x1b[m",
            "[E:onnxruntime:, x.cc:1 F] Non-zero status code",
        ),
        (
            "F0000 00:00:1795356819.235235   31310 repeated_field.h:855] Check failed: index < size()",
            "repeated_field.h:855] Check failed: index < size()",
        ),
        (
            "terminate called after throwing an instance of 'E'",
            "terminate called after throwing an instance of 'E'",
        ),
        ("assume reshape 5-rank tensor has batch_index 0", "assume reshape 5-rank tensor has batch_index 0"),
    ],
)
def test_what_should_make_pnnx_users_suspicious(printed: str, warning: str) -> None:
    remarks = read_pnnx(HARMLESS + printed + "\n" + printed + "\n")
    assert (remarks.unsupported, remarks.warnings) == ((), (warning,))


def test_what_onnx2ncnn_admits() -> None:
    remarks = read_onnx2ncnn(
        "Shape not supported yet!\n  # axis=1\nUnsupported slice step !\nUnknown data type 0\n"
        "Shape not supported yet!\n  # mode=error\n"
    )
    assert remarks.unsupported == ("Shape", "Unsupported slice step", "data type 0")
    assert remarks.warnings == ()


def test_what_onnx2ncnn_warns_of() -> None:
    line = "cannot find node produces t but node 3 requires it"
    assert read_onnx2ncnn(line + "\n").warnings == (line,)


CPU = "\x1b[0;93m2026-11-22 13:49:40.84 [W:onnxruntime:pnnx, c.cc:1 F] Unknown CPU vendor. value: 0\x1b[m\n"


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        (
            "canonicalize ...                      0.01ms\nshape_inference ...               ",
            "shape_inference ...",
        ),
        ("shape_inference ...               " + CPU, "shape_inference ..."),
        ("shape_inference ...               " + CPU + "   15.33ms\n", "shape_inference ..."),
        ("canonicalize ...                      0.01ms\n", "canonicalize ..."),
        (
            "F0000 00:00:1795356819.235235   31310 repeated_field.h:855] Check failed: a < b \n"
            "*** Check failure stack trace: ***\n",
            "repeated_field.h:855] Check failed: a < b",
        ),
        ("terminate called\n  what():  map::at\n\n", "what():  map::at"),
        ("\n \n", ""),
    ],
)
def test_last_words_are_the_same_in_every_run(printed: str, words: str) -> None:
    assert last_words(printed) == words
    assert last_words("", printed, "other") == (words or "other")
