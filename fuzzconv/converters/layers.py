"""The layers of a ``.param`` or ``.pnnx.param`` text: ``read_layers`` yields a ``Layer`` per line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One line of a ``.param``."""

    type: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def read_layers(param: str) -> list[Layer]:
    """The layers in order; lines that are none are passed over."""
    layers = []
    for line in param.splitlines()[2:]:
        words = line.split()
        if len(words) < 4 or not (words[2].isdigit() and words[3].isdigit()):
            continue
        first, count = 4 + int(words[2]), int(words[3])
        blobs = words[4 : first + count]
        layers.append(Layer(words[0], words[1], tuple(blobs[: first - 4]), tuple(blobs[first - 4 :])))
    return layers
