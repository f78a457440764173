"""``check``: take one model of yours down every route and say what each makes of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fuzzconv.assembly import open_pipeline
from fuzzconv.case import Array, Case, read_arrays
from fuzzconv.cli.tools import add_routes_argument, add_tool_arguments, runnable_routes, toolchain_from
from fuzzconv.errors import UsageError
from fuzzconv.validity import fatal_flaw
from fuzzconv.verdict import Kind, Verdict

DRAWS = 3
SYMBOLIC_SIZE = 8
PIPED_WIDTH = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("model", type=Path, help="an ONNX model")
    add_input_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON alone")
    add_tool_arguments(parser)


def add_input_arguments(parser: argparse.ArgumentParser) -> None:
    """How a model of the user's is fed and where it goes, for every command that takes one."""
    parser.add_argument("--inputs", type=Path, metavar="NPZ", help="arrays keyed by input name")
    parser.add_argument("--seed", type=int, default=0, help="for drawn inputs (default: 0)")
    add_routes_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Check one model; returns 0 when no route is bad, else 1."""
    model = read_model(args.model)
    cases = read_cases(model, args.inputs, args.seed)
    toolchain = toolchain_from(args)
    routes, skipped = runnable_routes(toolchain, args.routes)
    worst: dict[str, Verdict] = {}
    with open_pipeline(toolchain, routes) as pipeline:
        for case in cases:
            for verdict in pipeline.judge(case, routes).verdicts:
                known = worst.get(str(verdict.route))
                if known is None or verdict.kind.rank > known.kind.rank:
                    worst[str(verdict.route)] = verdict
    reasons = {str(route): reason for route, reason in skipped.items()}
    if args.json:
        json.dump(_document(worst, reasons, toolchain.versions()), sys.stdout, indent=1)
        print()
    else:
        _print(worst, reasons)
    return int(any(verdict.kind.is_bad for verdict in worst.values()))


def read_model(path: Path) -> onnx.ModelProto:
    """Read and check a model, its external data included.

    Raises:
        UsageError: it can't be read, or it is no valid ONNX model.
    """
    try:
        model = onnx.load(path)
        flaw = fatal_flaw(model)
        if flaw:
            raise UsageError(f"{path} is not a valid ONNX model: {flaw}")
        onnx.checker.check_model(model)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror or error}") from error
    except DecodeError as error:
        raise UsageError(f"{path} is not an ONNX model: {error}") from error
    except (onnx.checker.ValidationError, ValueError) as error:
        raise UsageError(f"{path} is not a valid ONNX model: {_first_line(error)}") from error
    return model


def read_inputs(path: Path, model: onnx.ModelProto) -> dict[str, Array]:
    """Read the arrays for a model's inputs, in graph order.

    Raises:
        UsageError: the file can't be read, or a name, shape or dtype does not fit the model.
    """
    try:
        arrays = read_arrays(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"can't read inputs from {path}: {_first_line(error)}") from error
    fed: dict[str, Array] = {}
    for value in _fed_inputs(model):
        if value.name not in arrays:
            raise UsageError(f"{path} has no array {value.name!r}; it has: {', '.join(arrays) or 'none'}")
        array = arrays[value.name]
        wanted = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        if array.dtype != wanted:
            raise UsageError(f"input {value.name!r} is {array.dtype}, the model wants {wanted}")
        dims = value.type.tensor_type.shape.dim
        if len(dims) != array.ndim or any(
            d.HasField("dim_value") and d.dim_value != n for d, n in zip(dims, array.shape, strict=False)
        ):
            shape = [d.dim_value if d.HasField("dim_value") else d.dim_param or "?" for d in dims]
            raise UsageError(f"input {value.name!r} has shape {list(array.shape)}, the model wants {shape}")
        fed[value.name] = array
    return fed


def read_cases(model: onnx.ModelProto, inputs: Path | None, seed: int) -> Sequence[Case]:
    """The model with the inputs of a file, or several times with drawn ones.

    Raises:
        UsageError: the inputs' file can't be used.
    """
    symbolic = any(
        not dim.HasField("dim_value")
        for value in _fed_inputs(model)
        for dim in value.type.tensor_type.shape.dim
    )
    if inputs is not None:
        return [Case(model, read_inputs(inputs, model), declare_inputshape=symbolic)]
    rng = np.random.default_rng(seed)
    draws = [{v.name: _draw(v, rng) for v in _fed_inputs(model)} for _ in range(DRAWS)]
    return [Case(model, arrays, declare_inputshape=symbolic) for arrays in draws]


def _fed_inputs(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return (value for value in model.graph.input if value.name not in constants)


def _draw(value: onnx.ValueInfoProto, rng: np.random.Generator) -> Array:
    """An ordinary array for an input; symbolic dimensions are 1 in front and 8 elsewhere."""
    dims = value.type.tensor_type.shape.dim
    shape = [
        d.dim_value if d.HasField("dim_value") else (1 if axis == 0 else SYMBOLIC_SIZE)
        for axis, d in enumerate(dims)
    ]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
    if np.issubdtype(dtype, np.floating):
        return rng.uniform(-1.0, 1.0, shape).astype(dtype)
    return rng.integers(0, 2, shape).astype(dtype)


def _document(
    worst: Mapping[str, Verdict], skipped: Mapping[str, str], tools: Mapping[str, str]
) -> dict[str, object]:
    verdicts: list[dict[str, object]] = [
        {
            "route": route,
            "kind": verdict.kind.value,
            "silent": verdict.silent,
            "detail": verdict.detail,
            "warned": verdict.warned,
            "stage": verdict.stage,
            "evidence": dict(verdict.evidence),
        }
        for route, verdict in worst.items()
    ]
    verdicts += [
        {"route": route, "kind": Kind.SKIPPED.value, "silent": False, "detail": reason}
        for route, reason in skipped.items()
    ]
    return {"verdicts": verdicts, "tools": dict(tools)}


def _print(worst: Mapping[str, Verdict], skipped: Mapping[str, str]) -> None:
    table = Table("route", "verdict", "detail", box=None, pad_edge=False)
    for route, verdict in worst.items():
        kind = f"{verdict.kind.value}{' (silent)' if verdict.silent else ''}"
        table.add_row(route, kind, escape(verdict.detail))
    for route, reason in skipped.items():
        table.add_row(route, "skipped", escape(reason))
    Console(width=None if sys.stdout.isatty() else PIPED_WIDTH).print(table)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
