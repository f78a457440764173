"""``ISSUE.md``: a finding as upstream's own issue form wants it, ready to paste.

The headings are those of Tencent/ncnn's ``.github/ISSUE_TEMPLATE`` (``model-convert.md`` and ``bug.md``);
what the forms leave open (expected against actual, the .param with names, the byte map) goes under "more".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from fuzzconv.case import Array
from fuzzconv.findings.finding import Blame, Finding
from fuzzconv.report.byte_map import byte_map, byte_map_text
from fuzzconv.report.machine import machine
from fuzzconv.report.model_code import model_source
from fuzzconv.report.model_text import case_text
from fuzzconv.report.param_text import named_param
from fuzzconv.report.plain_run import fed_forms, plain_run
from fuzzconv.report.ranking import LEGACY_CONVERTER
from fuzzconv.report.script import command_line, external_file, save_options, tools_involved
from fuzzconv.report.side_by_side import side_by_side
from fuzzconv.report.tolerance import tolerances

LISTED_ELEMENTS = 24
_MAX_LOG_LINES = 30
_MAX_MODEL_LINES = 60
_ABOUT_PNNX = (
    "The wheel's native binary is `pnnx/pnnx` in site-packages; the script that pip puts on PATH wants torch."
)
_ECHO = re.compile(r"\w+ = ")
"""How pnnx begins: every option it was given, and the names of the files it will write."""
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def issue_text(finding: Finding) -> str:
    """The whole of ``ISSUE.md``: title, then upstream's sections."""
    sections = [
        f"# {one_line(finding.title)}",
        "" if finding.verdict.detail in finding.title else one_line(finding.verdict.detail),
        _section("error log | 日志或报错信息 | ログ", _error_log(finding)),
        _section("model | 模型 | モデル", _model(finding)),
        _section("how to reproduce | 复现步骤 | 再現方法", _steps(finding)),
        _section("context | 编译/运行环境 | バックグラウンド", _context(finding)),
        _section("more | 其他 | その他", _more(finding)),
    ]
    return "\n\n".join(part.strip("\n") for part in sections if part) + "\n"


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence no line of ``text`` can close; terminal colours are taken out."""
    clean = "".join(c if c in "\n\t" or c.isprintable() else "�" for c in _ESCAPES.sub("", text))
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{clean.rstrip()}\n{fence}"


def one_line(text: str) -> str:
    """``text`` as Markdown prose on one line: nothing in it is markup, nothing invisible."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", " ".join(visible.split()))


def code(text: str) -> str:
    """``text`` as inline code."""
    visible = "".join(c if c.isprintable() else " " for c in text)
    return "`" + visible.replace("`", "'").replace("|", "\\|") + "`"


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _error_log(finding: Finding) -> str:
    log = "\n".join(_log_lines(finding)[-_MAX_LOG_LINES:])
    if log:
        return fenced(log)
    return "None: every tool ends with exit status 0 and prints nothing about it."


def _log_lines(finding: Finding) -> list[str]:
    """What the tools said: the evidence's own excerpt, or the converter's warnings."""
    lines = str(finding.verdict.evidence.get("stderr", "")).splitlines()
    conversion = finding.conversions.get(conversion_of(finding))
    if conversion and not any(line.strip() for line in lines):
        lines = [*conversion.warnings, *conversion.unsupported]
    return [line for line in lines if line.strip() and not _ECHO.match(line)]


def conversion_of(finding: Finding) -> str:
    """``CONVERTER[:SETTING]`` of the finding's route."""
    return str(finding.verdict.route).partition("/")[0]


def _model(finding: Finding) -> str:
    text = case_text(finding.case)
    if text.count("\n") > _MAX_MODEL_LINES:
        text = "\n".join(text.splitlines()[:_MAX_MODEL_LINES]) + "\n… (whole in model.txt)"
    attached = "`model.onnx`"
    if finding.case.external_data:
        attached += f" with its weights beside it in {code(external_file(finding))} (external data)"
    return f"1. original model: {attached}, which is\n\n" + fenced(text)


