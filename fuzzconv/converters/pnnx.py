"""PNNX as a ``Converter``: run it, read its files, and learn from its own script how to feed the result.

pnnx writes beside the model: ``model.ncnn.param/.bin`` (the result), ``model_ncnn.py`` (how to feed it), and
the stages before (``model.pnnxsim.onnx``, ``model.pnnx.param``, ``model_pnnx.py``), kept for blame. Blobs are
``in0``…, ``out0``… in graph order; ONNX names are lost.
"""

from __future__ import annotations

from pathlib import Path

import onnx

from fuzzconv.case import MODEL_FILE, Case
from fuzzconv.converters import script
from fuzzconv.converters.conversion import Binding, Conversion, Feeding, Outcome
from fuzzconv.converters.messages import read_pnnx
from fuzzconv.converters.ports import Port, input_ports, output_ports
from fuzzconv.converters.process import Limits, PlainRunner, Runner

_PARAM, _WEIGHTS, _SCRIPT = "model.ncnn.param", "model.ncnn.bin", "model_ncnn.py"
_BLAME_FILES = {
    "pnnxsim.onnx": "model.pnnxsim.onnx",
    "pnnx.param": "model.pnnx.param",
    "pnnx.bin": "model.pnnx.bin",
    "pnnx.py": "model_pnnx.py",
    "ncnn.py": _SCRIPT,
}

# Type suffixes of ``inputshape=``: tools/pnnx/src/load_onnx.cpp, get_onnx_tensor_elem_data_type_str
_SHAPE_SUFFIXES: dict[int, str] = {
    onnx.TensorProto.FLOAT: "f32",
    onnx.TensorProto.DOUBLE: "f64",
    onnx.TensorProto.FLOAT16: "f16",
    onnx.TensorProto.BFLOAT16: "bf16",
    onnx.TensorProto.INT8: "i8",
    onnx.TensorProto.UINT8: "u8",
    onnx.TensorProto.INT16: "i16",
    onnx.TensorProto.UINT16: "u16",
    onnx.TensorProto.INT32: "i32",
    onnx.TensorProto.UINT32: "u32",
    onnx.TensorProto.INT64: "i64",
    onnx.TensorProto.UINT64: "u64",
    onnx.TensorProto.COMPLEX64: "c64",
    onnx.TensorProto.COMPLEX128: "c128",
}

# What to feed where the script makes a torch tensor of this type; ncnn layers read nothing narrower.
_FED_DTYPES = {
    "torch.float": "float32",
    "torch.double": "float32",
    "torch.half": "float32",
    "torch.int": "int32",
    "torch.long": "int32",
}
_MAX_RANK = 4  # of ncnn::Mat, the batch axis apart


class PnnxConverter:
    """pnnx with one ``fp16=`` setting.

    Args:
        binary: the native executable.
        fp16: pnnx's own default is True.
        timeout_s, memory_bytes: limits of each run, see ``Limits``.
        server: a faster way to run the same binary (``ForkServer``); may be shared by several converters.
    """

    name = "pnnx"

    def __init__(
        self,
        binary: Path,
        fp16: bool,
        timeout_s: float = Limits.timeout_s,
        memory_bytes: int = Limits.memory_bytes,
        server: Runner | None = None,
    ) -> None:
        self._fp16 = fp16
        self._limits = Limits(timeout_s, memory_bytes)
        self._runner = server or PlainRunner(binary)

    @property
    def setting(self) -> str:
        """``fp16=0`` or ``fp16=1``."""
        return f"fp16={int(self._fp16)}"

    def convert(self, case: Case, scratch: Path) -> Conversion:
        """Convert in the empty directory ``scratch``; whatever pnnx does is a value.

        Raises:
            OSError: the scratch directory can't be written.
        """
        case.write(scratch)
        arguments = [MODEL_FILE, self.setting]
        if case.declare_inputshape and (shapes := inputshape(case)):
            arguments.append(f"inputshape={shapes}")
        run = self._runner.run(arguments, scratch, self._limits)
        param = _text(scratch / _PARAM)
        remarks = read_pnnx(run.stderr, param)
        files = {name: _content(scratch / file) for name, file in _BLAME_FILES.items()}
        feedings: tuple[Feeding, ...] = ()
        unfeedable = ""
        if run.outcome is Outcome.DONE and files["ncnn.py"]:
            feedings, unfeedable = read_feeding(case, files["ncnn.py"].decode(errors="replace"))
        return Conversion(
            converter=self.name,
            setting=self.setting,
            run=run,
            param=param,
            weights=_content(scratch / _WEIGHTS),
            feedings=feedings,
            unsupported=remarks.unsupported,
            warnings=remarks.warnings,
            unfeedable=unfeedable,
            files={name: content for name, content in files.items() if content is not None},
        )

    def close(self) -> None:
        """Stop the fork server, if there is one; a later ``convert`` starts it again."""
        self._runner.close()


