"""One operator as ONNX has it, as pnnx understood it and as ncnn gets it, one under the other.

Where no check tells the stage at fault, this does most often: an attribute is gone, or has another value.
"""

from __future__ import annotations

import onnx
from onnx import numpy_helper

from fuzzconv.converters.conversion import Conversion
from fuzzconv.report.model_text import array_text, node_text
from fuzzconv.report.param_text import named_param

_MAX_LINES = 12
_MAX_ELEMENTS = 8
_PLUMBING = ("pnnx.Input", "pnnx.Output", "Input", "Split")


def side_by_side(model: onnx.ModelProto, conversion: Conversion | None) -> str:
    """Lines of three sources, each led by the source's name; empty without a ``.param``."""
    if conversion is None or not conversion.param:
        return ""
    sources = [("ONNX", _nodes(model))]
    pnnx = conversion.files.get("pnnx.param")
    if pnnx:
        sources.append(("pnnx.param", _layers(pnnx.decode(errors="replace"))))
    sources.append(("ncnn.param", _layers(named_param(conversion.param))))
    return "\n".join(f"{source:<10}  {line}" for source, lines in sources for line in _cut(lines))


def _nodes(model: onnx.ModelProto) -> list[str]:
    """Nodes, each after the small constants that it takes (axes, sizes, a scalar)."""
    small = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    small = {name: array for name, array in small.items() if array.size <= _MAX_ELEMENTS}
    lines = []
    for node in model.graph.node:
        lines += [f"{name} = {array_text(small.pop(name))}" for name in node.input if name in small]
        lines.append(node_text(node))
    return lines


def _layers(param: str) -> list[str]:
    lines = [" ".join(line.split()) for line in param.splitlines()[2:]]
    return [line for line in lines if line and line.split()[0] not in _PLUMBING]


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= _MAX_LINES:
        return lines
    return [*lines[: _MAX_LINES - 1], f"… and {len(lines) - _MAX_LINES + 1} more lines"]
