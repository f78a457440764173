"""Operator specs, one module per family; importing the package fills ``registry.SPECS``.

Standard operators without a spec, and why:

- ``DynamicQuantizeLinear``: its scale hangs on the numbers, so any of them may lie on a rounding tie.
- ``Bernoulli``, ``Multinomial``, ``RandomNormal``, ``RandomUniform`` and their kin: not the same twice.
- ``MaxRoiPool``, ``NonMaxSuppression``, ``Unique``: jump or change shape with the numbers.
- ``If``, ``Loop``, ``Scan``, ``Sequence…``, ``Optional…``, ``String…``, ``ImageDecoder``, ``RegexFullMatch``,
  ``TfIdfVectorizer``: subgraphs and types that no ncnn network has.
- ``DFT``, ``STFT``, the windows, ``MelWeightMatrix``, ``Det``, ``MaxUnpool``, the losses: ncnn has nothing
  that they could become.
- ``CausalConvWithState``, ``LinearAttention``, ``SwiGLU``: newer than the opsets that pnnx takes.
- ``Swish`` and ``RoiAlign`` in their newest versions: onnxruntime's CPU kernels lack them.
- ``BitCast``: what its result means hangs on the machine's byte order.
- ``GroupNormalization`` of opsets 18 to 20: deprecated, onnx.checker refuses it.

onnx2ncnn also names operators that no valid model holds: ``Crop`` and ``ImageScaler`` (experimental ones of
ONNX 1.0), ``CeLU`` (a misspelt Celu), ``Expm1`` and ``Log1p`` (never in ONNX), ``BiasGelu``,
``EmbedLayerNormalization`` and ``SkipLayerNormalization`` (of onnxruntime's own domain), and what it makes
itself out of several nodes that ``strategies`` writes out (``GroupNorm``, ``LayerNorm``,
``MultiHeadAttention``, ``Normalize``, ``PixelShuffle``, ``RDiv``, ``RSub``, ``Reorg``, ``ShuffleChannel``).
"""

from strategies.operators import (
    activation,
    attention,
    binary,
    conv,
    filling,
    indexing,
    integer_products,
    integers,
    linear,
    logic,
    movement,
    norm,
    normalize,
    pool,
    quantized,
    ranking,
    recurrent,
    reduce,
    resize,
    sampling,
    unary,
)
from strategies.operators.registry import SPECS, Spec

__all__ = [
    "SPECS",
    "Spec",
    "activation",
    "attention",
    "binary",
    "conv",
    "filling",
    "indexing",
    "integer_products",
    "integers",
    "linear",
    "logic",
    "movement",
    "norm",
    "normalize",
    "pool",
    "quantized",
    "ranking",
    "recurrent",
    "reduce",
    "resize",
    "sampling",
    "unary",
]
