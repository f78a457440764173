"""Read, from the Python script that pnnx writes beside its result, how the network is fed.

The script (``model_ncnn.py``) is the only place where pnnx says which axis is ncnn's batch. Two dialects:
releases of 2026 on write ``ncnn.Mat(in0.numpy(), batch_index=B)`` and ``out0.numpy(batch_index=B)``, earlier
ones ``in0.squeeze(B).numpy()`` and ``np.array(out0)).unsqueeze(B)``. ``parse_script`` knows these forms and
no other; what else a script may say is a ``ScriptError``, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NO_BATCH = 233  # batch_index_none in ncnn's python/src/main.cpp

_TENSOR = re.compile(r"^    (\w+) = torch\.rand(?:int)?\(.*\bdtype=([\w.]+)\)$")
_INPUT = re.compile(
    r'^ex\.input\("(\w+)", ncnn\.Mat\((\w+)(?:\.squeeze\((-?\d+)\))?\.numpy\(\)'
    r"(?:, batch_index=(-?\d+))?\)\.clone\(\)\)$"
)
_EXTRACT = re.compile(r'^_, (\w+) = ex\.extract\("(\w+)"\)$')
_APPEND = re.compile(
    r"^out\.append\(torch\.from_numpy\((?:np\.array\((\w+)\)|(\w+)\.numpy\(batch_index=(-?\d+)\))\)"
    r"(?:\.unsqueeze\((-?\d+)\))?\)$"
)


class ScriptError(ValueError):
    """A line of the generated script has none of the known forms."""


@dataclass(frozen=True)
class Port:
    """One blob that the script feeds or reads.

    Attributes:
        blob: its name (``in0``, ``out0``).
        batch_axis: the ``batch_index`` it gives, None for none.
        squeeze_axis: the axis it squeezes (input) or unsqueezes (output), None for none.
        dtype: of an input, the torch dtype it makes (``torch.float``).
    """

    blob: str
    batch_axis: int | None = None
    squeeze_axis: int | None = None
    dtype: str = ""


@dataclass(frozen=True)
class Script:
    """All inputs and outputs of a script, in its order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


def parse_script(text: str) -> Script:
    """Read a generated ``model_ncnn.py``.

    Raises:
        ScriptError: a line that feeds or reads has an unknown form.
    """
    dtypes = {m[1]: m[2] for line in text.splitlines() if (m := _TENSOR.match(line))}
    inputs: list[Port] = []
    outputs: list[Port] = []
    extracted = {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("ex.input("):
            match = _matched(_INPUT, line)
            blob, variable, squeeze, batch = match.groups()
            inputs.append(Port(blob, _axis(batch), _axis(squeeze), dtypes.get(variable, "")))
        elif "ex.extract(" in line:
            match = _matched(_EXTRACT, line)
            extracted[match[1]] = match[2]
        elif line.startswith("out.append("):
            old, new, batch, squeeze = _matched(_APPEND, line).groups()
            variable = old or new
            if variable not in extracted:
                raise ScriptError(f"the script reads {variable} but never extracts it")
            outputs.append(Port(extracted[variable], _axis(batch), _axis(squeeze)))
    return Script(tuple(inputs), tuple(outputs))


def _matched(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    match = pattern.match(line)
    if not match:
        raise ScriptError(f"unknown form: {line}")
    return match


def _axis(text: str | None) -> int | None:
    return None if text is None or int(text) == _NO_BATCH else int(text)
