"""RNN, GRU and LSTM by the text of the ONNX specification, in plain numpy steps.

``onnx.reference`` ignores ``clip``, ``sequence_lens`` and most ``activations``. Formulas and gate orders
(GRU z r h, LSTM i o f c): ``docs/Operators.md`` of ONNX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from fuzzconv.reference.layers import Real

Activation = Callable[[Real], Real]
State = tuple[Real, ...]


def _sigmoid(x: Real) -> Real:
    return 0.5 * (1 + np.tanh(x / 2))


_ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softplus": lambda x: np.logaddexp(0, x),
}
"""The ones without parameters."""


@dataclass(frozen=True)
class _Cell:
    """One direction of a recurrent node: its weights and activations, before the first step."""

    w: Real
    r: Real
    wb: Real
    rb: Real
    activations: Sequence[Activation]
    clip: float
    peephole: Real
    linear_before_reset: bool
    input_forget: bool

    def act(self, position: int, x: Real) -> Real:
        """Clip, then the activation at ``position``."""
        return self.activations[position](np.clip(x, -self.clip, self.clip))


def _rnn_step(cell: _Cell, x: Real, state: State) -> State:
    (h,) = state
    return (cell.act(0, x @ cell.w.T + h @ cell.r.T + cell.wb + cell.rb),)


def _gru_step(cell: _Cell, x: Real, state: State) -> State:
    (h,) = state
    wz, wr, wh = np.split(x @ cell.w.T + cell.wb, 3, axis=1)
    (rz, rr, rh), (_, _, bias) = np.split(cell.r, 3), np.split(cell.rb, 3)
    bz, br, _ = np.split(cell.rb, 3)
    z = cell.act(0, wz + h @ rz.T + bz)
    r = cell.act(0, wr + h @ rr.T + br)
    inner = r * (h @ rh.T + bias) if cell.linear_before_reset else (r * h) @ rh.T + bias
    return ((1 - z) * cell.act(1, wh + inner) + z * h,)


def _lstm_step(cell: _Cell, x: Real, state: State) -> State:
    h, c = state
    i, o, f, g = np.split(x @ cell.w.T + h @ cell.r.T + cell.wb + cell.rb, 4, axis=1)
    pi, po, pf = np.split(cell.peephole, 3)
    i = cell.act(0, i + pi * c)
    f = 1 - i if cell.input_forget else cell.act(0, f + pf * c)
    c = f * c + i * cell.act(1, g)
    o = cell.act(0, o + po * c)
    return o * cell.activations[2](c), c


class _Recurrent(OpRun):
    """What the three operators share: directions, steps, lengths and layouts."""

    op_domain = ""
    gates = 1
    defaults: Sequence[str] = ()
    step: Callable[[_Cell, Real, State], State]
    states = 1

    def _run(
        self,
        x: Real,
        w: Real,
        r: Real,
        b: Real | None = None,
        lengths: Real | None = None,
        initial_h: Real | None = None,
        initial_c: Real | None = None,
        peepholes: Real | None = None,
        **attributes: Any,
    ) -> tuple[Real, ...]:
        batch_first = bool(attributes.get("layout"))
        x = x.swapaxes(0, 1) if batch_first else x
        steps, batch, hidden = x.shape[0], x.shape[1], r.shape[2]
        lengths = np.full(batch, steps) if lengths is None else lengths
        direction = attributes.get("direction") or "forward"
        names = attributes.get("activations") or [*self.defaults] * w.shape[0]
        sequences, finals = [], []
        for d in range(w.shape[0]):
            bias = np.zeros(2 * self.gates * hidden) if b is None else b[d]
            peephole = np.zeros(3 * hidden) if peepholes is None else peepholes[d]
            count = len(self.defaults)
            wb, rb = np.split(bias, 2)
            cell = _Cell(
                w[d],
                r[d],
                wb,
                rb,
                activations=[_ACTIVATIONS[n.lower()] for n in names[d * count : (d + 1) * count]],
                clip=attributes.get("clip") or np.inf,
                peephole=peephole,
                linear_before_reset=bool(attributes.get("linear_before_reset")),
                input_forget=bool(attributes.get("input_forget")),
            )
            given = (initial_h, initial_c)[: self.states]
            start = tuple(
                np.zeros((batch, hidden)) if s is None else (s.swapaxes(0, 1) if batch_first else s)[d]
                for s in given
            )
            backward = direction == "reverse" or d == 1
            sequence, final = self._sequence(cell, x, start, lengths, backward)
            sequences.append(sequence)
            finals.append(final)
        y = np.stack(sequences, axis=1)
        last = [np.stack(parts) for parts in zip(*finals, strict=True)]
        if batch_first:
            y = y.transpose(2, 0, 1, 3)
            last = [part.swapaxes(0, 1) for part in last]
        return (y, *last)[: len(self.onnx_node.output)]

    def _sequence(
        self, cell: _Cell, x: Real, start: State, lengths: Real, backward: bool
    ) -> tuple[Real, State]:
        """(hidden state at every step, zero beyond a sequence's length; states after the last step)."""
        hidden = np.zeros((x.shape[0], *start[0].shape))
        state = start
        for t in reversed(range(x.shape[0])) if backward else range(x.shape[0]):
            running = (t < lengths)[:, None]
            after = type(self).step(cell, x[t], state)
            state = tuple(np.where(running, new, old) for new, old in zip(after, state, strict=True))
            hidden[t] = np.where(running, state[0], 0)
        return hidden, state


class RNN(_Recurrent):
    """H = f(X·Wᵀ + H·Rᵀ + Wb + Rb)."""

    gates, defaults, step = 1, ("Tanh",), staticmethod(_rnn_step)


class GRU(_Recurrent):
    """Update and reset gate, hidden gate with the reset before or after its linear part."""

    gates, defaults, step = 3, ("Sigmoid", "Tanh"), staticmethod(_gru_step)


class LSTM(_Recurrent):
    """Input, output, forget and cell gate, with peepholes and coupled input and forget gates."""

    gates, defaults, step, states = 4, ("Sigmoid", "Tanh", "Tanh"), staticmethod(_lstm_step), 2
