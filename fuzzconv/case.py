"""What is tested: a model with concrete inputs (``Case``).

A leaf module: it imports nothing of ours, so that ``strategies`` can build on it alone. A case holds its
model whole, with every weight inline; ``write`` lays it on disk the way a user would have it, external data
and all.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx.external_data_helper import convert_model_to_external_data

Array = NDArray[np.generic]

MODEL_FILE = "model.onnx"
INPUTS_FILE = "inputs.npz"
OPTIONS_FILE = "case.json"
EXTERNAL_DATA_FILE = f"{MODEL_FILE}.data"


@dataclass(frozen=True)
class Case:
    """One model and the arrays to feed it.

    Attributes:
        model: a complete ONNX model, all weights inline. Never mutated.
        inputs: concrete arrays keyed by graph input name, in graph input order; initializers that are also
            graph inputs are left out.
        external_data: store the initializers in a file beside the model when written.
        external_file: that file's name where it isn't the usual one (the model file's with ``.data``).
        declare_inputshape: pass the concrete input shapes to pnnx as its ``inputshape=`` option (a must for
            graphs with symbolic dimensions).
        features: free tags of the generator (``storage:raw_data:int64``, ``shape:diamond``), for the census.
    """

    model: onnx.ModelProto
    inputs: Mapping[str, Array]
    external_data: bool = False
    declare_inputshape: bool = False
    features: frozenset[str] = field(default_factory=frozenset)
    external_file: str = ""

    @cached_property
    def key(self) -> str:
        """A hash of model, inputs and storage, equal for equal cases (for duplicate counting)."""
        digest = hashlib.sha256(self.model.SerializeToString(deterministic=True))
        for name, array in self.inputs.items():
            digest.update(f"{name}|{array.dtype}|{array.shape}|".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(bytes([self.external_data, self.declare_inputshape]) + self.external_file.encode())
        return digest.hexdigest()[:16]

    @property
    def operators(self) -> tuple[str, ...]:
        """Operator types in node order, with repetitions."""
        return tuple(node.op_type for node in self.model.graph.node)

    @property
    def opset(self) -> int:
        """The version of the default operator set the model imports (0 when it imports none)."""
        return next((o.version for o in self.model.opset_import if o.domain in ("", "ai.onnx")), 0)

    def write(self, directory: Path) -> Path:
        """Write ``model.onnx`` (and its external data file) into ``directory``; returns the model's path.

        Raises:
            OSError: the directory can't be written.
        """
        path = directory / MODEL_FILE
        if not self.external_data:
            path.write_bytes(self.model.SerializeToString())
            return path
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        convert_model_to_external_data(
            model, location=self.external_file or EXTERNAL_DATA_FILE, size_threshold=0
        )
        onnx.save_model(model, str(path))
        return path

    def write_inputs(self, directory: Path) -> Path:
        """Write ``inputs.npz``, keyed by input name (what ``numpy.load`` reads); returns its path."""
        path = directory / INPUTS_FILE
        write_arrays(path, self.inputs)
        return path

    def save(self, directory: Path) -> None:
        """Keep the whole case in ``directory`` (created), so that ``load`` gives an equal one back."""
        directory.mkdir(parents=True, exist_ok=True)
        (directory / MODEL_FILE).write_bytes(self.model.SerializeToString(deterministic=True))
        self.write_inputs(directory)
        options = {
            "external_data": self.external_data,
            "external_file": self.external_file,
            "declare_inputshape": self.declare_inputshape,
            "features": sorted(self.features),
        }
        (directory / OPTIONS_FILE).write_text(json.dumps(options, indent=1))

    @classmethod
    def load(cls, directory: Path) -> Case:
        """Read a case that ``save`` wrote.

        Raises:
            OSError, ValueError: a file is missing or damaged.
        """
        try:
            model = onnx.ModelProto.FromString((directory / MODEL_FILE).read_bytes())
        except DecodeError as error:
            raise ValueError(f"{directory / MODEL_FILE} is not an ONNX model: {error}") from error
        options = json.loads((directory / OPTIONS_FILE).read_text())
        return cls(
            model,
            read_arrays(directory / INPUTS_FILE),
            options["external_data"],
            options["declare_inputshape"],
            frozenset(options["features"]),
            options["external_file"],
        )


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an ``.npz`` whose keys are any strings.

    ``numpy.savez`` takes names as keyword arguments and so can't store a tensor called ``file``.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as stream:
                np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)


def read_arrays(path: Path) -> dict[str, Array]:
    """Read an ``.npz`` into a dict, in file order.

    Raises:
        OSError, ValueError: the file is missing or no ``.npz`` of plain arrays.
    """
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
