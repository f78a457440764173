from fuzzconv.report.ranking import rank
from fuzzconv.verdict import Kind


def test_the_order_of_interest() -> None:
    expected = [
        ("silent weight fault", rank(Kind.WEIGHT_SHIFT, silent=True, operators=["Conv", "Relu"])),
        ("the same, exotic", rank(Kind.WEIGHT_SHIFT, silent=True, operators=["Conv", "Einsum"])),
        ("three operators", rank(Kind.NAN, silent=True, operators=["Conv", "Relu", "Add"])),
        (
            "the legacy converter's",
            rank(Kind.WEIGHT_SHIFT, silent=True, operators=["Conv"], converter="onnx2ncnn"),
        ),
        ("silent crash", rank(Kind.CRASH, silent=True, operators=["Conv"])),
        ("silent refusal", rank(Kind.LOAD_FAILURE, silent=True, operators=["Conv"])),
        ("warned wrong result", rank(Kind.DIVERGENCE, silent=False, operators=["Conv"])),
        (
            "warned, legacy",
            rank(Kind.WEIGHT_NAN, silent=False, operators=["Conv"], converter="onnx2ncnn"),
        ),
        ("warned hang", rank(Kind.HANG, silent=False, operators=["Conv"])),
        ("warned refusal", rank(Kind.REFUSED, silent=False, operators=["Conv"])),
        ("known", rank(Kind.WEIGHT_NAN, silent=True, operators=["Conv"], known=True)),
    ]
    assert [name for name, _ in sorted(expected, key=lambda item: item[1])] == [name for name, _ in expected]


def test_the_order_is_total() -> None:
    a, b = (rank(Kind.NAN, silent=True, operators=[], slug=slug) for slug in "ab")
    assert a < b
