"""``reproduce.py``: one finding as a script that a maintainer can read and run with pip packages alone.

``reproduce_script`` puts the pieces in ``templates/*.txt`` together; which ones depends on where the fault
shows: in the converter's process (crash, hang, refusal), in the weights, while ncnn loads or runs, or in
the values. Nothing of this package is needed to run the result.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from fuzzconv.case import EXTERNAL_DATA_FILE
from fuzzconv.findings.finding import Finding
from fuzzconv.oracles.rows import COMPARED_WITH, FLOOR, WORTH_TELLING
from fuzzconv.oracles.weights.judge import MEANT, POSITION
from fuzzconv.report.literals import NotLiteralError, literal, quoted, wrapped
from fuzzconv.report.model_code import model_source
from fuzzconv.report.tolerance import tolerances
from fuzzconv.runtime.options import options_for
from fuzzconv.verdict import Kind, Verdict

TIMEOUT_S = 60
NONDETERMINISM_RUNS = 20
_INSTALL = {
    "pnnx": "pip install --no-deps pnnx",
    "onnx2ncnn": "build tools/onnx of ncnn, then set $ONNX2NCNN or put it on PATH",
}
_PNNX_TYPES = {
    "float32": "f32",
    "float64": "f64",
    "float16": "f16",
    "int64": "i64",
    "int32": "i32",
    "int16": "i16",
    "int8": "i8",
    "uint8": "u8",
    "bool": "bool",
}
_NOTABLE = "todo|ignore .*param|rror|fail|nsupport|not support|nknown (?!CPU)"
_CLEAR_LOCATION = """\
    for tensor in model.graph.initializer:
        tensor.ClearField("data_location")  # onnx.load brought the data in
"""
_STANDARD = (
    *("ctypes", "importlib.metadata", "os", "pathlib", "re", "shutil", "signal"),
    *("subprocess", "sys", "tempfile", "traceback"),
)


def reproduce_script(finding: Finding) -> str:
    """Source of ``reproduce.py``: exit 1 while the bug is there, 0 when gone, 3 when a tool is missing."""
    pieces = _pieces(finding)
    body = "\n\n".join([_constants(finding, pieces), *(p.strip("\n") + "\n" for p in pieces)])
    return _docstring(finding) + "\n" + _imports(body) + "\n" + body


def tools_involved(finding: Finding) -> dict[str, str]:
    """Tool name → version, without the other converter and the engine that found it."""
    others = {"pnnx", "onnx2ncnn"} - {finding.verdict.route.converter} | {"hypothesis"}
    return {name: version for name, version in finding.tools.items() if name not in others}


def command_line(finding: Finding) -> str:
    """The converter's command line for the model in the current folder."""
    return " ".join(
        [finding.verdict.route.converter, "model.onnx", *map(shlex.quote, route_arguments(finding))]
    )


def route_arguments(finding: Finding) -> list[str]:
    """What follows ``model.onnx`` on the converter's command line."""
    route = finding.verdict.route
    if route.converter == "onnx2ncnn":
        return ["model.ncnn.param", "model.ncnn.bin"]
    arguments = [route.setting] if route.setting else []
    if finding.case.declare_inputshape:
        arguments.append("inputshape=" + inputshape(finding.case.inputs))
    return arguments


def inputshape(inputs: Mapping[str, NDArray[np.generic]]) -> str:
    """pnnx's notation of shapes and types: ``[1,3,9,9]f32,[2]i64``."""
    return ",".join(
        f"[{','.join(map(str, array.shape))}]{_PNNX_TYPES.get(array.dtype.name, 'f32')}"
        for array in inputs.values()
    )


def external_file(finding: Finding) -> str:
    """The file beside the model that its weights are in, where they are external data."""
    return finding.case.external_file or EXTERNAL_DATA_FILE


def save_options(finding: Finding) -> str:
    """Further arguments of ``onnx.save``, as code; empty for a model in one file."""
    if not finding.case.external_data:
        return ""
    return f", save_as_external_data=True, size_threshold=0, location={quoted(external_file(finding))}"


def _pieces(finding: Finding) -> list[str]:
    """The functions of the script, in reading order: what is tested and how first, plumbing after."""
    verdict, converter = finding.verdict, finding.verdict.route.converter
    in_converter = verdict.stage == "convert"
    arguments = "".join(f', "{a}"' for a in route_arguments(finding))
    child_call = _template("main_weights" if verdict.kind.is_weight_fault else "main_child")
    return [
        model_source(finding.case.model),
        _judge(finding),
        *([] if in_converter else [_child(finding), _template("child")]),
        _template(
            "convert",
            SAVE=save_options(finding),
            ARGUMENTS=arguments,
            LOG="log[-12:]" if in_converter else "line for line in log if re.search(NOTABLE, line)",
        ),
        _template(f"find_{converter}"),
        _template("missing"),
        _template(
            "main",
            CHILD="" if in_converter else child_call,
            CLEAR=_CLEAR_LOCATION if finding.case.external_data else "",
        ),
    ]


