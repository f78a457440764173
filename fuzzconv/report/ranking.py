"""The order in which findings are shown: what harms users most, and is easiest to look at, first.

New before known, silent before warned, wrong results before crashes before refusals, a tool that upstream
cares for before its legacy one, then few and common operators before exotic ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from fuzzconv.verdict import Kind

LEGACY_CONVERTER = "onnx2ncnn"
"""ncnn's tools/onnx: upstream calls it legacy and points to pnnx."""

_CRASHES = (Kind.CRASH, Kind.HANG)
_REFUSALS = (Kind.LOAD_FAILURE, Kind.REFUSED)

# Rough order of how often operators occur in models people deploy on phones: convolutional vision networks,
# then transformers, then speech. Only the order matters, and only between otherwise equal findings.
_COMMON = (
    *("Conv", "Relu", "Add", "Mul", "Concat", "Reshape", "Gemm", "MatMul", "MaxPool", "BatchNormalization"),
    *("GlobalAveragePool", "Sigmoid", "Clip", "Transpose", "Resize", "Softmax", "Flatten", "AveragePool"),
    *("Slice", "Split", "Unsqueeze", "Squeeze", "Sub", "Div", "Pad", "ReduceMean", "LeakyRelu", "PRelu"),
    *("ConvTranspose", "LayerNormalization", "Gather", "Tanh", "HardSigmoid", "HardSwish", "Pow", "Sqrt"),
    *("Gelu", "Erf", "Exp", "ReduceSum", "ReduceMax", "InstanceNormalization", "DepthToSpace", "Upsample"),
    *("LSTM", "GRU", "RNN", "Expand", "Cast", "Constant", "Log", "Neg", "Abs", "ArgMax", "Min", "Max"),
)
_PLACE = {operator: place for place, operator in enumerate(_COMMON)}

Rank = tuple[bool, bool, int, bool, int, int, int, str]


def rank(
    kind: Kind,
    *,
    silent: bool,
    operators: Sequence[str],
    known: bool = False,
    converter: str = "",
    slug: str = "",
) -> Rank:
    """A sort key, lowest first; ``converter`` is the signature's, ``slug`` only makes the order total."""
    legacy = converter == LEGACY_CONVERTER
    exotic = _exoticness(operators)
    return (known, not silent, harm(kind), legacy, len(operators), exotic, -kind.rank, slug)


def harm(kind: Kind) -> int:
    """0 wrong results (weights included), 1 crash or hang, 2 refusal."""
    if kind in _REFUSALS:
        return 2
    return 1 if kind in _CRASHES else 0


def _exoticness(operators: Sequence[str]) -> int:
    """Place of the rarest operator."""
    return max((_PLACE.get(operator, len(_COMMON)) for operator in operators), default=0)
