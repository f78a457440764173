"""The stages of pnnx that can be run by themselves, each compared with the reference.

``check_simplified`` runs ``pnnxsim.onnx`` in onnxruntime, ``check_torch`` runs ``*_pnnx.py`` under torch (an
optional extra), ``raw_operators`` reads from ``pnnx.param`` which operators no pass took.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.layers import read_layers
from fuzzconv.findings import torch_child
from fuzzconv.findings.attributes import schema_of
from fuzzconv.findings.rebuild import run_model, set_items
from fuzzconv.oracles.values import judge_outputs
from fuzzconv.reference.reference import Precision, Reference

TORCH_PYTHON = "TORCH_PYTHON"
"""Environment variable naming an interpreter that has torch; our own is tried without it."""

_SECONDS = 60.0


class Check(NamedTuple):
    """What running a stage showed: right, wrong or (None) nothing, and the sentence to tell it."""

    right: bool | None
    told: str


def check_simplified(case: Case, conversion: Conversion, reference: Reference) -> Check:
    """Does the graph that pnnx simplified still compute what the model does?"""
    content = conversion.files.get("pnnxsim.onnx")
    if not content:
        return Check(None, "pnnx wrote no pnnxsim.onnx")
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        return Check(False, "pnnxsim.onnx is no readable ONNX model")
    inputs = {v.name: a for v, a in zip(model.graph.input, case.inputs.values(), strict=False)}
    computed, name = run_model(model, inputs), "pnnxsim.onnx"
    if computed is None:
        computed, name = run_model(_with_inputs(model), inputs), "pnnxsim.onnx, its constants inputs again,"
    if computed is None:
        return Check(None, "pnnxsim.onnx does not run in onnxruntime")
    right, told = _compare(list(computed.values()), reference)
    return Check(right, f"{name} in onnxruntime {told}")


def check_torch(case: Case, conversion: Conversion, reference: Reference) -> Check:
    """Does the graph after pnnx's own passes compute the same, as ``*_pnnx.py`` tells it to torch?"""
    script, weights = conversion.files.get("pnnx.py"), conversion.files.get("pnnx.bin")
    if not script or weights is None:
        return Check(None, "pnnx wrote no script for torch")
    with tempfile.TemporaryDirectory(prefix="fuzzconv-torch-") as name:
        directory = Path(name)
        (directory / "model_pnnx.py").write_bytes(script)
        (directory / "model.pnnx.bin").write_bytes(weights)
        for i, array in enumerate(case.inputs.values()):
            np.save(directory / f"input_{i}.npy", array)
        status, error = _run_child(directory)
        if status == torch_child.NO_TORCH:
            return Check(None, f"torch is not installed, so pnnx's own passes were not checked ({error})")
        if status == torch_child.REFUSED:
            return Check(False, f"torch refuses what pnnx's passes wrote: {error}")
        if status:
            return Check(None, f"pnnx's script does not run under torch: {error}")
        outputs = [np.load(path) for path in sorted(directory.glob("output_*.npy"))]
    right, told = _compare(outputs, reference)
    return Check(right, f"pnnx's script under torch {told}")


def raw_operators(conversion: Conversion) -> list[str]:
    """ONNX operators that pnnx's passes left as they were (torch's have a dotted name)."""
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace")
    return list(dict.fromkeys(layer.type for layer in read_layers(text) if "." not in layer.type))


def _with_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with attributes that ONNX has as inputs (pnnx makes axes, sizes, scales such) put back."""
    restored = onnx.ModelProto()
    restored.CopyFrom(model)
    graph = restored.graph
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    for i, node in enumerate(graph.node):
        schema = schema_of(node, opset)
        formal = [declared.name for declared in schema.inputs] if schema else []
        for attribute in list(node.attribute):
            if schema and attribute.name in formal and attribute.name not in schema.attributes:
                name = f"restored {attribute.name} {i}"
                graph.initializer.append(_constant(attribute, name))
                place = formal.index(attribute.name)
                given = [*node.input, *[""] * (place + 1 - len(node.input))]
                set_items(node.input, [*given[:place], name, *given[place + 1 :]])
                node.attribute.remove(attribute)
    return restored


def _constant(attribute: onnx.AttributeProto, name: str) -> onnx.TensorProto:
    """Numbers as a list, a tensor as it is; a single number is a list of one, as axes and sizes are."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(value), name)
    numbers = np.atleast_1d(np.array(value))
    dtype = np.float32 if numbers.dtype.kind == "f" else np.int64
    return onnx.numpy_helper.from_array(numbers.astype(dtype), name)


def _run_child(directory: Path) -> tuple[int, str]:
    python = os.environ.get(TORCH_PYTHON) or sys.executable
    try:
        done = subprocess.run(
            [python, torch_child.__file__, str(directory)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except OSError as error:
        return torch_child.NO_TORCH, str(error)
    except subprocess.TimeoutExpired:
        return -1, f"no end within {_SECONDS:.0f} s"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return done.returncode, lines[-1] if lines else f"exit status {done.returncode}"


def _compare(outputs: Iterable[Array], reference: Reference) -> tuple[bool, str]:
    """Outputs in graph order against the reference, within the bound of fp32."""
    named: Mapping[str, Array | None] = dict(zip(reference.outputs, outputs, strict=False))
    comparison = judge_outputs(reference, _precision(reference), named)
    return bool(comparison), "gives the right values" if comparison else f"is wrong: {comparison.description}"


def _precision(reference: Reference) -> Precision:
    return Precision.FP32 if Precision.FP32 in reference.bounds else next(iter(reference.bounds))
