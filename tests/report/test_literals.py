import numpy as np
import pytest

from fuzzconv.report.literals import NotLiteralError, literal, quoted

ARRAYS = [
    np.array([1.5, -2.25], np.float32),
    np.array([0.1, 1e-30, 3.4e38], np.float32),
    np.array([np.nan, np.inf, -np.inf, -0.0], np.float32),
    np.array([[1, -(2**62)]], np.int64),
    np.array([True, False]),
    np.array(7, np.int32),
    np.zeros((2, 0, 3), np.float32),
    np.full((3, 3), -0.0, np.float32),
    np.arange(24, dtype=np.float16).reshape(2, 3, 4),
    np.array([1 / 3], np.float64),
    np.array([65504, 6e-8], np.float16),
]


@pytest.mark.parametrize("array", ARRAYS, ids=str)
def test_a_literal_evaluates_to_the_same_bits(array: np.ndarray) -> None:
    back = eval(literal(array), {"np": np})
    assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())


def test_patterns_stay_short() -> None:
    assert literal(np.zeros((1, 64, 56, 56), np.float32)) == "np.zeros((1, 64, 56, 56), np.float32)"
    assert literal(np.arange(3, 9)) == "np.arange(3, 9, dtype=np.int64)"
    assert literal(np.array([-1])) == "np.array([-1], np.int64)"


def test_a_large_array_has_no_literal() -> None:
    with pytest.raises(NotLiteralError, match="1000 elements"):
        literal(np.sin(np.arange(1000)))


@pytest.mark.parametrize("text", ["x", "", 'a"b', "a\\b", "line\nbreak", "\u202egnp", "名前", "'"])
def test_quoted_text_reads_back_and_holds_no_control_characters(text: str) -> None:
    assert eval(quoted(text)) == text
    assert quoted(text).isprintable()
