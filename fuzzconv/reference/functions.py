"""Functions that kernels compute by a formula: where rounding enters besides their operands.

``FUNCTIONS`` says, per operator, how large the intermediate values are whose rounding shows in the result
(tanh as 2 / (1 + exp(-2x)) - 1 rounds values of size 1 even where the result is tiny), how inexact a shader
may be, and what may overflow inside although operand and result do not. Sizes were measured on ncnn's CPU and
Vulkan kernels over each function's ordinary range (``docs/bounds.md``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp

from fuzzconv.reference.formats import Rounding

ROUNDINGS = 3.0
"""A function rounds about this many times on its way."""


@dataclass(frozen=True)
class Function:
    """What is known of one operator's formula.

    Attributes:
        intermediate: size of the intermediate values whose rounding is absolute in the result.
        shader: error that a Vulkan shader may make besides; half of what the Vulkan specification allows
            ("Precision of GLSL.std.450 Instructions"), as the safety factor is 2; None: a few roundings.
        inside: largest magnitude of the operand and number of terms summed → largest magnitude inside.
        behind: largest magnitude of the result → one over the smallest intermediate value that is stored.
        stored: converters write the formula as several layers, so that intermediate values are stored too and
            rounded by a format of storage alone.
        gate: the intermediate values are multiplied by the operand, and so is their rounding: for -900 a
            ``tanh(log(1 + exp(x)))`` that is one unit of fp32 away from zero makes 5e-5 of Mish.
    """

    intermediate: float = 0.0
    shader: Rounding | None = None
    inside: Callable[[float, int], float] = lambda operand, terms: operand
    behind: Callable[[float], float] = lambda result: 0.0
    stored: bool = False
    gate: bool = False

    @property
    def shader_error(self) -> Rounding:
        """Error that a Vulkan shader may make besides."""
        return self.shader or Rounding(2.0**-20, 2.0**-20 * self.intermediate)


def _exponential(operand: float, terms: int) -> float:
    return exp(min(operand, 700.0))


def _squares(operand: float, terms: int) -> float:
    return operand * operand * terms


def _sum(operand: float, terms: int) -> float:
    return operand * terms


_SINE = Rounding(0.0, 2.0**-12)
_ARC = Rounding(2.0**-12, 2.0**-14)
_GELU = Rounding(0.0, 2.0**-11)
"""ncnn's GELU shader always takes the tanh approximation, up to 4.7e-4 off; pnnx fuses it from Erf too."""

FUNCTIONS: Mapping[str, Function] = {
    **dict.fromkeys(("Exp", "Pow", "Sigmoid", "Softmax", "Swish", "Sqrt", "Reciprocal", "Div"), Function()),
    **dict.fromkeys(("Tanh", "Elu", "Selu", "Celu", "Log", "Atanh"), Function(1.0)),
    # A Softmax and a Log: of a Softmax that is zero in half there is none. Its subnormals may be flushed.
    "LogSoftmax": Function(1.0, behind=lambda result: 2.0 * exp(min(result, 700.0)), stored=True),
    # pnnx rewrites alpha · x + beta around its own hard sigmoid, (x' + 3) / 6: values of size 1 are rounded.
    **dict.fromkeys(("HardSigmoid", "HardSwish"), Function(1.0, stored=True)),
    **dict.fromkeys(("Softplus", "Sinh"), Function(1.0, inside=_exponential)),
    "Mish": Function(1.0, inside=_exponential, gate=True),
    **dict.fromkeys(("Cosh",), Function(inside=_exponential)),
    # A shader's asinh is log(x + sqrt(x² + 1)), which cancels for negative x: 2^-23 · x² relative.
    "Asinh": Function(1.0, _ARC, inside=_squares),
    "Acosh": Function(1.0, inside=_squares),
    **dict.fromkeys(("Sin", "Cos"), Function(1.0, _SINE)),
    "Tan": Function(1.0, Rounding(2.0**-12, 2.0**-12)),
    **dict.fromkeys(("Asin", "Acos", "Atan"), Function(1.0, _ARC)),
    "Erf": Function(1.0, _GELU),
    "Gelu": Function(1.0, _GELU, gate=True),
    **dict.fromkeys(("LRN", "ReduceL2", "LpNormalization", "LpPool"), Function(inside=_squares)),
    **dict.fromkeys(("InstanceNormalization", "LayerNormalization"), Function(inside=_squares)),
    **dict.fromkeys(("GroupNormalization", "MeanVarianceNormalization"), Function(inside=_squares)),
    **dict.fromkeys(("ReduceMean", "AveragePool", "GlobalAveragePool"), Function(inside=_sum)),
    "RMSNormalization": Function(inside=_squares),
    "ReduceLogSum": Function(1.0, inside=_sum),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), Function(1.0)),
    "ReduceLogSumExp": Function(1.0, inside=_exponential),
}
