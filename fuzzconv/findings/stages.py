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
from fuzzconv.findings import torch_child
from fuzzconv.findings.layers import read_layers
from fuzzconv.findings.rebuild import run_model
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
    computed = run_model(model, inputs)
    if computed is None:
        return Check(None, "pnnxsim.onnx does not run in onnxruntime")
    right, told = _compare(list(computed.values()), reference)
    return Check(right, f"pnnxsim.onnx in onnxruntime {told}")


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
            return Check(None, "torch is not installed, so pnnx's own passes were not checked")
        if status:
            return Check(None, f"pnnx's script does not run under torch: {error}")
        outputs = [np.load(path) for path in sorted(directory.glob("output_*.npy"))]
    right, told = _compare(outputs, reference)
    return Check(right, f"pnnx's script under torch {told}")


def raw_operators(conversion: Conversion) -> list[str]:
    """ONNX operators that pnnx's passes left as they were (torch's have a dotted name)."""
    text = conversion.files.get("pnnx.param", b"").decode(errors="replace")
    return list(dict.fromkeys(layer.type for layer in read_layers(text) if "." not in layer.type))


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
