"""onnx2ncnn as a ``Converter``: blobs keep their ONNX names, and nothing says how a batch is fed.

onnx2ncnn drops the leading axis of four-dimensional graphs (its layers count axes without the batch) but
keeps it in some graphs of lower rank, so there are two feedings: without the first axis, and as is. Either
can only stand for a batch of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome
from fuzzconv.converters.messages import read_onnx2ncnn
from fuzzconv.converters.ports import Port, input_ports, output_ports
from fuzzconv.converters.process import Limits, PlainRunner, Runner

_PARAM, _WEIGHTS = "model.ncnn.param", "model.ncnn.bin"
_MAX_RANK = 4  # of ncnn::Mat
_FLOAT = "float32"
_MOST_MIXED = 3
"""Inputs of which some may be fed without their first axis and some with it."""


class Onnx2NcnnConverter:
    """onnx2ncnn; it has no settings.

    Args:
        binary: the executable.
        timeout_s, memory_bytes: limits of each run, see ``Limits``.
        server: a faster way to run the same binary (``ForkServer`` without warm-up: 0.6 ms instead of 3).
    """

    name = "onnx2ncnn"
    setting = ""

    def __init__(
        self,
        binary: Path,
        timeout_s: float = Limits.timeout_s,
        memory_bytes: int = Limits.memory_bytes,
        server: Runner | None = None,
    ) -> None:
        self._runner = server or PlainRunner(binary)
        self._limits = Limits(timeout_s, memory_bytes)

    def convert(self, case: Case, scratch: Path) -> Conversion:
        """Convert in the empty directory ``scratch``; whatever onnx2ncnn does is a value.

        Raises:
            OSError: the scratch directory can't be written.
        """
        model = case.write(scratch)
        run = self._runner.run([model.name, _PARAM, _WEIGHTS], scratch, self._limits)
        remarks = read_onnx2ncnn(run.stderr)
        param, weights = scratch / _PARAM, scratch / _WEIGHTS
        text = param.read_bytes().decode(errors="replace") if param.exists() else None
        feedings: tuple[Feeding, ...] = ()
        unfeedable = unfeedable_reason(case)
        if run.outcome is Outcome.DONE and text and not unfeedable:
            feedings = possible_feedings(case, text)
            unfeedable = "" if feedings else "no way to feed all inputs fits ncnn's ranks"
        return Conversion(
            converter=self.name,
            setting=self.setting,
            run=run,
            param=text,
            weights=weights.read_bytes() if weights.exists() else None,
            feedings=feedings,
            unsupported=remarks.unsupported,
            warnings=remarks.warnings,
            unfeedable=unfeedable if run.outcome is Outcome.DONE else "",
            batchless=True,
        )

    def close(self) -> None:
        """Stop the fork server, if there is one; a later ``convert`` starts it again."""
        self._runner.close()


def unfeedable_reason(case: Case) -> str:
    """Why a case can't be represented without a batch axis; empty when it can."""
    for what, port in _named_ports(case):
        if port.shape and port.shape[0] not in (1, None):
            return batch_reason(what, port.shape[0])
        if port.rank is not None and port.rank > _MAX_RANK + 1:
            return f"{what} has rank {port.rank}: ncnn has at most {_MAX_RANK} without the batch"
    for port in input_ports(case):
        if not port.blob_dtype:
            return f"input {port.tensor!r} is neither float nor int32/int64: not a type of ncnn's"
        if not port.shape or 0 in port.shape:
            return f"input {port.tensor!r} is a scalar or empty: ncnn has no such blobs"
    return ""


def batch_reason(what: str, size: int | None) -> str:
    """Why an input or output of that size along its first axis can't be represented."""
    return f"{what} has {size} at its first axis: onnx2ncnn knows no batch but 1"


def possible_feedings(case: Case, param: str) -> tuple[Feeding, ...]:
    """Without the first axis, then as is, then mixed; only those that ncnn's ranks allow.

    Integers are fed as integers or as floats: ncnn's layers are not of one mind, and nothing says which.
    Tensors that are no blobs of the ``.param`` are left out: the converter lost them. (When the ``.param``
    can't be read, because of names with spaces, none is left out.) Outputs come in the order in which the
    network makes them: ncnn's light mode frees a blob when a layer has used it, and an output of the graph
    may be used inside it, or be an input.
    """
    blobs = blob_names(param)
    inputs = [port for port in input_ports(case) if blobs is None or port.tensor in blobs]
    outputs = list(output_ports(case))
    if blobs is not None:
        made = {name: position for position, name in enumerate(blobs)}
        outputs = sorted((p for p in outputs if p.tensor in made), key=lambda port: made[port.tensor])
    integers = any(port.blob_dtype != _FLOAT for port in inputs)
    feedings = []
    for dropped in _dropped(len(inputs)):
        fed_ranks = [(port.rank or 0) - drop for port, drop in zip(inputs, dropped, strict=True)]
        read_ranks = [(port.rank or 0) - (any(dropped) or not inputs) for port in outputs]
        if min(fed_ranks, default=1) < 1 or max(*fed_ranks, *read_ranks, 0, 0) > _MAX_RANK:
            continue
        read_axis = 0 if all(dropped) else None
        read = tuple(Binding(p.tensor, p.tensor, None, p.output_dtype, read_axis) for p in outputs)
        for as_float in (False, True) if integers else (False,):
            fed = (
                Binding(p.tensor, p.tensor, None, _FLOAT if as_float else p.blob_dtype, 0 if drop else None)
                for p, drop in zip(inputs, dropped, strict=True)
            )
            feedings.append(Feeding(tuple(fed), read))
    return tuple(feedings)


def _dropped(count: int) -> Iterator[tuple[bool, ...]]:
    """Which of the inputs lose their first axis: all, none, then some, where there are few."""
    yield (True,) * count
    if count:
        yield (False,) * count
    if count <= _MOST_MIXED:
        yield from (some for some in product((True, False), repeat=count) if any(some) and not all(some))


def blob_names(param: str) -> list[str] | None:
    """All blobs of a ``.param`` in the order of their making; None when a line is of another form."""
    names: dict[str, None] = {}
    for line in param.splitlines()[2:]:
        try:
            _, _, *rest = line.split() or ("", "")
            count = int(rest[0]) + int(rest[1]) if rest else 0
        except (IndexError, ValueError):
            return None
        names |= dict.fromkeys(rest[2 : 2 + count])
    return list(names)


def _named_ports(case: Case) -> list[tuple[str, Port]]:
    return [(f"input {port.tensor!r}", port) for port in input_ports(case)] + [
        (f"output {port.tensor!r}", port) for port in output_ports(case)
    ]
