import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_findings import finding, lost_axes, model, shifted_weights, too_new_ir
from onnx import helper

from fuzzconv.case import Case
from fuzzconv.converters.conversion import Conversion, Outcome, ToolRun
from fuzzconv.findings.finding import Blame, Finding
from fuzzconv.findings.store import CurvePoint, RunStore
from fuzzconv.report.html import html_text, write_html
from fuzzconv.report.reproducer import write_reproducer
from fuzzconv.report.run_report import Replayed, load_run_report
from fuzzconv.route import Route
from fuzzconv.runtime.execution import BlobRead, RunStatus, WeightTrace
from fuzzconv.verdict import Kind, Verdict

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\x00\"'&"
VOID = {"meta", "br", "link", "rect", "path", "line", "polyline", "wbr"}


def conversion(content: bytes, printed: str = "") -> Conversion:
    run = ToolRun(Outcome.DONE, 0, "", printed, 0.1)
    return Conversion("onnx2ncnn", "", run, "7767517\n", content)


def shift() -> Finding:
    content = b"\xff" * 8 + bytes(4) + np.array([1, 2, 3, 4], np.float32).tobytes()
    blob = BlobRead("axes", "MemoryData", 0, 1, None, 0, 4, np.zeros(1, np.float32))
    made = finding(shifted_weights(), Kind.WEIGHT_SHIFT, "onnx2ncnn/cpu", "weights")
    trace = WeightTrace(RunStatus.DONE, (blob,), 4)
    return replace(made, conversions={"onnx2ncnn": conversion(content)}, traces={"onnx2ncnn": trace})


def large() -> Finding:
    made = Case(
        model([helper.make_node("Relu", ["x"], ["y"])], {"x": (1, 2, 9, 9)}, {"y": (1, 2, 9, 9)}),
        {"x": np.arange(162, dtype=np.float32).reshape(1, 2, 9, 9)},
    )
    expected = np.arange(162, dtype=np.float32).reshape(1, 2, 9, 9)
    actual = expected.copy()
    actual[0, 1, 3, 4], actual[0, 0, 0, 0] = 0, np.nan
    route = "pnnx:fp16=0/vulkan"
    return replace(
        finding(made, Kind.DIVERGENCE, route),
        expected={"y": expected},
        bounds={"y": np.full(expected.shape, 1e-3)},
        actual={route: {"y": actual}},
        known="corpus-entry",
    )


def hostile() -> Finding:
    nodes = [helper.make_node("Abs", [HOSTILE], ["y"], name=HOSTILE)]
    made = Case(model(nodes, {HOSTILE: (1, 2)}, {"y": (1, 2)}), {HOSTILE: np.ones((1, 2), np.float32)})
    verdict = Verdict(
        Route.parse("pnnx:fp16=0/cpu"), Kind.DIVERGENCE, HOSTILE, HOSTILE, evidence={"stderr": HOSTILE}
    )
    return replace(
        finding(made, Kind.DIVERGENCE, "pnnx:fp16=0/cpu"),
        title=HOSTILE,
        verdict=verdict,
        verdicts=(verdict, verdict),
        blame=Blame(HOSTILE, (HOSTILE,), HOSTILE),
        tools={HOSTILE: HOSTILE},
        conversions={"pnnx:fp16=0": replace(conversion(b"", HOSTILE), param=HOSTILE)},
    )