def _child(finding: Finding) -> str:
    verdict = finding.verdict
    if verdict.kind.is_weight_fault:
        close = "rtol=2e-3, atol=1e-7" if verdict.route.setting == "fp16=1" else "rtol=1e-6, atol=0"
        return _template("child_weights", CLOSE=close) + "\n\n" + _template("leave")
    vulkan = _template("vulkan") if verdict.route.device == "vulkan" else ""
    child = _template(f"child_{verdict.route.converter}")
    return "\n\n".join([child, _template("load", VULKAN=vulkan), _template("leave")])


def _judge(finding: Finding) -> str:
    verdict = finding.verdict
    ways = [] if verdict.route.converter == "pnnx" else _ways_to_feed(finding)
    forms = f"({', '.join(f'({quoted(way)},)' for way in ways)},)" if ways else "[()]"
    one_form = quoted(ways[0]) if ways else ""
    if verdict.stage == "convert":
        refused = _template("judge_refused", CONVERTER=verdict.route.converter)
        return _template(
            "judge_convert",
            CONVERTER=verdict.route.converter,
            REFUSED=refused if verdict.kind is Kind.REFUSED else "",
        )
    if verdict.kind.is_weight_fault:
        return _template("judge_weights")
    if verdict.kind is Kind.NONDETERMINISM:
        return _template("judge_nondeterminism", FORM=one_form)
    if COMPARED_WITH in verdict.evidence:
        return _template("judge_rows", FORM=one_form)
    if verdict.kind in (Kind.CRASH, Kind.HANG, Kind.LOAD_FAILURE):
        only_crash = 'wrong.startswith(("crashed", "hung"))'
        return _template(
            "judge_alive", FORMS=forms, WRONG="wrong" if verdict.kind is Kind.LOAD_FAILURE else only_crash
        )
    per_output = "" if len(_tolerances(finding)) == 1 else "[output.name]"
    integers = any(array.dtype.kind in "biu" for array in finding.expected.values())
    judge = _template(
        "judge_result",
        FORMS=forms,
        PER_OUTPUT=per_output,
        READING="        got = reading(want, got)\n" if integers else "",
    )
    return "\n\n".join([judge, _template("reading")]) if integers else judge


def _ways_to_feed(finding: Finding) -> list[str]:
    """All ways to feed the legacy converter's network: each input without its first axis, or whole."""
    conversion = finding.conversions.get("onnx2ncnn")
    ways = []
    for feeding in conversion.feedings if conversion else ():
        bound = {binding.tensor: binding for binding in feeding.inputs}
        words = []
        for name, array in finding.case.inputs.items():
            word = "whole" if name in bound and bound[name].squeeze_axis is None else "first"
            as_float = array.dtype.kind in "iu" and name in bound and bound[name].dtype == "float32"
            words.append(f"{word}-float" if as_float else word)
        ways.append(" ".join(words))
    return ways or [" ".join([word] * len(finding.case.inputs)) for word in ("first", "whole")]


def _constants(finding: Finding, pieces: list[str]) -> str:
    """Everything with a value: where the script is, how long to wait, inputs, options, tolerance."""
    code = "\n".join(pieces)
    lines = ["SCRIPT = pathlib.Path(__file__).resolve()", "HERE = SCRIPT.parent"]
    lines.append(f"TIMEOUT = {TIMEOUT_S}  # seconds")
    if "NOTABLE" in code:
        lines += ["# Lines of the converter's log that are worth showing:", f'NOTABLE = r"{_NOTABLE}"']
    if "REFUSED" in code:
        lines.append("REFUSED = 10  # exit code of the child when ncnn returns an error")
    if "OPTIONS" in code:
        lines += _options(finding.verdict)
    if "INPUTS" in code or "FEEDS" in code:
        lines.append(_inputs(finding))
    if "FEEDS" in code:
        lines.append(
            "FEEDS = [\n"
            '    np.ascontiguousarray(x, np.int32 if x.dtype.kind in "biu" else np.float32)\n'
            "    for x in INPUTS.values()\n]  # what ncnn takes"
        )
    if "RUNS" in code:
        lines.append(f"RUNS = {NONDETERMINISM_RUNS}")
    if "SHARE" in code:
        lines.append(f"SHARE = {WORTH_TELLING}  # of the largest output: far more than rounding explains")
        lines.append(f"FLOOR = {finding.verdict.evidence.get('floor', FLOOR)}")
    if "TOLERANCE" in code:
        lines.append(_tolerance_lines(finding))
    if "WATCHED" in code:
        names = ", ".join(quoted(name) for name in _watched_weights(finding))
        lines.append(f"WATCHED = [{names}]  # weights that must reach ncnn")
    if "MEANT" in code:
        lines.append(_meant(finding))
    return "\n".join(lines) + "\n"


