import csv

from fuzzconv.findings.store import MatrixCell
from fuzzconv.report.matrix import (
    Answer,
    answer_of,
    build_matrix,
    cell_text,
    check_claims,
    headline,
    matrix_csv,
    matrix_markdown,
    pnnx_claims,
)
from fuzzconv.verdict import Kind

PNNX, OTHER = "pnnx:fp16=0/cpu", "onnx2ncnn/cpu"


def cell(operator: str, kind: str, cases: int = 1, *, route: str = PNNX, opset: int = 13) -> MatrixCell:
    return MatrixCell(operator, opset, "float", 4, route, kind, cases)


CELLS = [
    cell("Conv", "ok", 7),
    cell("Conv", "divergence", 2),
    cell("Conv", "ok", 1, opset=18),
    cell("Conv", "unsupported", 3, route=OTHER),
    cell("Hardmax", "unsupported", 4),
    cell("Erf", "ok", 5),
    cell("Tan", "unsupported", 2),
    cell("Relu", "ok", 3),
    cell("Abs", "skipped", 9),
]


def test_every_verdict_kind_has_an_answer() -> None:
    assert {kind.value: answer_of(kind.value).value for kind in Kind} == {
        "ok": "right",
        "skipped": "untested",
        "unsupported": "unsupported",
        "refused": "warned",
        "load_failure": "warned",
        "hang": "wrong",
        "crash": "wrong",
        "shape_mismatch": "wrong",
        "nan": "wrong",
        "divergence": "wrong",
        "nondeterminism": "wrong",
        "weight_lost": "wrong",
        "weight_shift": "wrong",
        "weight_nan": "wrong",
    }
    assert answer_of("warned divergence") is Answer.WARNED


def test_cells_add_up_over_forms() -> None:
    matrix = build_matrix(CELLS)
    assert matrix.routes == (OTHER, PNNX)
    total = matrix.total("Conv", PNNX)
    assert (total[Answer.RIGHT], total[Answer.WRONG]) == (8, 2)
    assert headline(total) is Answer.WRONG
    assert cell_text(total) == "wrong 8/10"
    assert cell_text(matrix.total("Conv", OTHER)) == "unsupported"
    assert cell_text(matrix.total("Relu", OTHER)) == "untested"


def test_csv_has_a_line_for_every_form_and_route() -> None:
    rows = list(csv.DictReader(matrix_csv(build_matrix(CELLS)).splitlines()))
    assert len(rows) == 7 * 2
    conv = next(r for r in rows if (r["operator"], r["opset"], r["route"]) == ("Conv", "13", PNNX))
    assert (conv["dtype"], conv["rank"], conv["right"], conv["wrong"], conv["untested"]) == (
        "float",
        "4",
        "7",
        "2",
        "0",
    )


def test_pnnxs_table_is_there_as_published() -> None:
    claims = pnnx_claims()
    assert len(claims) == 81
    assert claims["Conv"].to_ncnn
    assert not claims["Erf"].to_ncnn
    assert claims["DepthToSpace"].note == "only mode='CRD'"


def test_claims_are_held_against_what_was_seen() -> None:
    assert {c.operator: c.verdict for c in check_claims(build_matrix(CELLS))} == {
        "Abs": "not judged",
        "Conv": "claimed but wrong",
        "Erf": "unclaimed but working",
        "Hardmax": "as claimed",
        "Relu": "as claimed",
        "Tan": "claimed but unsupported",
    }


def test_markdown_names_what_does_not_hold() -> None:
    text = matrix_markdown(build_matrix(CELLS))
    assert "| operator | `onnx2ncnn/cpu` | `pnnx:fp16=0/cpu` |" in text
    assert "| Conv | unsupported | wrong 8/10 |" in text
    assert "| Conv | claimed but wrong |  | wrong 8/10 |" in text
    assert "| Relu | as claimed" not in text