def wrong_shape() -> Finding:
    return replace(
        finding(lost_axes(), Kind.SHAPE_MISMATCH, "pnnx:fp16=0/cpu"),
        expected={"y": np.array([[[3], [12]]], np.float32)},
        actual={"pnnx:fp16=0/cpu": {"y": np.zeros((1, 2, 3), np.float32)}},
        reproduced=(2, 3),
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    store = RunStore(tmp_path, create=True)
    store.set_facts(
        {
            "budget_s": 60,
            "elapsed_s": 59.5,
            "seed": 7,
            "jobs": 2,
            "cases": 1234,
            "tools": {"pnnx": "20261020"},
            "skipped": {"onnx2ncnn/vulkan": f"no driver {HOSTILE}"},
            "replayed": [{"slug": "old", "status": "fixed", "title": HOSTILE}],
        }
    )
    cells = {
        ("Relu", 13, "float", 4, "pnnx:fp16=0/cpu", "ok"): 5,
        ("Relu", 13, "float", 4, "onnx2ncnn/cpu", "divergence"): 1,
        (HOSTILE, 13, "float", 4, "pnnx:fp16=0/cpu", "unsupported"): 2,
    }
    store.add_counts([], {("pnnx:fp16=0/cpu", "ok"): 5, ("pnnx:fp16=0/cpu", "crash"): 1}, cells, {})
    for point in (CurvePoint(0, 0, 0, 0), CurvePoint(30, 500, 3, 20), CurvePoint(59, 1234, 4, 31)):
        store.add_curve_point(point)
    store.close()
    for made in (shift(), large(), hostile(), wrong_shape()):
        write_reproducer(made, tmp_path / "findings")
    write_reproducer(finding(too_new_ir(), Kind.CRASH, "pnnx:fp16=0/cpu", "convert"), tmp_path / "findings")
    return tmp_path


class Checker(HTMLParser):
    """Collects what matters: open tags, handlers, links, text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_document_is_whole_and_needs_nothing_from_outside(run: Path) -> None:
    text = html_text(load_run_report(run))
    page = Checker(text)
    assert page.open == []
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert attributes.get("href", "#").startswith(("#", "data:,"))
    assert "@import" not in text
    assert "url(" not in text


def test_hostile_names_and_output_stay_text(run: Path) -> None:
    text = html_text(load_run_report(run))
    page = Checker(text)
    assert {tag for tag, _ in page.tags if tag in ("img", "script")} == {"script"}
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "</script><img src=x onerror=alert(1)>�" in page.text  # it is shown, not dropped


def test_findings_are_ranked_and_linked_to_their_sections(run: Path) -> None:
    report = load_run_report(run)
    page = Checker(html_text(report))
    rows = [attributes for tag, attributes in page.tags if "data-status" in attributes]
    assert [row["data-kind"] for row in rows] == [
        "shape mismatch",  # one common operator, silent
        "weight shift",
        "crash",
        "divergence",  # warned
        "divergence",  # known
    ]
    assert rows[-1]["data-status"] == "known"
    ids = {attributes.get("id") for _, attributes in page.tags}
    links = {attributes["href"][1:] for tag, attributes in page.tags if tag == "a" and "href" in attributes}
    assert links <= ids
    assert {record.slug for record in report.findings} <= links


def test_differing_elements_are_marked(run: Path) -> None:
    text = html_text(load_run_report(run))
    assert "2 of 162 elements are wrong" in text
    assert text.count('class="h5"') == 1  # the NaN
    assert text.count('class="h4"') == 1  # 112 where 1e-3 is allowed
    assert '<td>[0, 1, 3, 4]</td><td>112</td><td class="bad">0</td>' in text.replace("\n", "")
    assert "The shape is wrong: expected [1, 2, 1], actual [1, 2, 3]." in text


def test_the_byte_map_shows_both_tracks(run: Path) -> None:
    text = html_text(load_run_report(run))
    assert "ncnn reads 4 of the .bin&#x27;s 28 bytes." in text
    assert text.count('class="fault"') == 1
    assert "<title>w: bytes 12 to 28</title>" in text
    assert "<title>axes: bytes 0 to 4</title>" in text


def test_summary_matrix_and_curves(run: Path) -> None:
    page = Checker(html_text(load_run_report(run)))
    said = re.sub(r"\s+", " ", page.text)
    assert "4new findings" in said
    assert "1 234cases" in said
    assert "onnx2ncnn/vulkan: no driver" in said
    assert "reproduced 2 of 3, flaky" in said
    assert [
        attributes["class"]
        for _, attributes in page.tags
        if (attributes.get("title") or "") == "right: 5 right"
    ]
    assert sum(attributes.get("class") == "chart" for _, attributes in page.tags) == 3


@pytest.mark.parametrize(
    ("counts", "told"), [({"generated": 60, "compared": 3}, "op:Swish (3 of 60)"), (3, "op:Swish (3)")]
)
def test_what_was_hardly_compared_is_listed_with_how_often_it_was_tried(
    run: Path, counts: object, told: str
) -> None:
    store = RunStore(run)
    store.set_facts({"thin": {"op:Swish": counts}})
    store.close()
    assert told in Checker(html_text(load_run_report(run))).text


def test_an_empty_run_is_a_page_too(tmp_path: Path) -> None:
    RunStore(tmp_path, create=True).close()
    page = Checker(html_text(load_run_report(tmp_path)))
    assert "Nothing was found." in page.text


def test_a_damaged_finding_is_named_and_the_rest_shown(run: Path) -> None:
    broken = run / "findings" / "broken"
    broken.mkdir()
    (broken / "finding.json").write_text(json.dumps({"kind": "no such kind"}))
    for name in ("model.onnx", "expected.npz"):
        (run / "findings" / wrong_shape().slug / name).write_bytes(b"damaged")
    page = Checker(html_text(load_run_report(run)))
    assert "is no finding: 'no such kind' is not a valid Kind" in page.text


def test_replayed_bugs_are_listed(run: Path) -> None:
    assert load_run_report(run).replayed == (Replayed("old", "fixed", HOSTILE),)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
MEASURE = """<script>
const out = [];
for (const e of document.querySelectorAll("body *")) {
  const box = e.getBoundingClientRect();
  const scrolls = e.closest(".scroll, pre");
  if (box.width && box.right > innerWidth + 1 && !scrolls) out.push(e.tagName + "." + e.className);
}
parent.postMessage(`${innerWidth} ${document.documentElement.scrollWidth} [${out}]`, "*");
</script>"""
FRAME = """<iframe src="report.html" width="WIDTH" height="900" style="border: 0"></iframe>
<script>onmessage = (event) => { document.title = "measured " + event.data; };</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: page width not measured")
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_of_the_page(run: Path, width: int) -> None:
    page = write_html(load_run_report(run), run / "report.html")
    page.write_text(page.read_text().replace("</body>", MEASURE + "</body>"))
    frame = run / "frame.html"  # chromium opens no window as narrow as a phone, but a frame may be
    frame.write_text(FRAME.replace("WIDTH", str(width)))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, frame.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(run)},
    )
    measured = re.search(r"measured (\d+) (\d+) \[(.*?)\]", done.stdout)
    assert measured is not None, done.stderr
    assert int(measured[1]) == width
    assert int(measured[2]) <= width
    assert measured[3] == ""


