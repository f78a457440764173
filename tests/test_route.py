import pytest

from fuzzconv.errors import UsageError
from fuzzconv.route import DEFAULT_ROUTES, Route, select_routes


@pytest.mark.parametrize(
    "text", ["pnnx:fp16=0/cpu", "onnx2ncnn/vulkan", "pnnx:fp16=1/vulkan:fp16", "onnx2ncnn/cpu:nopacking"]
)
def test_parse_and_print_are_inverse(text: str) -> None:
    assert str(Route.parse(text)) == text


@pytest.mark.parametrize("text", ["", "pnnx", "pnnx/", "/cpu"])
def test_what_is_no_route_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a route"):
        Route.parse(text)


def test_the_six_default_routes() -> None:
    assert [str(route) for route in DEFAULT_ROUTES] == [
        "pnnx:fp16=0/cpu",
        "pnnx:fp16=1/cpu",
        "onnx2ncnn/cpu",
        "pnnx:fp16=0/vulkan",
        "pnnx:fp16=1/vulkan",
        "onnx2ncnn/vulkan",
    ]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("cpu", ["pnnx:fp16=0/cpu", "pnnx:fp16=1/cpu", "onnx2ncnn/cpu"]),
        ("*/vulkan", ["pnnx:fp16=0/vulkan", "pnnx:fp16=1/vulkan", "onnx2ncnn/vulkan"]),
        (
            "onnx2ncnn/*, fp16=1",
            ["pnnx:fp16=1/cpu", "onnx2ncnn/cpu", "pnnx:fp16=1/vulkan", "onnx2ncnn/vulkan"],
        ),
        ("pnnx:fp16=0/cpu", ["pnnx:fp16=0/cpu"]),
    ],
)
def test_selection_keeps_the_order_of_the_routes(patterns: str, expected: list[str]) -> None:
    assert [str(route) for route in select_routes(patterns)] == expected


def test_a_pattern_without_a_match_names_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"no route matches 'gpu'.*onnx2ncnn/cpu"):
        select_routes("cpu,gpu")