def inputshape(case: Case) -> str:
    """The value of pnnx's ``inputshape=`` for a case: ``[1,3,9,9]f32,[2]i64``.

    Empty when it can't be written: the form has no scalars and no booleans.
    """
    shapes = []
    for port in input_ports(case):
        suffix = _SHAPE_SUFFIXES.get(port.element_type)
        if not port.shape or not suffix:
            return ""
        shapes.append(f"[{','.join(map(str, port.shape))}]{suffix}")
    return ",".join(shapes)


def read_feeding(case: Case, text: str) -> tuple[tuple[Feeding, ...], str]:
    """The feeding that the script in ``text`` asks for, or why the case can't be fed.

    An input that the script does not feed and an output that it does not read are absent from the feeding:
    the converted network has lost them.
    """
    try:
        parsed = script.parse_script(text)
        inputs = _paired(parsed.inputs, "in", input_ports(case))
        outputs = _paired(parsed.outputs, "out", output_ports(case))
        feeding = Feeding(
            tuple(_input_binding(fed, port) for fed, port in inputs),
            tuple(_output_binding(read, port) for read, port in outputs),
        )
    except script.ScriptError as error:
        return (), f"pnnx's script can't be followed: {error}"
    except _UnfeedableError as reason:
        return (), str(reason)
    return (feeding,), ""


class _UnfeedableError(Exception):
    """ncnn has no way to represent an input or output."""


def _paired(
    ports: tuple[script.Port, ...], prefix: str, graph: tuple[Port, ...]
) -> list[tuple[script.Port, Port]]:
    """Each of the script's ports with the graph's port of the same number."""
    by_blob = {f"{prefix}{number}": port for number, port in enumerate(graph)}
    for port in ports:
        if port.blob not in by_blob:
            raise script.ScriptError(f"it knows {port.blob}, but the graph has {len(graph)} of that kind")
    return [(port, by_blob[port.blob]) for port in ports]


def _input_binding(fed: script.Port, port: Port) -> Binding:
    dtype = _FED_DTYPES.get(fed.dtype)
    if dtype is None:
        raise _UnfeedableError(
            f"input {port.tensor!r} is {fed.dtype or 'of unknown type'}: not a type of ncnn's"
        )
    shape = port.shape or ()
    if 0 in shape:
        raise _UnfeedableError(f"input {port.tensor!r} is empty: ncnn has no empty blobs")
    batch, squeeze = _normal(fed.batch_axis, len(shape), port), _normal(fed.squeeze_axis, len(shape), port)
    if squeeze is not None and shape[squeeze] != 1:
        squeeze = None  # torch's squeeze leaves such an axis alone
    _check_rank(len(shape) - (batch is not None) - (squeeze is not None), f"input {port.tensor!r}")
    return Binding(port.tensor, fed.blob, batch, dtype, squeeze)


def _output_binding(read: script.Port, port: Port) -> Binding:
    batch, squeeze = read.batch_axis, read.squeeze_axis
    if port.rank is not None:
        axes = (batch is not None) + (squeeze is not None)
        # A scalar comes out of ncnn as one element.
        _check_rank(max(1, port.rank - axes), f"output {port.tensor!r}")
        batch = batch if batch is None or batch >= 0 else batch + port.rank
    return Binding(port.tensor, read.blob, batch, port.output_dtype, squeeze)


def _normal(axis: int | None, rank: int, port: Port) -> int | None:
    if axis is None:
        return None
    if not -rank <= axis < rank:
        raise _UnfeedableError(
            f"pnnx's script gives batch axis {axis} for input {port.tensor!r} of rank {rank}"
        )
    return axis % rank


def _check_rank(rank: int, what: str) -> None:
    if not 1 <= rank <= _MAX_RANK:
        raise _UnfeedableError(f"{what} would need a blob of rank {rank}: ncnn has ranks 1 to {_MAX_RANK}")


def _text(path: Path) -> str | None:
    content = _content(path)
    return None if content is None else content.decode(errors="replace")


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
