import re

from made_findings import healthy, model, shifted_weights
from onnx import helper

from fuzzconv.report.graph_svg import MAX_NODES, graph_svg


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def boxes(svg: str) -> list[tuple[float, float, float, float]]:
    found = re.findall(r'<rect x="([\d.]+)" y="([\d.]+)" rx="5" width="([\d.]+)" height="([\d.]+)"/>', svg)
    return [(float(x), float(y), float(x) + float(w), float(y) + float(h)) for x, y, w, h in found]


def branches() -> str:
    nodes = [helper.make_node("Split", ["x"], ["a", "b", "c"], axis=1)]
    nodes += [helper.make_node("Relu", [name], [name + "r"]) for name in "abc"]
    nodes += [helper.make_node("Concat", ["ar", "br", "cr", "x"], ["y"], axis=1)]
    svg = graph_svg(model(nodes, {"x": (1, 3, 4)}, {"y": (1, 6, 4)}))
    assert svg is not None
    return svg


def test_nodes_show_attributes_weights_and_shapes() -> None:
    svg = graph_svg(shifted_weights().model)
    assert svg is not None
    assert texts(svg) == [
        "x: float[1,1,3,3]",
        "Conv(x, w)",
        "kernel_shape = [2, 2]",
        "w: float32[1,1,2,2] [[[[1, 2], [3, 4]]]]",
        "→ y: float[1,1,2,2]",
        "Unsqueeze(y, axes)",
        "axes: int64[1] [-1]",
        "→ z: float[1,1,2,2,1]",
        "output z",
    ]


def test_boxes_never_overlap_and_stay_in_the_picture() -> None:
    svg = branches()
    found = boxes(svg)
    assert len(found) == 7
    for i, (x1, y1, x2, y2) in enumerate(found):
        for u1, v1, u2, v2 in found[i + 1 :]:
            assert x2 <= u1 or u2 <= x1 or y2 <= v1 or v2 <= y1
    width, height = map(float, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())
    assert max(x2 for _, _, x2, _ in found) <= width
    assert max(y2 for *_, y2 in found) <= height


def test_text_fits_its_box() -> None:
    svg = branches()
    widest = max(x2 - x1 for x1, _, x2, _ in boxes(svg))
    assert max(len(text) for text in texts(svg)) * 7.25 <= widest


def test_a_crowd_is_not_drawn() -> None:
    nodes = [helper.make_node("Relu", [f"t{i}"], [f"t{i + 1}"]) for i in range(MAX_NODES + 1)]
    assert graph_svg(model(nodes, {"t0": (1,)}, {f"t{MAX_NODES + 1}": (1,)})) is None


def test_names_are_escaped() -> None:
    made = healthy().model
    made.graph.node[0].input[0] = made.graph.input[0].name = "<script>alert(1)</script>"
    assert "<script>" not in graph_svg(made)
