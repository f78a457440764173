"""The noise of Winograd's tiles, from the transforms that ncnn's shaders compute."""

import numpy as np
import pytest
from onnx import helper
from reference_models import make_case

from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.reference import Precision
from fuzzconv.reference.sums import TILE_CHANNELS, TILE_NOISE

S = 2**0.5
# ncnn's convolution_3x3s1d1_winograd43_transform_input and _output.comp, ktm of convolution_vulkan.cpp
INPUT = np.array(
    [
        [1, 0, -2.5, 0, 1, 0],
        [0, -S, -2, S / 2, 1, 0],
        [0, S, -2, -S / 2, 1, 0],
        [0, -S / 2, -0.5, S, 1, 0],
        [0, S / 2, -0.5, -S, 1, 0],
        [0, 1, 0, -2.5, 0, 1],
    ]
)
KERNEL = np.array(
    [
        [1, 0, 0],
        [-2 / 3, -S / 3, -1 / 3],
        [-2 / 3, S / 3, -1 / 3],
        [1 / 6, S / 6, 1 / 3],
        [1 / 6, -S / 6, 1 / 3],
        [0, 0, 1],
    ]
)
OUTPUT = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, S / 2, -S / 2, S, -S, 0],
        [0, 0.5, 0.5, 2, 2, 0],
        [0, S / 4, -S / 4, 2 * S, -2 * S, 1],
    ]
)


def to_bf16(values):
    bits = np.float32(values).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32).astype(np.float64)


def by_tiles(x, w, rounded):
    """One tile's 4×4 outputs of 6×6 inputs, channels first; ``rounded``: how tiles are stored."""
    return OUTPUT @ rounded((rounded(INPUT @ x @ INPUT.T) * rounded(KERNEL @ w @ KERNEL.T)).sum(0)) @ OUTPUT.T


def plain(x, w):
    return np.array([[(x[:, i : i + 3, j : j + 3] * w).sum() for j in range(4)] for i in range(4)])


def test_the_transforms_are_those_of_a_convolution():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((5, 6, 6)), rng.standard_normal((5, 3, 3))
    assert np.allclose(by_tiles(x, w, lambda values: values), plain(x, w))


@pytest.mark.parametrize("channels", [16, 48])
def test_the_noise_is_what_the_transforms_make_of_rounding(channels):
    """Root mean square at the worst place of a tile, as if the input had been rounded (units of 2⁻⁸)."""
    rng = np.random.default_rng(channels)
    errors = []
    for _ in range(600):
        x, w = to_bf16(rng.standard_normal((channels, 6, 6))), rng.standard_normal((channels, 3, 3))
        errors.append(by_tiles(x, w, to_bf16) - plain(x, w))
    noise = np.sqrt(np.mean(np.square(errors), axis=0)).max() / np.sqrt(9 * channels) / 2**-8
    assert 0.9 * noise < TILE_NOISE / 3**0.5 < 1.1 * noise


def by_all_tiles(x, w):
    """The convolution of (C, H, W) with padding 1, tile by tile, as ncnn's shaders compute it in bf16."""
    _, height, width = x.shape
    wide = np.pad(to_bf16(x), ((0, 0), (1, 1 - height % -4), (1, 1 - width % -4)))
    kernels = to_bf16(KERNEL @ w.astype(np.float64) @ KERNEL.T)
    y = np.zeros((len(w), height - height % -4, width - width % -4))
    for i in range(0, y.shape[1], 4):
        for j in range(0, y.shape[2], 4):
            tile = to_bf16(INPUT @ wide[:, i : i + 6, j : j + 6] @ INPUT.T)
            y[:, i : i + 4, j : j + 4] = OUTPUT @ to_bf16((tile * kernels).sum(1)) @ OUTPUT.T
    return to_bf16(y[:, :height, :width])


def drawn(kind, rng, *shape):
    values = rng.standard_normal(shape)
    match kind:
        case "offset":
            values += 5
        case "outlier":
            values.flat[rng.integers(values.size)] = 300
        case "sparse":
            values *= rng.random(shape) < 0.05
        case "skewed":
            values = np.exp(2 * values)
    return values.astype(np.float32)


@pytest.mark.parametrize("weights", ["normal", "offset", "sparse", "skewed"])
@pytest.mark.parametrize("images", ["normal", "offset", "outlier", "sparse", "skewed"])
def test_tiles_stay_within_the_bound(images, weights):
    rng = np.random.default_rng(len(images) * 10 + len(weights))
    x, w = drawn(images, rng, 16, 9, 11), drawn(weights, rng, 16, 16, 3, 3)
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1] * 4)
    case = make_case([node], {"x": x[None]}, {"w": w})
    reference = compute_reference(case, [Precision.VULKAN_BF16])
    error = np.abs(by_all_tiles(x, w) - reference.outputs["y"][0])
    assert 0.02 < np.max(error / reference.bounds[Precision.VULKAN_BF16]["y"][0]) < 1


@pytest.mark.parametrize(
    ("channels", "stride", "tiled"), [(TILE_CHANNELS, 1, True), (TILE_CHANNELS - 1, 1, False), (16, 2, False)]
)
def test_tiles_widen_vulkans_bf16_alone(channels, stride, tiled):
    node = helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], strides=[stride] * 2)
    rng = np.random.default_rng(channels)
    x, w = (
        rng.standard_normal(s).astype(np.float32) for s in ((1, channels, 9, 9), (channels, channels, 3, 3))
    )
    case = make_case([node], {"x": x}, {"w": w})
    bounds = compute_reference(case, [Precision.BF16, Precision.VULKAN_BF16]).bounds
    widened, plain = (bounds[p]["y"] for p in (Precision.VULKAN_BF16, Precision.BF16))
    assert np.all(widened > 1.5 * plain) if tiled else np.array_equal(widened, plain)
