"""LSTM, GRU and RNN, with what models put behind them.

ONNX gives Y as (steps, directions, batch, hidden); models drop the direction with Squeeze, or join the two
with Transpose and Reshape. pnnx knows a recurrent layer only by that tail, so it is the common form here.
The activations drawn are all bounded, so every hidden state stays within [-1, 1].
Not generated: ``layout=1`` (onnxruntime's CPU kernels refuse it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strategies.builder import Builder, Value, Want
from strategies.dtypes import INT32
from strategies.operators.registry import operator
from strategies.shapes import Shape, fitting

HIDDEN = (2, 1, 3, 5, 4, 7, 9, 8, 6, 11, 13, 17)

Acts = tuple[str, ...]


def _sequence(b: Builder) -> Shape:
    """(steps, batch, features)."""
    return (b.pick((2, 1, 3, 5, 7, 11)), b.batch(), b.pick((2, 1, 3, 5, 4, 7, 8, 9, 13, 16, 17)))


SEQUENCE = Want(ranks=(3,), lo=-1e3, hi=1e3, shape=_sequence, where=lambda s: 0 not in s and s[0] <= 12)


@dataclass(frozen=True)
class Cell:
    """What sets one kind of recurrent layer apart.

    Attributes:
        gates: blocks of hidden rows in W and R; B holds twice as many.
        defaults: the default activations of one direction.
        others: further legal activations, each within the default's range.
        both: the weight of ``bidirectional``; pnnx does not know its tail for RNN.
    """

    gates: int
    defaults: Acts
    others: tuple[Acts, ...]
    both: float = 3.0


RNN = Cell(1, ("Tanh",), (("Sigmoid",), ("Softsign",)), both=1.5)
GRU = Cell(3, ("Sigmoid", "Tanh"), (("HardSigmoid", "Tanh"), ("Sigmoid", "Softsign")))
LSTM = Cell(
    4,
    ("Sigmoid", "Tanh", "Tanh"),
    (("HardSigmoid", "Tanh", "Tanh"), ("Sigmoid", "Softsign", "Tanh"), ("Sigmoid", "Tanh", "Sigmoid")),
)


@dataclass(frozen=True)
class Layer:
    """The inputs and attributes of one layer: the same for all three operators.

    Attributes:
        inputs: X, W, R, B, sequence_lens, initial_h; None where absent.
        attributes: hidden_size, direction, activations, clip.
        hidden, directions: sizes.
        states: whether initial states are given.
    """

    inputs: list[Value | None]
    attributes: Mapping[str, object]
    hidden: int
    directions: int
    states: bool


def _state(b: Builder, shape: Shape, x: Value) -> Value:
    """An initial state: an input mostly, for ncnn misreads constants of several rows (one known bug)."""
    if b.has("more_inputs") and not b.flag(6):
        return b.input(shape, x.dtype, -1.0, 1.0)
    return b.partner(shape, x.dtype, -1.0, 1.0, widest=1.0)


def _layer(b: Builder, x: Value, cell: Cell) -> Layer:
    steps, batch, features = x.shape
    direction = b.weighted(((None, 4.0), ("forward", 2.0), ("bidirectional", cell.both), ("reverse", 0.4)))
    directions = 2 if direction == "bidirectional" else 1
    hidden = b.pick(fitting(HIDDEN, max(1, 3000 // (cell.gates * max(features, 17)))))
    rows = cell.gates * hidden
    scale = max(1e-3, min(1.0, 30.0 / (max(x.bound, 1.0) * features)))
    w = b.weight((directions, rows, features), -scale, scale, x.dtype)
    spread = hidden**-0.5
    r = b.weight((directions, rows, hidden), -spread, spread, x.dtype)
    bias = b.weight((directions, 2 * rows), -1.0, 1.0, x.dtype) if not b.flag(3) else None
    lengths = None
    if b.rare():
        counts = [b.integer(1, steps) for _ in range(batch)]
        lengths = b.constant(np.array(counts, dtype=np.int32), INT32, shape_data=False)
    states = b.flag(3)
    initial = _state(b, (directions, batch, hidden), x) if states else None
    acts: Acts | None = None
    if b.flag(6):
        acts = cell.defaults * directions
    elif b.rare():
        acts = b.pick(cell.others) * directions
    attributes = {
        "hidden_size": hidden,
        "direction": direction,
        "activations": acts,
        "clip": b.pick((0.5, 3.0)) if b.rare() else None,
    }
    return Layer([x, w, r, bias, lengths, initial], attributes, hidden, directions, states)


def _emit(
    b: Builder, op_type: str, x: Value, layer: Layer, bounds: Sequence[float], **attributes: object
) -> list[Value]:
    """The node and its tail; ``bounds`` are the magnitudes of Y, Y_h (and Y_c)."""
    steps, batch, _ = x.shape
    sequence = (steps, layer.directions, batch, layer.hidden)
    last = (layer.directions, batch, layer.hidden)
    outs: list[Value | None] = [
        b.like(x, shape=sequence if i == 0 else last, lo=-bound, hi=bound) for i, bound in enumerate(bounds)
    ]
    # Which outputs exist: Y alone, all of them (as exporters write it with initial states), the last ones.
    forms = [("sequence", 8.0), ("all", 4.0 if layer.states else 0.3)]
    kept = "last" if b.rare() else b.weighted(forms)
    if kept == "sequence":
        outs = outs[:1]
    elif kept == "last":
        outs = [None, *outs[1:]]
    made = b.nodes_out(op_type, layer.inputs, outs, **layer.attributes, **attributes)
    if kept == "last":
        return made
    return [*_tail(b, made[0]), *made[1:]]


def _tail(b: Builder, y: Value) -> list[Value]:
    """Y without its direction axis."""
    steps, directions, batch, hidden = y.shape
    if b.rare():
        return [y]
    if directions == 1 and not b.flag(6):
        out = b.like(y, shape=(steps, batch, hidden))
        return [
            b.node("Squeeze", [y, b.ints([1])], out)
            if b.opset >= 13
            else b.node("Squeeze", [y], out, axes=[1])
        ]
    moved = b.node("Transpose", [y], b.like(y, shape=(steps, batch, directions, hidden)), perm=[0, 2, 1, 3])
    sizes = b.pick(((0, 0, -1), (steps, batch, directions * hidden)))
    return [b.node("Reshape", [moved, b.ints(sizes)], b.like(y, shape=(steps, batch, directions * hidden)))]


@operator("RNN", want=SEQUENCE)
def rnn(b: Builder, x: Value) -> list[Value]:
    """("RNN") Elman layer; pnnx needs the tail and knows no direction ``reverse``."""
    return _emit(b, "RNN", x, _layer(b, x, RNN), (1.0, 1.0))


@operator("GRU", want=SEQUENCE)
def gru(b: Builder, x: Value) -> list[Value]:
    """("GRU") linear_before_reset: 1 is what exporters write, 0 is ONNX's default."""
    layer = _layer(b, x, GRU)
    before = b.weighted(((None, 0.4), (1, 5.0), (0, 0.4)))
    return _emit(b, "GRU", x, layer, (1.0, 1.0), linear_before_reset=before)


@operator("LSTM", want=SEQUENCE)
def lstm(b: Builder, x: Value) -> list[Value]:
    """("LSTM") the cell state may grow by one a step; peepholes and input_forget are rare."""
    layer = _layer(b, x, LSTM)
    shape = (layer.directions, x.shape[1], layer.hidden)
    cell = _state(b, shape, x) if layer.states else None
    peepholes = None
    if b.rare():
        peepholes = b.weight((layer.directions, 3 * layer.hidden), -0.5, 0.5, x.dtype)
    layer.inputs.extend([cell, peepholes])
    forget = 1 if b.rare() else None
    return _emit(b, "LSTM", x, layer, (1.0, 1.0, x.shape[0] + 1.0), input_forget=forget)
