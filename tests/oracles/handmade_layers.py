"""Layers with weights that no converter here writes, as ``.param`` and ``.bin`` written by hand.

int8 files are what ncnn2int8 makes of a network: the weights become int8 behind a tag of their own, scales
follow, biases stay. ONNX holds the weights in fp32 and no scale, so int8 data and scales can't be compared
with it: of them only the layout, the tags and NaN are judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from onnx import helper
from weight_models import case, weights

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun

_FP16_TAG, _INT8_TAG = 0x01306B47, 0x000D4B38


class Form(Enum):
    """How a blob stands in the ``.bin``, by its letter in ``LAYERS``."""

    TAGGED = "t"
    HALF = "h"
    INT8 = "q"
    RAW = "r"
    SCALE = "s"
    """As ``RAW``, but not in ONNX."""


@dataclass(frozen=True)
class Handmade:
    """One layer.

    Attributes:
        layer: its ncnn type.
        params: its parameters in the ``.param``.
        operator: the ONNX operator that uses its weights.
        notation: form and shape of each blob, in order.
    """

    layer: str
    params: str
    operator: str
    notation: str

    @property
    def blobs(self) -> Sequence[tuple[Form, tuple[int, ...]]]:
        """Form and shape of each blob."""
        return [(Form(word[0]), tuple(map(int, word[1:].split("x")))) for word in self.notation.split()]

    @property
    def arrays(self) -> list[NDArray[np.float32]]:
        """What the blobs mean in fp32."""
        drawn = [weights(*shape, seed=i) for i, (_, shape) in enumerate(self.blobs)]
        return [
            np.abs(a) if form is Form.SCALE else a for a, (form, _) in zip(drawn, self.blobs, strict=True)
        ]

    def case(self) -> Case:
        """A model that holds the weights and nothing that the ``.bin`` alone has."""
        forms = [form for form, _ in self.blobs]
        known = {f"w{i}": a for i, a in enumerate(self.arrays) if forms[i] is not Form.SCALE}
        nodes = [helper.make_node(self.operator, ["x", name], [f"{name}_y"]) for name in known]
        return case([*nodes, helper.make_node("Relu", ["x"], ["y"])], {"x": [1, 4]}, known)

    def conversion(self) -> Conversion:
        """The two files."""
        param = f"7767517\n2 2\nInput x 0 1 x\n{self.layer} y 1 1 x y {self.params}\n"
        content = b"".join(_stored(form, a) for (form, _), a in zip(self.blobs, self.arrays, strict=True))
        return Conversion("pnnx", "fp16=0", ToolRun(Outcome.DONE, 0, "", "", 0.0), param, content)


def _stored(form: Form, array: NDArray[np.float32]) -> bytes:
    if form is Form.INT8:
        raw = np.round(array / np.abs(array).max() * 127).astype(np.int8).tobytes()
        return _INT8_TAG.to_bytes(4, "little") + raw + bytes(-len(raw) % 4)
    if form is Form.HALF:
        raw = array.astype(np.float16).tobytes()
        return _FP16_TAG.to_bytes(4, "little") + raw + bytes(-len(raw) % 4)
    return (bytes(4) if form is Form.TAGGED else b"") + array.tobytes()


_CONV = "0=6 1=3 11=2 5=1 6=144"
_DEPTHWISE = "0=5 1=3 5=1 6=45 7=5"
_EMBED = "0=5 1=9 2=1 3=45"
_ATTENTION = "0=8 1=2 2=48 3=5 4=4"
_PARTS = "t8x6 r8 t8x5 r8 t8x4 r8 t6x8 r6"
"""Query, key and value, 6, 5 and 4 wide, are made 8 wide; the output is 6 wide."""

LAYERS: Mapping[str, Handmade] = {
    "conv_int8": Handmade("Convolution", f"{_CONV} 8=1", "Conv", "q6x4x2x3 r6 s6 s1"),
    "conv_int8_out": Handmade("Convolution", f"{_CONV} 8=101", "Conv", "q6x4x2x3 r6 s6 s1 s1"),
    "depthwise_int8": Handmade("ConvolutionDepthWise", f"{_DEPTHWISE} 8=1", "Conv", "q5x1x3x3 r5 s5 s1"),
    "depthwise_int8_out": Handmade(
        "ConvolutionDepthWise", f"{_DEPTHWISE} 8=102", "Conv", "q5x1x3x3 r5 s1 s1 s1"
    ),
    "inner_product_int8": Handmade("InnerProduct", "0=5 1=1 2=35 8=1", "Gemm", "q5x7 r5 s5 s1"),
    "gemm_int8_left": Handmade("Gemm", "4=1 6=1 7=3 9=7 10=1 18=1", "Gemm", "q3x7 t3 s3"),
    "gemm_int8_right": Handmade("Gemm", "3=1 5=1 6=1 8=5 9=7 10=4 18=1", "Gemm", "q5x7 t5 s1"),
    "lstm_int8": Handmade("LSTM", "0=4 1=48 8=1", "LSTM", "q1x16x3 t1x16 q1x16x4 s1x16 s1x16"),
    "lstm_int8_both": Handmade("LSTM", "0=4 1=96 2=2 8=1", "LSTM", "q2x16x3 t2x16 q2x16x4 s2x16 s2x16"),
    "lstm_projected": Handmade("LSTM", "0=3 1=48 3=4", "LSTM", "t1x16x3 t1x16 t1x16x3 t1x3x4"),
    "gru_int8": Handmade("GRU", "0=4 1=36 8=1", "GRU", "q1x12x3 t1x16 q1x12x4 s1x12 s1x12"),
    "rnn_int8": Handmade("RNN", "0=4 1=12 8=1", "RNN", "q1x4x3 t1x4 q1x4x4 s1x4 s1x4"),
    "attention": Handmade("MultiHeadAttention", _ATTENTION, "MatMul", _PARTS),
    "attention_fp16": Handmade("MultiHeadAttention", _ATTENTION, "MatMul", _PARTS.replace("t", "h")),
    "attention_int8": Handmade(
        "MultiHeadAttention", f"{_ATTENTION} 18=1", "MatMul", f"{_PARTS.replace('t', 'q')} s8 s8 s8 s1"
    ),
    "embed": Handmade("Embed", _EMBED, "Gather", "t9x5 r5"),
    "embed_int8": Handmade("Embed", f"{_EMBED} 18=1", "Gather", "q9x5 r5 s1"),
    "scale": Handmade("Scale", "0=7 1=1", "Mul", "r7 r7"),
    "bias": Handmade("Bias", "0=7", "Add", "r7"),
    "normalize": Handmade("Normalize", "1=0 3=7", "Mul", "r7"),
    "padding": Handmade("Padding", "0=1 1=1 2=1 3=1 6=7", "Pad", "r7"),
    "deformable": Handmade("DeformableConv2D", _CONV, "DeformConv", "t6x4x2x3 r6"),
    "quantize": Handmade("Quantize", "0=7", "QuantizeLinear", "s7"),
    "dequantize": Handmade("Dequantize", "0=7 1=7", "DequantizeLinear", "s7 s7"),
    "requantize": Handmade("Requantize", "0=7 1=7 2=7", "QuantizeLinear", "s7 s7 s7"),
}
