"""One finding's section of the HTML report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fuzzconv.report.byte_map import byte_map
from fuzzconv.report.byte_map_html import byte_map_html
from fuzzconv.report.finding_record import FindingRecord
from fuzzconv.report.graph_svg import graph_svg
from fuzzconv.report.markup import Markup, element, joined
from fuzzconv.report.model_text import array_text, model_text
from fuzzconv.report.param_text import named_param
from fuzzconv.report.tensor_html import output_html

_MAX_LOG = 4000


def finding_html(record: FindingRecord) -> Markup:
    """The whole ``<article>``: what happened, the graph, values, weights, blame, commands."""
    parts = [
        element("h3", record.text("title"), " ", _anchor(record.slug)),
        element("p", *_badges(record), class_="badges"),
        element("p", record.text("detail")),
        _warned(record),
        _graph(record),
        _values(record),
        _weights(record),
        _blame(record.facts.get("blame", {})),
        _routes(record),
        _commands(record),
        *_attachments(record),
    ]
    return element("article", joined(part for part in parts if part is not None), id=record.slug)


def status_of(record: FindingRecord) -> str:
    """``new`` or ``known``."""
    return "known" if record.known else "new"


def _anchor(slug: str) -> Markup:
    return element("a", "#", href=f"#{slug}", class_="anchor", aria_label="link to this finding")


def _badges(record: FindingRecord) -> list[Markup]:
    hits, runs = record.facts.get("reproduced") or (0, 0)
    said = [
        (record.kind.value.replace("_", " "), "kind"),
        (
            "silent" if record.facts.get("silent") else "warned",
            "silent" if record.facts.get("silent") else "",
        ),
        (record.text("route"), ""),
        (f"known: {record.known}" if record.known else "new", ""),
    ]
    if runs:
        said.append((f"reproduced {hits} of {runs}" + (", flaky" if hits < runs else ""), ""))
    return [element("span", text, class_=f"badge {name}".strip()) for text, name in said if text]


def _warned(record: FindingRecord) -> Markup | None:
    warned = record.text("warned")
    return joined([element("h4", "what the tool said"), _pre(warned, copy=False)]) if warned else None


def _graph(record: FindingRecord) -> Markup | None:
    if record.model is None:
        return None
    picture = graph_svg(record.model)
    fed = [
        element("li", element("code", f"{name} = {array_text(array)}"))
        for name, array in record.inputs.items()
    ]
    inputs = joined([element("h4", "fed"), element("ul", *fed, class_="fed")]) if fed else None
    heading = element("h4", f"the model (opset {record.facts.get('opset', '?')})")
    if picture is None:
        return joined([heading, _pre(model_text(record.model), copy=False), inputs])
    return joined([heading, element("div", picture, class_="scroll"), inputs])


def _values(record: FindingRecord) -> Markup | None:
    if record.facts.get("verdict", {}).get("stage") != "compare" or not record.expected:
        return None
    blocks = [
        output_html(name, expected, record.actual.get(name), record.bounds.get(name))
        for name, expected in record.expected.items()
    ]
    return element("div", *blocks, class_="values")


def _weights(record: FindingRecord) -> Markup | None:
    if not record.kind.is_weight_fault or not record.weights or record.model is None:
        return None
    found = byte_map(record.model, record.weights, record.reads)
    consumed = record.facts.get("weight_reads", {}).get(record.conversion, {}).get("consumed", "?")
    said = f"ncnn reads {consumed} of the .bin's {found.size} bytes."
    title = element("h4", "the .bin: as written, as read")
    return joined([title, element("p", said), byte_map_html(found)])


def _blame(blame: Mapping[str, Any]) -> Markup | None:
    stage = str(blame.get("stage") or "")
    if not stage:
        return None
    layer = joined([", layer ", element("code", str(blame["layer"]))]) if blame.get("layer") else None
    evidence = [element("li", str(sentence)) for sentence in blame.get("evidence", [])]
    said = element("p", element("strong", stage), layer)
    return joined(
        [element("h4", "where it goes wrong"), said, element("ul", *evidence) if evidence else None]
    )


def _routes(record: FindingRecord) -> Markup | None:
    verdicts = record.facts.get("verdicts", [])
    if len(verdicts) < 2:
        return None
    rows = [
        element(
            "tr",
            element("td", element("code", str(v["route"]))),
            element("td", str(v["kind"]).replace("_", " "), class_="ok" if v["kind"] == "ok" else None),
            element("td", str(v["detail"]), class_="wide", data_label="what happened"),
        )
        for v in verdicts
    ]
    head = element("tr", *(element("th", name) for name in ("route", "verdict", "what happened")))
    table = element("table", element("thead", head), element("tbody", *rows), class_="numbers cards")
    return joined([element("h4", "the same model on every route"), element("div", table, class_="scroll")])


def _commands(record: FindingRecord) -> Markup:
    folder = f"findings/{record.slug}"
    install = "pip install numpy onnx onnxruntime ncnn"
    if record.text("converter") == "pnnx":
        install += " && pip install --no-deps pnnx"
    lines = [install, f"python {folder}/reproduce.py", f"python -m fuzzconv corpus add {folder}"]
    return joined(
        [element("h4", "commands, from the folder of this run"), *(_pre(line, wrap=True) for line in lines)]
    )


def _attachments(record: FindingRecord) -> list[Markup | None]:
    return [
        _folded(".param with parameters named", named_param(record.param) if record.param else ""),
        _folded("reproduce.py", record.script),
        _folded("ISSUE.md, ready for upstream", record.issue),
        _folded("what the tools printed", _log(record), copy=False),
    ]


def _log(record: FindingRecord) -> str:
    said = str(record.facts.get("verdict", {}).get("evidence", {}).get("stderr", ""))
    return said if len(said) <= _MAX_LOG else "…" + said[-_MAX_LOG:]


def _folded(title: str, text: str, *, copy: bool = True) -> Markup | None:
    if not text.strip():
        return None
    return element("details", element("summary", title), _pre(text, copy=copy))


def _pre(text: str, *, copy: bool = True, wrap: bool = False) -> Markup:
    pre = element("pre", element("code", text.rstrip("\n")), class_="wrap" if wrap else None)
    return element("div", pre, class_="copy" if copy else "plain")