def _steps(finding: Finding) -> str:
    legacy = finding.verdict.route.converter == LEGACY_CONVERTER
    install = "pip install numpy onnx onnxruntime ncnn"
    if not legacy:
        install += "\npip install --no-deps pnnx"
    steps = f"1. Install:\n\n{fenced(install, 'sh')}\n\n"
    steps += (_about_onnx2ncnn(finding) if legacy else _ABOUT_PNNX) + "\n\n"
    steps += f"2. Convert `model.onnx` (attached):\n\n{fenced(command_line(finding), 'sh')}\n\n"
    steps += _plain_run(finding)
    needs = "needs `$ONNX2NCNN`" if legacy else "needs nothing else"
    steps += f"Or let `reproduce.py` (attached, {needs}) build the model, convert it, run it and "
    steps += "compare; it exits with 1 while the bug is there:\n\n" + fenced("python reproduce.py", "sh")
    source = model_source(finding.case.model)
    if "stored_model" not in source:
        steps += f"\n\nThe model in code:\n\n{fenced(_with_imports(finding, source), 'python')}"
    return steps


def _with_imports(finding: Finding, source: str) -> str:
    """The function that builds the model, with the imports it needs, and how it is saved if that matters."""
    from_onnx = [name for name in ("TensorProto", "helper", "numpy_helper") if f"{name}." in source]
    head = "import numpy as np\n" if "np." in source else ""
    head += "import onnx\n" if finding.case.external_data else ""
    head += f"from onnx import {', '.join(from_onnx)}\n\n\n"
    tail = (
        f'\n\nonnx.save(build_model(), "model.onnx"{save_options(finding)})'
        if finding.case.external_data
        else ""
    )
    return head + source.rstrip() + tail


def _about_onnx2ncnn(finding: Finding) -> str:
    """Where this converter comes from: no package has it, and its code is old."""
    version = finding.tools.get("onnx2ncnn", "")
    return (
        "onnx2ncnn is in no pip package: it is ncnn's `tools/onnx`, which upstream calls legacy and replaces "
        f"by pnnx. Build it and let `$ONNX2NCNN` name the binary{_seen_with(version)}."
    )


def _seen_with(version: str) -> str:
    return f"; this was seen with {one_line(version)}" if version else ""


def _plain_run(finding: Finding) -> str:
    """Step 3, where the network is run at all."""
    conversion = finding.conversions.get(conversion_of(finding))
    source = plain_run(finding, conversion)
    if not source:
        return ""
    told = f"3. Run:\n\n{fenced(source, 'python')}\n\n"
    if fed_forms(conversion) > 1:
        told += "Fed whole instead, with the first axis kept, it is wrong as well.\n\n"
    return told


def _context(finding: Finding) -> str:
    """Versions of what took part (the other converter did not), then the machine."""
    here = machine()
    tools = tools_involved(finding).items()
    rows = [*tools, ("CPU", here["cpu"]), ("OS", here["os"]), ("Python", here["python"])]
    return "\n".join(f"- {one_line(str(name))}: {one_line(str(value))}" for name, value in rows)


def _more(finding: Finding) -> str:
    parts = [_values(finding), _routes(finding), _param(finding), _weights(finding), _blame(finding)]
    k, n = finding.reproduced
    if n:
        flaky = " (flaky)" if k < n else ""
        parts.append(f"Reproduced in {k} of {n} fresh processes{flaky}.")
    return "\n\n".join(part for part in parts if part)


def _values(finding: Finding) -> str:
    actual = finding.actual.get(str(finding.verdict.route))
    if not actual or finding.verdict.stage != "compare":
        return ""
    tables = [
        _value_table(finding, name, np.asarray(expected), actual.get(name))
        for name, expected in finding.expected.items()
    ]
    return "### expected and actual\n\n" + "\n\n".join(tables)


