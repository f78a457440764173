"""What a conversion yields, whichever converter made it, and the protocol every converter follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np

from fuzzconv.case import Array, Case


class Outcome(Enum):
    """How a run of a native tool ended."""

    DONE = "done"
    REFUSED = "refused"
    CRASHED = "crashed"
    HUNG = "hung"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True)
class ToolRun:
    """One run of a native tool, as seen from outside.

    Attributes:
        outcome: ``REFUSED`` is a non-zero exit status, ``CRASHED`` a signal, ``HUNG`` a process that had to
            be stopped (it took too long, or wrote without end).
        exit_status: as from ``waitpid``: the exit code, or minus the signal's number.
        stdout, stderr: what it printed (undecodable bytes replaced).
        seconds: wall time.
    """

    outcome: Outcome
    exit_status: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True)
class Binding:
    """How one graph input or output passes between numpy and an ncnn blob.

    Attributes:
        tensor: the ONNX graph input's or output's name.
        blob: the ncnn blob's name.
        batch_axis: the axis that becomes ``Mat.n`` (``batch_index`` of ncnn's Python API); None feeds the
            array as it is, every dimension inside the Mat. Negative only on an output of unknown rank.
        dtype: numpy dtype to feed (``float32`` or ``int32``); on an output, how the ONNX graph wants the
            blob's four-byte elements understood (ncnn itself does not say).
        squeeze_axis: an axis of size 1 that the blob does not have: taken away from an input, missing in an
            output. Converters without a batch axis need it (onnx2ncnn, pnnx before 2026).
    """

    tensor: str
    blob: str
    batch_axis: int | None = None
    dtype: str = "float32"
    squeeze_axis: int | None = None

    def prepare(self, array: Array) -> Array:
        """The array to hand to ncnn for this input: the dtype and the axes that the blob has, contiguous."""
        fed = array if self.squeeze_axis is None else np.squeeze(array, axis=self.squeeze_axis)
        return np.ascontiguousarray(fed.astype(self.dtype))


@dataclass(frozen=True)
class Feeding:
    """One complete way to feed a network and to read its outputs.

    Attributes:
        inputs: in graph order; an input that the converted network does not have is absent.
        outputs: in the order to extract them in; an absent output is one that the converter lost.
    """

    inputs: tuple[Binding, ...]
    outputs: tuple[Binding, ...]


@dataclass(frozen=True)
class Conversion:
    """What a converter made of a case.

    Attributes:
        converter, setting: as in ``Route``.
        run: how the tool's process ended.
        param: text of the ncnn ``.param``, None when none was written.
        weights: content of the ncnn ``.bin``, None when none was written.
        feedings: ways to feed the result, best first; more than one only where the converter leaves it open
            (onnx2ncnn has no batch axis). Empty when ``unfeedable`` says why.
        unsupported: operators or features of this graph that the tool itself said it can't convert.
        warnings: every other printed line that tells the user something may be wrong.
        batchless: whether nothing but a batch of 1 can be represented, whatever the case.
        unfeedable: why this case can't be represented on this road at all (a skip, not a bug), else empty.
        files: other files it wrote that blame wants, by name (``pnnxsim.onnx``, ``pnnx.param``, ``pnnx.py``,
            ``ncnn.py``).
    """

    converter: str
    setting: str
    run: ToolRun
    param: str | None = None
    weights: bytes | None = None
    feedings: tuple[Feeding, ...] = ()
    unsupported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    unfeedable: str = ""
    batchless: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)


class Converter(Protocol):
    """One converter with one setting; holds whatever makes it fast (a fork server), closed at the end."""

    @property
    def name(self) -> str:
        """The converter's name in route ids."""

    @property
    def setting(self) -> str:
        """The setting's name in route ids."""

    def convert(self, case: Case, scratch: Path) -> Conversion:
        """Convert in the empty directory ``scratch``. Whatever the tool does is a value."""

    def close(self) -> None:
        """Stop all child processes."""
