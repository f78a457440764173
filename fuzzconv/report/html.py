"""The HTML report of a run: one self-contained file that opens offline and reads without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

from fuzzconv.report.coverage import FEWEST
from fuzzconv.report.curve_svg import curve_svg, duration
from fuzzconv.report.finding_html import finding_html, status_of
from fuzzconv.report.finding_record import FindingRecord
from fuzzconv.report.markup import Markup, element, joined
from fuzzconv.report.matrix import build_matrix
from fuzzconv.report.matrix_html import matrix_html
from fuzzconv.report.run_report import RunReport
from fuzzconv.route import is_baseline
from fuzzconv.verdict import Kind

REPORT_FILE = "report.html"
_FILTERS = ("status", "kind", "converter", "device", "operator")


def write_html(report: RunReport, path: Path) -> Path:
    """Write the report to ``path`` and return it.

    Raises:
        OSError: the file can't be written.
    """
    path.write_text(html_text(report), encoding="utf-8")
    return path


def html_text(report: RunReport) -> str:
    """The whole document."""
    sections = [
        ("summary", "Summary", _summary(report)),
        ("findings", "Findings", _findings(report)),
        ("known", "Known bugs, replayed", _replayed(report)),
        ("details", "Each finding", joined(finding_html(record) for record in report.findings)),
        ("matrix", "Support matrix", matrix_html(build_matrix(report.matrix))),
        ("thin", "Rarely compared", _thin(report)),
        ("curves", "Over time", _curves(report)),
        ("tools", "Tools and machine", _tools(report)),
    ]
    shown = [(name, title, body) for name, title, body in sections if body]
    links = (element("a", title, href=f"#{name}") for name, title, _ in shown)
    # Chromium takes a page without a declared icon for a reason to ask the network for one.
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        Markup('<link rel="icon" href="data:,">'),
        element("title", f"fuzzconv: {report.name}"),
        element("style", _asset("report.css")),
    )
    body = element(
        "body",
        element("header", element("h1", "fuzzconv ", element("small", report.name)), element("nav", *links)),
        element("main", *(_section(*section) for section in shown)),
        element("script", _asset("report.js")),
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _section(name: str, title: str, body: Markup) -> Markup:
    return element("section", element("h2", title), body, id=name)


def _asset(name: str) -> Markup:
    return Markup((resources.files("fuzzconv.report") / "templates" / name).read_text(encoding="utf-8"))


def _summary(report: RunReport) -> Markup:
    facts = report.facts
    known = len(report.findings) - len(report.new)
    silent = sum(bool(record.facts.get("silent")) for record in report.new)
    tiles = [
        (str(len(report.new)), "new findings", f"{silent} of them silent"),
        (str(known), "known bugs met", ""),
        (_count(facts.get("cases")), "cases", f"{_count(facts.get('executions'))} tool runs"),
        (f"{_number(facts.get('cases_per_s')):.1f}", "cases per second", _plural(facts.get("jobs"), "job")),
        (_count(facts.get("compared")), "compared", "on at least one pnnx route"),
        (
            duration(_number(facts.get("elapsed_s"))),
            "elapsed",
            f"of {duration(_number(facts.get('budget_s')))}; seed {facts.get('seed', '?')}",
        ),
    ]
    cards = (
        element("div", element("b", value), element("span", label), element("small", more), class_="tile")
        for value, label, more in tiles
    )
    problems = [element("p", problem, class_="problem") for problem in report.problems]
    return joined([element("div", *cards, class_="tiles"), *problems, _routes(report)])


def _routes(report: RunReport) -> Markup:
    """Routes against verdict kinds (option rows and variants folded away), then what did not run and why."""
    verdicts = report.facts.get("verdicts", {})
    main = {route: counts for route, counts in verdicts.items() if is_baseline(route)}
    others = {route: counts for route, counts in verdicts.items() if route not in main}
    summary = element("summary", f"{len(others)} option rows and metamorphic variants")
    folded = element("details", summary, _verdict_table(others)) if others else None
    skipped = [
        element("li", element("code", route), f": {reason}")
        for route, reason in sorted(report.facts.get("skipped", {}).items())
    ]
    left_out = [
        element("li", f"{count} cases did not go through Vulkan: {reason}")
        for reason, count in sorted(report.facts.get("left_out", {}).items())
    ]
    not_run = joined([element("h3", "Not run"), element("ul", *skipped, *left_out)])
    return joined(
        [
            element("h3", "Verdicts by route"),
            _verdict_table(main) if main else element("p", "No case was judged."),
            folded,
            not_run if skipped or left_out else None,
        ]
    )


def _verdict_table(verdicts: Mapping[str, Mapping[str, int]]) -> Markup:
    kinds = [kind for kind in Kind if any(kind.value in counts for counts in verdicts.values())]
    head = element("tr", element("th", "route"), *(element("th", _words(kind)) for kind in kinds))
    rows = [
        element(
            "tr",
            element("th", element("code", route), scope="row"),
            *(_count_cell(kind, counts.get(kind.value)) for kind in kinds),
        )
        for route, counts in sorted(verdicts.items())
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="numbers counts cards")
    return element("div", table, class_="scroll")


def _count_cell(kind: Kind, count: int | None) -> Markup:
    bad = "bad" if kind.is_bad and count else None
    return element("td", str(count or ""), class_=bad, data_label=_words(kind))


def _words(kind: Kind) -> str:
    return kind.value.replace("_", " ")


def _findings(report: RunReport) -> Markup:
    if not report.findings:
        return element("p", "Nothing was found.")
    names = ("finding", "kind", "status", "converter", "device", "operators", "nodes", "largest dim", "said")
    head = element("tr", *(element("th", name, scope="col") for name in names))
    rows = [_row(record) for record in report.findings]
    table = element(
        "table", element("thead", head), element("tbody", *rows), class_="cards listing", id="table"
    )
    return joined([_filters(report.findings), element("div", table, class_="scroll")])


def _row(record: FindingRecord) -> Markup:
    operators = [str(operator) for operator in record.facts.get("operators", [])]
    device = record.text("device") or "any"
    cells = [
        ("finding", element("a", record.text("title"), href=f"#{record.slug}"), None),
        ("kind", _words(record.kind), record.kind.rank),
        ("status", status_of(record), None),
        ("converter", record.text("converter"), None),
        ("device", device, None),
        ("operators", " → ".join(operators), None),
        ("nodes", str(record.facts.get("nodes", "")), record.facts.get("nodes")),
        ("largest dim", str(record.facts.get("max_dim", "")), record.facts.get("max_dim")),
        ("said", "nothing (silent)" if record.facts.get("silent") else "a warning", None),
    ]
    return element(
        "tr",
        *(element("td", value, data_label=label, data_sort=sort) for label, value, sort in cells),
        data_status=status_of(record),
        data_kind=_words(record.kind),
        data_converter=record.text("converter"),
        data_device=device,
        data_operator=" ".join(sorted(set(operators))),
    )


def _filters(records: Sequence[FindingRecord]) -> Markup:
    """Hidden until the script, which alone can make them work, shows them."""
    choices = {
        "status": {status_of(r) for r in records},
        "kind": {_words(r.kind) for r in records},
        "converter": {r.text("converter") for r in records},
        "device": {r.text("device") or "any" for r in records},
        "operator": {str(o) for r in records for o in r.facts.get("operators", [])},
    }
    selects = [
        element(
            "label",
            name,
            element("select", element("option", "all", value=""), *_options(choices[name]), data_filter=name),
        )
        for name in _FILTERS
    ]
    return element("form", *selects, element("output", id="shown"), id="filters", hidden=True)


def _options(values: Iterable[str]) -> list[Markup]:
    return [element("option", value, value=value) for value in sorted(values)]


def _replayed(report: RunReport) -> Markup | None:
    if not report.replayed:
        return None
    head = element("tr", *(element("th", name) for name in ("known bug", "status", "title", "detail")))
    rows = [
        element(
            "tr",
            element("td", element("code", known.slug)),
            element(
                "td", known.status, class_="ok" if known.status == "fixed" else None, data_label="status"
            ),
            element("td", known.title, class_="wide", data_label="title"),
            element("td", known.detail, class_="wide", data_label="detail"),
        )
        for known in report.replayed
    ]
    table = element("table", element("thead", head), element("tbody", *rows), class_="numbers cards")
    return element("div", table, class_="scroll")


def _thin(report: RunReport) -> Markup | None:
    """Features with too few comparisons to say anything about them: what this run did not test."""
    rows = report.facts.get("thin")
    if not isinstance(rows, dict) or not rows:
        return None
    told = ", ".join(f"{feature} ({_of_generated(counts)})" for feature, counts in rows.items())
    introduction = f"Fewer than {FEWEST} comparisons through pnnx (in brackets: how many, of how many cases):"
    return joined([element("p", introduction), element("p", told)])


def _of_generated(counts: object) -> str:
    """``3 of 60``; runs of older versions tell the comparisons alone."""
    return f"{counts['compared']} of {counts['generated']}" if isinstance(counts, dict) else str(counts)


def _curves(report: RunReport) -> Markup | None:
    if len(report.curve) < 2:
        return None
    seconds = [point.elapsed for point in report.curve]
    series = [
        ("cases", [point.cases for point in report.curve]),
        ("distinct signatures", [point.signatures for point in report.curve]),
        ("operators covered", [point.operators for point in report.curve]),
    ]
    charts = (
        element("figure", element("figcaption", label), curve_svg(label, seconds, values))
        for label, values in series
    )
    return element("div", *charts, class_="charts")


def _tools(report: RunReport) -> Markup:
    facts = {**report.facts.get("tools", {}), **report.machine}
    pairs = (joined([element("dt", str(name)), element("dd", str(value))]) for name, value in facts.items())
    return element("dl", *pairs)


def _plural(value: object, noun: str) -> str:
    return f"{_count(value)} {noun}" + ("" if value == 1 else "s")


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _count(value: object) -> str:
    return f"{int(_number(value)):,}".replace(",", "\u202f")