def _value_table(finding: Finding, name: str, expected: Array, actual: Array | None) -> str:
    title = f"Output {code(name)}, expected {expected.dtype}{list(expected.shape)}"
    if actual is None:
        return f"{title}: ncnn gave an empty blob."
    if np.squeeze(actual).shape != np.squeeze(expected).shape:
        listed = [(f"expected {list(expected.shape)}", expected), (f"actual {list(actual.shape)}", actual)]
        return f"{title}, actual {list(actual.shape)}:\n\n" + fenced(
            "\n".join(f"{label}\n{_short(array)}" for label, array in listed)
        )
    wanted, found = expected.astype(np.float64), actual.reshape(expected.shape).astype(np.float64)
    allowed = np.broadcast_to(np.asarray(tolerances(finding)[name]), expected.shape)
    difference = np.abs(found - wanted)
    bad = ~(difference <= allowed)
    worst = np.argsort(-np.where(np.isnan(difference), np.inf, difference), axis=None, kind="stable")
    shown = range(expected.size) if expected.size <= LISTED_ELEMENTS else sorted(worst[:LISTED_ELEMENTS])
    rows = [
        (
            str(list(map(int, np.unravel_index(i, expected.shape)))) if expected.ndim else "[]",
            *(f"{array.flat[i]:.9g}" for array in (wanted, found, difference, allowed)),
            "**wrong**" if bad.flat[i] else "",
        )
        for i in shown
    ]
    summary = f"{title}: {int(bad.sum())} of {expected.size} elements wrong"
    summary += "." if len(rows) == expected.size else f"; the {len(rows)} worst:"
    return f"{summary}\n\n" + table(("index", "expected", "actual", "difference", "allowed", ""), rows)


def _short(array: Array) -> str:
    return np.array2string(array, threshold=LISTED_ELEMENTS * 2, edgeitems=2, separator=", ")


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; cells are used as they are."""
    head = list(header)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _routes(finding: Finding) -> str:
    if len(finding.verdicts) < 2:
        return ""
    alike: dict[tuple[str, str], list[str]] = {}
    for verdict in finding.verdicts:
        alike.setdefault((verdict.kind.value, verdict.detail), []).append(code(str(verdict.route)))
    rows = [(", ".join(routes), kind, one_line(detail)) for (kind, detail), routes in alike.items()]
    return "### the same model on every route\n\n" + table(("route", "verdict", "what happened"), rows)


def _param(finding: Finding) -> str:
    conversion = finding.conversions.get(conversion_of(finding))
    if conversion is None or not conversion.param:
        return ""
    named = named_param(conversion.param)
    return f"### {conversion.converter}'s .param, parameters named\n\n{fenced(named)}"


def _weights(finding: Finding) -> str:
    """The byte map, for weight faults only."""
    identity = conversion_of(finding)
    conversion, trace = finding.conversions.get(identity), finding.traces.get(identity)
    if not finding.verdict.kind.is_weight_fault or conversion is None or conversion.weights is None:
        return ""
    found = byte_map(finding.case.model, conversion.weights, trace.blobs if trace else ())
    title = "### the .bin around the fault: what was written, what ncnn reads"
    consumed = f"ncnn reads {trace.consumed} of {found.size} bytes.\n\n" if trace else ""
    return f"{title}\n\n{consumed}{fenced(byte_map_text(found))}"


def _blame(finding: Finding) -> str:
    """The stage and what shows it; where none is known, the operator at every stage, to be compared."""
    blame = finding.blame
    layer = f", layer {code(blame.layer)}" if blame.layer else ""
    conversion = finding.conversions.get(conversion_of(finding))
    stages = side_by_side(finding.case.model, conversion)
    if blame.stage == Blame().stage and stages:
        return f"### where it goes wrong\n\nCompare what each stage has{layer}:\n\n{fenced(stages)}"
    evidence = "".join(
        f"\n- {one_line(sentence)}" for sentence in blame.evidence if "torch is not installed" not in sentence
    )
    told = f"### where it goes wrong\n\n{one_line(blame.stage)}{layer}{evidence}"
    shown = stages and finding.verdict.stage == "compare" and not finding.verdict.kind.is_weight_fault
    return f"{told}\n\n{fenced(stages)}" if shown else told
