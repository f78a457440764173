"""What is asked of an ncnn worker and what it answers: plain values, the same for every device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from fuzzconv.case import Array


class RunStatus(Enum):
    """How far a network came. ``UNFEEDABLE``: this ncnn has no way to take the input (no batch axis)."""

    DONE = "done"
    LOAD_FAILED = "load_failed"
    INPUT_REFUSED = "input_refused"
    UNFEEDABLE = "unfeedable"
    EXTRACT_FAILED = "extract_failed"
    CRASHED = "crashed"
    HUNG = "hung"
    OUT_OF_MEMORY = "out_of_memory"


@dataclass(frozen=True)
class Feed:
    """One blob to fill: its name, the array (float32 or int32) and the axis that becomes ``Mat.n``."""

    blob: str
    array: Array
    batch_axis: int | None


@dataclass(frozen=True)
class Fetch:
    """One blob to extract, and the axis at which ``Mat.n`` is stacked back."""

    blob: str
    batch_axis: int | None


@dataclass(frozen=True)
class RunRequest:
    """One network to load and run once.

    Attributes:
        param: text of the ``.param``.
        weights: content of the ``.bin``.
        feeds, fetches: inputs and outputs in order. A fetch may name any blob; ncnn's light mode frees a blob
            once it was used, so blobs in the middle come first, in the order of the ``.param``.
        options: ``ncnn.Option`` fields to set before loading, e.g. ``{"use_fp16_storage": False}``.
    """

    param: str
    weights: bytes
    feeds: tuple[Feed, ...]
    fetches: tuple[Fetch, ...]
    options: Mapping[str, bool | int]


@dataclass(frozen=True)
class RunResult:
    """What happened.

    Attributes:
        status: how far it came.
        outputs: blob name → array; a blob that came back empty is None. Only blobs that were extracted.
        return_code: what ncnn's failing call returned (0 when none failed).
        failed_at: the blob (extract, input) or file (``param``, ``weights``) of the failing call, else empty.
        stderr: what ncnn printed at C level during this request.
        signal: number of the signal that killed the worker, else 0.
        seconds: wall time seen by the worker's client.
    """

    status: RunStatus
    outputs: Mapping[str, Array | None] = field(default_factory=dict)
    return_code: int = 0
    failed_at: str = ""
    stderr: str = ""
    signal: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class BlobRead:
    """One blob that ncnn read from a ``.bin``.

    Attributes:
        layer, layer_type: whose weight it is.
        index: position among the layer's blobs.
        load_type: ncnn's ``type`` argument (0 tagged, 1 raw fp32, …).
        tag: the 4-byte tag found (None when untagged).
        offset, size: byte range in the file, tag and padding included.
        values: as decoded by ncnn, flat; None when the read failed (end of file).
        count: how many elements the layer asked for.
    """

    layer: str
    layer_type: str
    index: int
    load_type: int
    tag: int | None
    offset: int
    size: int
    values: Array | None
    count: int = 0


@dataclass(frozen=True)
class WeightTrace:
    """Every blob ncnn reads from a ``.bin``, in order.

    Attributes:
        status: ``DONE`` even when a read came short (see ``blobs``); ``LOAD_FAILED`` when the param was
            refused as a whole (then each layer was tried alone), ``CRASHED`` when a malformed file killed the
            worker.
        consumed: bytes read in all, to be compared with the file's size.
        untraced: layers that ncnn does not know or refuses for another reason than a short read. How many
            bytes belong to them is unknown, so offsets mean nothing when there are any.
    """

    status: RunStatus
    blobs: tuple[BlobRead, ...] = ()
    consumed: int = 0
    stderr: str = ""
    signal: int = 0
    untraced: tuple[str, ...] = ()


class Runtime(Protocol):
    """An isolated ncnn on one device."""

    @property
    def device(self) -> str:
        """The device's name in route ids."""

    def run(self, request: RunRequest) -> RunResult:
        """Load and run a network once; a crash or hang of the worker is a value."""

    def trace(self, param: str, weights: bytes) -> WeightTrace:
        """Ask ncnn which bytes it reads and what it makes of them."""

    def close(self) -> None:
        """Stop the worker process."""
