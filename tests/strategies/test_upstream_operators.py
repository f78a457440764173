"""Every operator that pnnx or onnx2ncnn names has a spec, or a word on why not.

The names are those of Tencent/ncnn at commit a4d2ea1: the table "Supported ONNX operator status" of
``tools/pnnx/README.md``, and the types that ``tools/onnx/onnx2ncnn.cpp`` compares a node's with.
"""

import re

import pytest

from strategies import SPECS, operators

PNNX = """
Abs Acos Add Asin Atan AveragePool BatchNormalization Ceil Celu Clip Concat Constant Conv ConvTranspose
Cos DepthToSpace Div Dropout Elu Erf Exp Flatten Floor GRU Gelu Gemm GlobalAveragePool GlobalMaxPool
GroupNormalization HardSigmoid HardSwish InstanceNormalization LRN LSTM LayerNormalization LeakyRelu Log
LogSoftmax MatMul Max MaxPool Min Mish Mul Neg PRelu Pad Pow RMSNormalization RNN Reciprocal ReduceL1
ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
Relu Reshape Resize Selu Shrink Sigmoid Sin Slice Softmax Softplus Split Sqrt Squeeze Sub Sum Tan Tanh
Transpose Unsqueeze Upsample
"""

ONNX2NCNN = """
Abs Acos Acosh Add Asin Asinh Atan Atanh AveragePool BatchNormalization BiasGelu CeLU Ceil Celu Clip
Concat Constant Conv ConvTranspose Cos Cosh Crop DepthToSpace Div Dropout Elu EmbedLayerNormalization Erf
Exp Expand Expm1 Flatten Floor GRU Gelu Gemm GlobalAveragePool GlobalMaxPool GroupNorm HardSigmoid
HardSwish ImageScaler InstanceNormalization LRN LSTM LayerNorm LeakyRelu Log Log1p MatMul Max MaxPool Min
Mul MultiHeadAttention Neg Normalize PRelu Pad PixelShuffle Pow RDiv RNN RSub Reciprocal ReduceL1 ReduceL2
ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu
Reorg Reshape Resize Shape Shrink ShuffleChannel Sigmoid Sign Sin Sinh SkipLayerNormalization Slice
Softmax Softplus Split Sqrt Squeeze Sub Sum Swish Tan Tanh Transpose Unsqueeze Upsample
"""


@pytest.mark.parametrize("name", PNNX.split())
def test_what_pnnx_says_it_supports_is_in_the_ordinary_mix(name: str) -> None:
    assert SPECS[name].pnnx


@pytest.mark.parametrize("name", sorted(set(ONNX2NCNN.split()) - set(PNNX.split())))
def test_what_onnx2ncnn_names_is_generated_or_accounted_for(name: str) -> None:
    accounted = re.findall(r"``(\w+)``", operators.__doc__ or "")
    assert name in SPECS or name in accounted
