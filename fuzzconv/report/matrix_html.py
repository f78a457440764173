"""The support matrix as an HTML table: operators against routes, each operator's forms folded below it."""

from __future__ import annotations

from fuzzconv.report.markup import Markup, element, joined
from fuzzconv.report.matrix import (
    Answer,
    ClaimCheck,
    Counts,
    Matrix,
    cell_text,
    check_claims,
    headline,
    judged,
)

_EXPLAINED = {
    Answer.RIGHT: "no case wrong, some right",
    Answer.WRONG: "a fault no tool gave word about",
    Answer.WARNED: "a fault that a tool announced",
    Answer.UNSUPPORTED: "the tool says it can't",
    Answer.UNTESTED: "never met, or could not be judged",
}


def matrix_html(matrix: Matrix) -> Markup:
    """The whole section's body; cells show right cases of judged ones."""
    if not matrix.cells:
        return element("p", "Nothing was counted.")
    legend = element(
        "ul",
        *(
            element("li", element("span", class_=f"key a-{answer.value}"), f"{answer.value}: {meaning}")
            for answer, meaning in _EXPLAINED.items()
        ),
        class_="legend",
    )
    head = element("tr", element("th", "operator"), *(element("th", _route(route)) for route in matrix.shown))
    rows = [row for operator in matrix.operators for row in _operator(matrix, operator)]
    table = element("table", element("thead", head), *rows, class_="matrix")
    note = element(
        "p",
        "Right cases of judged ones (no: only unsupported); the colour is the worst answer seen.",
        class_="note",
    )
    return joined([note, legend, element("div", table, class_="scroll tall"), _claims(matrix)])


def _operator(matrix: Matrix, operator: str) -> list[Markup]:
    """The operator's row, and one that unfolds to its forms."""
    forms = sorted(matrix.cells[operator].items())
    total = element(
        "tr",
        element("th", operator, scope="row"),
        *(_cell(matrix.total(operator, route)) for route in matrix.shown),
    )
    head = element(
        "tr",
        *(element("th", name) for name in ("opset", "dtype", "rank")),
        *(element("th", _route(route)) for route in matrix.shown),
    )
    rows = [
        element(
            "tr",
            *(element("td", str(part)) for part in form),
            *(_cell(by_route.get(route, Counts())) for route in matrix.shown),
        )
        for form, by_route in forms
    ]
    plural = "form" if len(forms) == 1 else "forms"
    unfolded = element(
        "details",
        element("summary", f"{len(forms)} {plural} (opset, dtype, rank)"),
        element("table", head, *rows, class_="matrix inner"),
    )
    folded = element("tr", element("td", unfolded, colspan=len(matrix.shown) + 1), class_="forms")
    return [element("tbody", total, folded)]


def _cell(counts: Counts) -> Markup:
    answer = headline(counts)
    said = ", ".join(f"{counts[a]} {a.value}" for a in Answer if counts[a])
    unjudged = "no" if answer is Answer.UNSUPPORTED else "–"
    text = f"{counts[Answer.RIGHT]}/{judged(counts)}" if judged(counts) else unjudged
    return element("td", text, class_=f"a-{answer.value}", title=f"{answer.value}: {said or 'never met'}")


def _route(route: str) -> Markup:
    """A route's id that may break after its converter."""
    left, slash, right = route.partition("/")
    return joined([left + slash, Markup("<wbr>"), right])


def _claims(matrix: Matrix) -> Markup:
    checks = [c for c in check_claims(matrix) if c.verdict not in ("as claimed", "not judged")]
    title = element("h3", "Against pnnx's published operator table")
    if not checks:
        return joined([title, element("p", "Nothing seen speaks against it.")])
    rows = [
        element(
            "tr",
            element("th", c.operator, scope="row"),
            element("td", c.verdict),
            element("td", _note(c), data_label="pnnx's note"),
            element("td", cell_text(c.seen), class_=f"a-{headline(c.seen).value}", data_label="seen"),
        )
        for c in sorted(checks, key=lambda c: (c.verdict, c.operator))
    ]
    head = element("tr", *(element("th", name) for name in ("operator", "verdict", "pnnx's note", "seen")))
    table = element("table", element("thead", head), element("tbody", *rows), class_="matrix cards")
    return joined([title, element("div", table, class_="scroll")])


def _note(check: ClaimCheck) -> str:
    return check.claim.note if check.claim else "not in the table"
