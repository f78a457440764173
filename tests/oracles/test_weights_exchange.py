"""Whole constants in each other's layer: proven by the flow of data where it can be, never guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from weight_models import weights

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Converter
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.oracles.weights import judge_weights
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import BlobRead
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx
from fuzzconv.toolchain.toolchain import Tool
from fuzzconv.verdict import Kind

pytestmark = [pytest.mark.slow, pytest.mark.pnnx, pytest.mark.onnx2ncnn]

Node = tuple[str, str, str]
"""Operator, inputs and output, the inputs split by blanks."""


def graph(*nodes: Node, inputs: str = "x", outputs: str = "y", **constants: np.ndarray) -> Case:
    """A case on 4-channel images; ``constants`` are its initializers."""
    attributes = {"Conv": {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, "PRelu": {}}
    proto = helper.make_graph(
        [helper.make_node(kind, i.split(), [o], **attributes.get(kind, {})) for kind, i, o in nodes],
        "exchange",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4, 7, 8]) for n in inputs.split()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs.split()],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    return Case(model, {name: weights(1, 4, 7, 8) for name in inputs.split()})


V, W = weights(4, 4, 3, 3), weights(4, 4, 3, 3, seed=1)
B, C = weights(4), weights(4, seed=1)
FIRST, SECOND = ("Conv", "x v b", "a"), ("Conv", "r w c", "y")

CHAIN = graph(FIRST, ("Tanh", "a", "r"), SECOND, v=V, b=B, w=W, c=C)
TWO_OUTPUTS = graph(FIRST, ("Conv", "x w c", "y"), outputs="a y", v=V, b=B, w=W, c=C)
TWO_INPUTS = graph(FIRST, ("Conv", "z w c", "q"), ("Sub", "a q", "y"), inputs="x z", v=V, b=B, w=W, c=C)
JOINED = graph(FIRST, ("Conv", "x w c", "q"), ("Sub", "a q", "y"), v=V, b=B, w=W, c=C)
SLOPES = graph(
    ("PRelu", "x s", "a"), ("Tanh", "a", "q"), ("PRelu", "q t", "y"),
    s=weights(4, 1, 1), t=weights(4, 1, 1, seed=1),
)  # fmt: skip
DATA = graph(
    ("Add", "x d", "a"),
    ("Mul", "a e", "q"),
    ("Tanh", "q", "y"),
    d=weights(4, 7, 8),
    e=weights(4, 7, 8, seed=1),
)
EQUAL = graph(FIRST, ("Tanh", "a", "r"), SECOND, v=V, b=B, w=V.copy(), c=B.copy())
SHARED = graph(FIRST, ("Tanh", "a", "r"), ("Conv", "r v b", "y"), v=V, b=B)
TURNED = graph(FIRST, ("Tanh", "a", "r"), SECOND, v=V, b=B, w=V.transpose(1, 0, 2, 3).copy(), c=B)

Convert = Callable[[Case], tuple[Conversion, Sequence[BlobRead]]]


@pytest.fixture(scope="module")
def runtime() -> Iterator[NcnnRuntime]:
    with NcnnRuntime("cpu") as ncnn:
        yield ncnn


@pytest.fixture(scope="module", params=["pnnx:fp16=0", "pnnx:fp16=1", "onnx2ncnn"])
def convert(request, runtime, tmp_path_factory) -> Iterator[Convert]:
    if request.param == "onnx2ncnn":
        converter: Converter = Onnx2NcnnConverter(_path(find_onnx2ncnn()))
    else:
        pnnx = _path(find_pnnx())
        converter = PnnxConverter(pnnx, fp16=request.param.endswith("1"), server=ForkServer(pnnx))

    def converted(case: Case) -> tuple[Conversion, Sequence[BlobRead]]:
        conversion = converter.convert(case, tmp_path_factory.mktemp("exchange"))
        return conversion, runtime.trace(conversion.param, conversion.weights).blobs

    yield converted
    converter.close()


def _path(tool: Tool) -> Path:
    if not tool.path:
        pytest.skip(f"{tool.name} is missing: {tool.missing}; get it with: {tool.remedy}")
    return tool.path


def exchanged(content: bytes, one: BlobRead, other: BlobRead) -> bytes:
    """The file with the bytes of two blobs of one size exchanged."""
    assert one.size == other.size
    assert one.offset < other.offset
    first, second = (content[b.offset : b.offset + b.size] for b in (one, other))
    between = content[one.offset + one.size : other.offset]
    return content[: one.offset] + second + between + first + content[other.offset + other.size :]


def faults(case: Case, convert: Convert, runtime: NcnnRuntime, kinds: Sequence[int]):
    """What is said of the sound file, and of it when the blobs of the given sizes are exchanged."""
    conversion, blobs = convert(case)
    content = conversion.weights
    for count in kinds:
        one, other = (blob for blob in blobs if blob.count == count)
        content = exchanged(content, one, other)
    for told in (conversion, replace(conversion, weights=content)):
        yield judge_weights(case, told, runtime.trace(told.param, told.weights))


@pytest.mark.parametrize(
    ("case", "sizes"),
    [
        *((case, sizes) for case in (CHAIN, TWO_OUTPUTS, TWO_INPUTS) for sizes in ([144], [4], [144, 4])),
        (JOINED, [144]),
        (JOINED, [4]),
        (SLOPES, [4]),
    ],
)  # fmt: skip
def test_constants_in_each_others_layer_are_found(case, sizes, convert, runtime):
    sound, fault = faults(case, convert, runtime, sizes)
    assert sound is None
    assert fault.kind is Kind.WEIGHT_SHIFT
    assert "has changed places with" in fault.detail
    assert {fault.evidence["constant"], fault.evidence["instead"]} in ({"v", "w"}, {"b", "c"}, {"s", "t"})


def test_data_that_bears_anothers_name_is_found(convert, runtime):
    sound, fault = faults(DATA, convert, runtime, [224])
    assert sound is None
    assert {fault.evidence["constant"], fault.evidence["instead"]} == {"d", "e"}


@pytest.mark.parametrize("case", [EQUAL, SHARED, TURNED])
def test_constants_of_equal_values_prove_nothing(case, convert, runtime):
    conversion, _ = convert(case)
    assert judge_weights(case, conversion, runtime.trace(conversion.param, conversion.weights)) is None


def test_two_layers_that_nothing_tells_apart_are_left_to_the_outputs(convert, runtime):
    assert list(faults(JOINED, convert, runtime, [144, 4])) == [None, None]
