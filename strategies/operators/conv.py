"""Convolutions of one to three spatial dimensions, and the windows they share with pooling."""

from __future__ import annotations

from dataclasses import dataclass

from strategies.builder import Builder, Value, Want
from strategies.operators.registry import operator
from strategies.shapes import MAX_ELEMENTS, Shape, elements

KERNELS = (1, 3, 2, 5, 4, 7)


@dataclass(frozen=True)
class Window:
    """A sliding window over the spatial dimensions.

    Attributes:
        kernel, strides, dilations: one number per spatial dimension.
        pads: all begins, then all ends, as ONNX wants them; zeros with ``auto_pad``.
        auto_pad: the attribute, None for its default NOTSET.
        out: the spatial output dimensions.
    """

    kernel: Shape
    strides: Shape
    dilations: Shape
    pads: Shape
    auto_pad: str | None
    out: Shape


def window(
    b: Builder,
    spatial: Shape,
    *,
    dilate: bool = True,
    ceil: bool = False,
    pad_limit: bool = False,
    even: bool = False,
) -> Window:
    """Draw a window that fits ``spatial`` ("Conv", "MaxPool": output shape formulas).

    ``pad_limit``: pads stay smaller than the kernel, as pooling wants. ``ceil``: round the output size up.
    ``even``: pads are the same on both sides.
    """
    same_everywhere = not b.flag()
    auto = b.weighted(((None, 8.0), ("SAME_UPPER", 1.0), ("SAME_LOWER", 1.0), ("VALID", 0.7)))
    drawn: list[Shape] = []
    for i, size in enumerate(spatial):
        if i and same_everywhere:
            k, s, d, p, q, _ = drawn[0]
        else:
            k = b.pick(KERNELS)
            s = b.weighted(((1, 5.0), (2, 3.0), (3, 1.0), (5, 0.3)))
            d = (
                b.weighted(((1, 6.0), (2, 2.0), (3, 1.0)))
                if dilate and auto not in ("SAME_UPPER", "SAME_LOWER")
                else 1
            )
            p = b.weighted(((0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0)))
            q = p if even or not b.flag(4) else b.integer(0, 3)
        if pad_limit:
            p, q = min(p, k - 1), min(q, k - 1)
        if auto:
            p = q = 0
        room = size + p + q
        if auto not in ("SAME_UPPER", "SAME_LOWER"):
            d = min(d, max(1, (room - 1) // max(k - 1, 1)))
            if (k - 1) * d + 1 > room:
                k, d = room, 1
                p, q = (min(p, k - 1), min(q, k - 1)) if pad_limit else (p, q)
                k = min(k, size + p + q)
            span = size + p + q - ((k - 1) * d + 1)
            if ceil and span % s:
                # A window that would start in the end padding: onnx and onnxruntime disagree on whether it is
                # dropped, from opset to opset, so none is made.
                q, s = 0, min(s, (k - 1) * d + 1)
                p = 0 if even else p
                k, d = (min(k, size), 1) if (k - 1) * d + 1 > size + p else (k, d)
                span = size + p - ((k - 1) * d + 1)
                steps = -(-span // s) + 1
            else:
                steps = span // s + 1
        else:
            s = min(s, k)  # a stride beyond the kernel would make the automatic pads negative
            steps = -(-size // s)
        drawn.append((k, s, d, p, q, steps))
    kernel, strides, dilations, begins, ends, out = zip(*drawn, strict=True)
    return Window(kernel, strides, dilations, (*begins, *ends), auto, out)


def ones_left_out(b: Builder, numbers: Shape) -> Shape | None:
    """The attribute, or None when it is all ones and a draw says to leave it to its default."""
    return None if all(n == 1 for n in numbers) and not b.flag() else numbers


def zeros_left_out(b: Builder, numbers: Shape, auto_pad: str | None) -> Shape | None:
    """The pads attribute, or None when it is all zeros and a draw says so, or auto_pad forbids it."""
    return None if auto_pad or (not any(numbers) and not b.flag()) else numbers


IMAGE = Want(ranks=(3, 4, 5), lo=-1e3, hi=1e3, where=lambda s: 0 not in s)


def _scale(x: Value, fan_in: int) -> float:
    """A weight magnitude that keeps sums of ``fan_in`` products under about 1000."""
    return max(1e-3, min(1.0, 1e3 / (max(x.bound, 1.0) * fan_in)))


@operator("Conv", want=IMAGE)
def conv(b: Builder, x: Value) -> Value:
    """("Conv") 1D to 3D, groups, depthwise, dilations, asymmetric and automatic pads, optional bias."""
    batch, channels, *spatial = x.shape
    w = window(b, tuple(spatial))
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    group = b.weighted(
        ((1, 5.0), *(((channels, 3.0),) if channels > 1 else ()), *((g, 1.0) for g in groups[1:-1]))
    )
    room = MAX_ELEMENTS // max(elements(w.out) * batch, 1)
    per_group = max(1, min(b.channels(), room) // group) if group == 1 else b.pick((1, 2, 3))
    out_channels = per_group * group
    fan_in = channels // group * elements(w.kernel)
    scale = _scale(x, fan_in)
    weight = b.weight((out_channels, channels // group, *w.kernel), -scale, scale, x.dtype)
    bias = b.weight((out_channels,), -2.0, 2.0, x.dtype) if b.flag() else None
    bound = x.bound * fan_in * weight.bound + 2.0
    return b.node(
        "Conv",
        [x, weight, bias],
        b.like(x, shape=(batch, out_channels, *w.out), lo=-bound, hi=bound),
        kernel_shape=w.kernel if not b.flag(4) else None,
        strides=ones_left_out(b, w.strides),
        dilations=ones_left_out(b, w.dilations),
        pads=zeros_left_out(b, w.pads, w.auto_pad),
        group=group if group > 1 or b.flag() else None,
        auto_pad=w.auto_pad,
    )


@operator("ConvTranspose", want=IMAGE)
def conv_transpose(b: Builder, x: Value) -> Value:
    """("ConvTranspose") output size = stride (in - 1) + output_padding + (kernel - 1) dilation + 1 - pads.

    pnnx: equal pads on both sides only.
    """
    batch, channels, *spatial = x.shape
    same = b.rare()
    lopsided = b.rare()
    drawn: list[Shape] = []
    for size in spatial:
        k, s = b.pick((2, 1, 3, 4, 5)), b.weighted(((1, 4.0), (2, 4.0), (3, 1.0)))
        d = b.weighted(((1, 6.0), (2, 1.0)))
        if same:
            drawn.append((max(k, s), s, 1, 0, 0, 0, size * s))
            continue
        full = s * (size - 1) + (k - 1) * d + 1
        p = min(b.integer(0, 2), (full - 1) // 2)
        q = p if not lopsided else min(b.integer(0, 2), (full - 1) // 2)
        extra = b.integer(0, s - 1) if b.flag(3) else 0
        drawn.append((k, s, d, p, q, extra, full - p - q + extra))
    kernel, strides, dilations, begins, ends, extras, out = zip(*drawn, strict=True)
    groups = [g for g in range(1, channels + 1) if channels % g == 0]
    group = b.weighted(
        ((1, 5.0), *(((channels, 2.0),) if channels > 1 else ()), *((g, 1.0) for g in groups[1:-1]))
    )
    room = MAX_ELEMENTS // max(elements(out) * batch, 1)
    per_group = max(1, min(b.channels(17), room) // group) if group == 1 else b.pick((1, 2, 3))
    fan_in = channels // group * elements(kernel)
    scale = _scale(x, fan_in)
    weight = b.weight((channels, per_group, *kernel), -scale, scale, x.dtype)
    bias = b.weight((per_group * group,), -2.0, 2.0, x.dtype) if b.flag() else None
    bound = x.bound * fan_in * weight.bound + 2.0
    return b.node(
        "ConvTranspose",
        [x, weight, bias],
        b.like(x, shape=(batch, per_group * group, *out), lo=-bound, hi=bound),
        kernel_shape=kernel,
        strides=ones_left_out(b, strides),
        dilations=ones_left_out(b, dilations),
        pads=None if same else zeros_left_out(b, (*begins, *ends), None),
        output_padding=extras if any(extras) or b.flag(6) else None,
        group=group if group > 1 or b.flag() else None,
        auto_pad=b.pick(("SAME_UPPER", "SAME_LOWER")) if same else None,
    )
