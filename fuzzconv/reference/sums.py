"""How long the sums are that each node forms: rounding grows with the square root of their length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod, sqrt

import numpy as np
import onnx
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fuzzconv.reference.probe import Probe

Shapes = Sequence[tuple[int, ...]]

WINOGRAD_GROWTH = 2.0
"""Winograd's transforms lose about one bit more than a plain sum."""


def growths(probe: Probe) -> Mapping[str, float]:
    """Tensor → by how much its most demanding consumer grows its rounding (at least 1)."""
    shapes = {name: array.shape for name, array in probe.known.items()}
    found: dict[str, float] = {}
    for node in probe.nodes:
        growth = sqrt(terms(node, shapes)) * (WINOGRAD_GROWTH if is_winograd(node, shapes) else 1.0)
        for name in node.input:
            found[name] = max(found.get(name, 1.0), growth)
    return found


TILE_NOISE = 9.5
"""Winograd's F(4,3) with tiles stored in a narrow format errs as if its input had been rounded to this many
units of its tile's root mean square. From the transforms of ncnn's shaders: the rounding of the transformed
input, weights and products, each as large as the others, comes out of them as 5.5 units at the worst of a
tile's 16 places (root mean square over random inputs and weights, whatever the number of channels); the noise
here is drawn evenly, whose root mean square is 0.58 of its largest."""

_TILE = 6

TILE_CHANNELS = 16
"""ncnn's Vulkan convolution takes Winograd from so many channels on, on both sides."""


def is_tiled(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether ncnn computes it by Winograd on Vulkan."""
    return is_winograd(node, shapes) and min(shapes[node.input[1]][:2]) >= TILE_CHANNELS


def tile_sizes(images: NDArray[np.floating]) -> NDArray[np.float64]:
    """For each element of a batch of images, the largest root mean square of a tile of its channel.

    Where ncnn's tiles begin is its own affair, so all places count.
    """
    inner = [(0, 0), (0, 0), (_TILE - 1, _TILE - 1), (_TILE - 1, _TILE - 1)]
    squares = np.pad(np.square(images, dtype=np.float64), inner)
    means = sliding_window_view(squares, (_TILE, _TILE), axis=(2, 3)).mean(axis=(-1, -2))
    largest = np.sqrt(means.max(axis=(2, 3), keepdims=True))
    return np.broadcast_to(largest, images.shape)


def is_winograd(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether ncnn may compute it by Winograd: a 3×3 convolution of stride, dilation and group 1."""
    if node.op_type != "Conv" or shapes.get(node.input[1], ())[2:] != (3, 3):
        return False
    attributes = {a.name: a for a in node.attribute}
    steps = [s for name in ("strides", "dilations") if name in attributes for s in attributes[name].ints]
    return all(s == 1 for s in steps) and ("group" not in attributes or attributes["group"].i == 1)


def terms(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many terms the node adds up for one output element."""
    inputs = [shapes.get(name, ()) for name in node.input]
    rule = _TERMS.get(node.op_type)
    if rule:
        return max(1, rule(inputs))
    output = shapes.get(node.output[0], ())
    return max(1, max((prod(s) for s in inputs), default=1) // max(1, prod(output)))


def _of_sample(inputs: Shapes) -> int:
    return prod(inputs[0][1:])


def _longest_side(inputs: Shapes) -> int:
    return max((d for shape in inputs for d in shape), default=1)


def _recurrent(inputs: Shapes) -> int:
    steps = inputs[0][0]
    return (inputs[1][-1] + inputs[2][-1]) * steps


_TERMS: Mapping[str, Callable[[Shapes], int]] = {
    "Conv": lambda inputs: prod(inputs[1][1:]),
    "ConvTranspose": lambda inputs: prod(inputs[1]) // max(1, inputs[1][1]),
    "MatMul": lambda inputs: inputs[0][-1] if inputs[0] else 1,
    **dict.fromkeys(("Gemm", "Einsum", "CumSum", "Softmax", "LogSoftmax", "LpNormalization"), _longest_side),
    **dict.fromkeys(("AveragePool", "LpPool", "MeanVarianceNormalization"), _of_sample),
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization", "LayerNormalization"), _of_sample),
    **dict.fromkeys(("Resize", "Upsample", "GridSample"), lambda inputs: max(inputs[0], default=1) ** 2),
    "LRN": lambda inputs: inputs[0][1],
    **dict.fromkeys(("LSTM", "GRU", "RNN"), _recurrent),
}
