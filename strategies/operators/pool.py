"""Pooling over windows and over whole images."""

from __future__ import annotations

from strategies.builder import Builder, Value, Want
from strategies.operators.conv import ones_left_out, window, zeros_left_out
from strategies.operators.registry import operator

IMAGE = Want(ranks=(3, 4, 5), where=lambda s: 0 not in s)


@operator("MaxPool", want=IMAGE)
def max_pool(b: Builder, x: Value) -> Value:
    """("MaxPool") ceil_mode and dilations (pnnx: ones only) since opset 10; Indices are never asked for."""
    modern = b.opset >= 10
    ceil = modern and b.flag(3)
    w = window(b, x.shape[2:], dilate=modern and b.rare(), ceil=ceil, pad_limit=True)
    return b.node(
        "MaxPool",
        [x],
        b.like(x, shape=(*x.shape[:2], *w.out)),
        kernel_shape=w.kernel,
        strides=ones_left_out(b, w.strides),
        dilations=ones_left_out(b, w.dilations) if modern else None,
        pads=zeros_left_out(b, w.pads, w.auto_pad),
        ceil_mode=1 if ceil else (0 if modern and b.flag(4) else None),
        auto_pad=w.auto_pad,
    )


@operator("AveragePool", want=IMAGE)
def average_pool(b: Builder, x: Value) -> Value:
    """("AveragePool") ceil_mode since opset 10, dilations since 19; pnnx has neither those nor
    asymmetric pads."""
    ceil = b.opset >= 10 and b.flag(3)
    dilate = b.opset >= 19 and b.rare()
    w = window(b, x.shape[2:], dilate=dilate, ceil=ceil, pad_limit=True, even=not b.rare())
    return b.node(
        "AveragePool",
        [x],
        b.like(x, shape=(*x.shape[:2], *w.out), lo=min(x.lo, 0.0), hi=max(x.hi, 0.0)),
        kernel_shape=w.kernel,
        strides=ones_left_out(b, w.strides),
        dilations=w.dilations if dilate else None,
        pads=zeros_left_out(b, w.pads, w.auto_pad),
        ceil_mode=1 if ceil else None,
        count_include_pad=b.pick((None, 1, 0)),
        auto_pad=w.auto_pad,
    )


@operator("GlobalAveragePool", want=IMAGE)
def global_average_pool(b: Builder, x: Value) -> Value:
    """("GlobalAveragePool")."""
    return b.node("GlobalAveragePool", [x], b.like(x, shape=(*x.shape[:2], *(1,) * (x.rank - 2))))


@operator("GlobalMaxPool", want=IMAGE)
def global_max_pool(b: Builder, x: Value) -> Value:
    """("GlobalMaxPool")."""
    return b.node("GlobalMaxPool", [x], b.like(x, shape=(*x.shape[:2], *(1,) * (x.rank - 2))))


@operator("GlobalLpPool", want=Want(ranks=(3, 4, 5), lo=-10, hi=10), until=21, pnnx=False)
def global_lp_pool(b: Builder, x: Value) -> Value:
    """("GlobalLpPool") p-norm per channel."""
    out = b.like(x, shape=(*x.shape[:2], *(1,) * (x.rank - 2)), lo=0.0, hi=6000.0 * x.bound)
    return b.node("GlobalLpPool", [x], out, p=b.pick((None, 1, 2)))
