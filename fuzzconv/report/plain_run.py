"""The few plain lines of ncnn's Python API that show a wrong result, without any of a reproducer's care.

They belong into an issue: a maintainer sees at a glance what is loaded, fed and read. Running them wants the
converted network in the current folder.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fuzzconv.case import Array
from fuzzconv.converters.conversion import Binding, Conversion
from fuzzconv.findings.finding import Finding
from fuzzconv.report.literals import NotLiteralError, literal, quoted, wrapped
from fuzzconv.runtime.options import options_for
from fuzzconv.verdict import FEEDING

_SHOWN = 24


def plain_run(finding: Finding, conversion: Conversion | None) -> str:
    """Source of the lines; empty when nothing is run, or when it isn't known how to feed the network."""
    verdict = finding.verdict
    if conversion is None or not conversion.feedings or verdict.stage not in ("load", "run", "compare"):
        return ""
    chosen = verdict.evidence.get(FEEDING, 0)
    feeding = conversion.feedings[chosen if isinstance(chosen, int) else 0]
    if verdict.kind.is_weight_fault or any(b.tensor not in finding.case.inputs for b in feeding.inputs):
        return ""
    fed = list(enumerate(feeding.inputs))
    actual = finding.actual.get(str(verdict.route), {})
    lines = ["import ncnn", "import numpy as np", ""]
    lines += [f"x{i} = {_value(finding.case.inputs[b.tensor], b)}" for i, b in fed]
    lines += ["net = ncnn.Net()", *_options(finding)]
    lines += ['net.load_param("model.ncnn.param")', 'net.load_model("model.ncnn.bin")']
    lines.append("with net.create_extractor() as ex:")
    lines += [f"    ex.input({quoted(b.blob)}, {_mat(f'x{i}', b)}.clone())" for i, b in fed]
    if not fed:
        lines.append(f"    # {conversion.converter} left no input to feed")
    for binding in feeding.outputs:
        lines.append(f"    _, out = ex.extract({quoted(binding.blob)})")
        empty = binding.tensor in actual and actual[binding.tensor] is None
        lines.append("    print(out.empty())  # True: nothing comes out" if empty else _print(binding))
        if binding.tensor in finding.expected:
            lines.append(f"    # expected {_told(finding.expected[binding.tensor])}")
    return "\n".join(lines)


def fed_forms(conversion: Conversion | None) -> int:
    """How many ways there are to feed the network: two where the converter leaves the batch axis open."""
    return len(conversion.feedings) if conversion else 0


def _options(finding: Finding) -> Iterable[str]:
    """All options of one value on one line."""
    route = finding.verdict.route
    by_value: dict[bool | int, list[str]] = {}
    for name, value in options_for(route.options, route.device).items():
        if isinstance(value, bool):
            by_value.setdefault(value, []).append(name)
        elif value != 1:
            yield f"net.opt.{name} = {value}"
    for value, names in by_value.items():
        for start in range(0, len(names), 3):
            yield " = ".join(f"net.opt.{name}" for name in names[start : start + 3]) + f" = {value}"


def _value(array: Array, binding: Binding) -> str:
    """The array as it is fed: ncnn's element type, without an axis that the network does not have."""
    try:
        return wrapped(literal(binding.prepare(array)), 4)
    except NotLiteralError:
        squeezed = "" if binding.squeeze_axis is None else f".squeeze({binding.squeeze_axis})"
        return f'np.load("inputs.npz")[{quoted(binding.tensor)}]{squeezed}.astype(np.{binding.dtype})'


def _mat(name: str, binding: Binding) -> str:
    if binding.batch_axis is None:
        return f"ncnn.Mat({name})"
    return f"ncnn.Mat({name}, batch_index={binding.batch_axis})"


def _print(binding: Binding) -> str:
    view = "" if binding.dtype == "float32" else f".view(np.{binding.dtype})"
    if binding.batch_axis is None:
        return f"    print(np.array(out){view})"
    return f"    print(out.numpy(batch_index={binding.batch_axis}){view})"


def _told(array: Array) -> str:
    """Shape and, when they are few, the values on one line."""
    head = f"{array.dtype}{list(array.shape)}"
    if array.size > _SHOWN:
        return head
    values = np.array2string(array, separator=", ", max_line_width=10_000, precision=6)
    return f"{head}: {' '.join(values.split())}"