PLAY = """<script>
const shown = () => [...document.querySelectorAll("#table tbody tr")].filter((r) => !r.hidden);
const kinds = () => shown().map((r) => r.dataset.kind).join();
const said = [kinds()];
const select = document.querySelector("select[data-filter=kind]");
select.value = "divergence";
select.dispatchEvent(new Event("change", { bubbles: true }));
said.push(kinds());
select.value = "";
select.dispatchEvent(new Event("change", { bubbles: true }));
const head = document.querySelectorAll("#table th")[1];
head.click();
said.push(kinds());
head.click();
said.push(kinds());
document.title = "played " + said.join(" / ") + " / " + document.querySelectorAll(".copy button").length;
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed: sorting and filtering not tried")
def test_sorting_and_filtering_work(run: Path) -> None:
    page = write_html(load_run_report(run), run / "report.html")
    text = page.read_text()
    page.write_text(text.replace("</body>", PLAY + "</body>"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [CHROMIUM, *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HOME": str(run)},
    )
    before, filtered, rising, falling, buttons = re.search(r"<title>played (.*?)</title>", done.stdout)[
        1
    ].split(" / ")
    assert before == "shape mismatch,weight shift,crash,divergence,divergence"
    assert filtered == "divergence,divergence"
    assert rising == "crash,shape mismatch,divergence,divergence,weight shift"
    assert falling == "weight shift,divergence,divergence,shape mismatch,crash"
    assert int(buttons) == text.count('class="copy"')