def _options(verdict: Verdict) -> list[str]:
    """The options of the route; where its row was compared with the baseline, what the row changes apart."""
    values, plain = (options_for(row, verdict.route.device) for row in (verdict.route.options, ""))
    compared = COMPARED_WITH in verdict.evidence
    entries = (f'    "{name}": {value},\n' for name, value in (plain if compared else values).items())
    lines = ["OPTIONS = {\n" + "".join(entries) + "}"]
    if compared:
        changed = (f'"{name}": {value}' for name, value in values.items() if plain.get(name) != value)
        lines += ['if os.environ.get("ROW") == "changed":', f"    OPTIONS |= {{{', '.join(changed)}}}"]
    return lines


def _inputs(finding: Finding) -> str:
    try:
        entries = [
            f"    {quoted(name)}: {wrapped(literal(array), 8)},\n"
            for name, array in finding.case.inputs.items()
        ]
        return "INPUTS = {\n" + "".join(entries) + "}"
    except NotLiteralError:
        return 'INPUTS = dict(np.load(HERE / "inputs.npz"))'


def _tolerances(finding: Finding) -> dict[str, object]:
    return dict(tolerances(finding))


def _tolerance_lines(finding: Finding) -> str:
    found = dict(tolerances(finding))
    note = "  # absolute; what rounding alone may explain"
    if len(found) == 1:
        return f"TOLERANCE = {_tolerance(*found.popitem())}{note}"
    entries = ", ".join(f"{quoted(name)}: {_tolerance(name, value)}" for name, value in found.items())
    return f"TOLERANCE = {{{entries}}}{note}"


def _tolerance(name: str, value: float | NDArray[np.float64]) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f'np.load(HERE / "bounds.npz")[{quoted(name)}]'


def _watched_weights(finding: Finding) -> list[str]:
    """The constant that the weights oracle named, where the script can find it."""
    graph = finding.case.model.graph
    constants = [tensor.name for tensor in graph.initializer]
    constants += [
        node.output[0]
        for node in graph.node
        if node.op_type == "Constant" and [a.name for a in node.attribute] == ["value"]
    ]
    named = finding.verdict.evidence.get("constant")
    return [name for name in constants if name == named]


def _meant(finding: Finding) -> str:
    """Which of the blobs must hold which values: those of the fault, in every order that makes sense."""
    evidence = finding.verdict.evidence
    orders, position = evidence.get(MEANT), evidence.get(POSITION)
    if not isinstance(orders, list):
        return "MEANT = {}  # blob: the values it must hold"
    listed = ", ".join(literal(np.array(order, np.float32)) for order in orders)
    return f"MEANT = {{{position}: {wrapped(f'[{listed}]', 4)}}}  # blob: its values, in any of these orders"


def _docstring(finding: Finding) -> str:
    route = finding.verdict.route
    tools = ", ".join(f"{name} {version}" for name, version in tools_involved(finding).items())
    lines = [
        finding.title,
        "",
        *_fold(finding.verdict.detail),
        *_fold(f"Route: {route}." + (f" Seen with {tools}." if tools else "")),
        "",
        f"Needs: pip install numpy onnx onnxruntime ncnn; {_INSTALL[route.converter]}",
        "Run:   python reproduce.py",
        "Exit:  1 the bug is there, 0 it is gone, 3 a tool is missing, 2 this script itself failed",
    ]
    text = "\n".join(lines).replace("\\", "\\\\").replace('"""', "'''")
    printable = "".join(c if c == "\n" or c.isprintable() else "?" for c in text)
    return f'"""{printable}\n"""\n'


def _fold(text: str) -> list[str]:
    return wrapped(text, 0).splitlines()


def _imports(body: str) -> str:
    used = [f"import {name}\n" for name in _STANDARD if re.search(rf"\b{re.escape(name)}\.", body)]
    third = [
        name
        for name in ("ncnn", "onnx", "onnxruntime")
        if re.search(rf"(?<![\w\"/]){name}\.(?!param|bin)", body)
    ]
    if re.search(r"\bnp\.", body):
        third.append("numpy as np")
    third = sorted(third)
    pulled = [name for name in ("TensorProto", "helper", "numpy_helper") if re.search(rf"\b{name}\b", body)]
    lines = [f"    import {name}\n" for name in third]
    if pulled:
        lines.append(f"    from onnx import {', '.join(pulled)}\n")
    guard = (
        "try:\n" + "".join(lines) + "except ImportError as error:\n"
        '    print(f"{error}; get it with: pip install numpy onnx onnxruntime ncnn")\n    sys.exit(3)\n'
    )
    return "".join(used) + "\n" + guard


def _template(name: str, **values: str) -> str:
    text = (resources.files("fuzzconv.report") / "templates" / f"{name}.txt").read_text()
    for key, value in values.items():
        text = text.replace("{{" + key + "}}", value)
    return text
