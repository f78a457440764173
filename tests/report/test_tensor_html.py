import numpy as np

from fuzzconv.report.curve_svg import curve_svg, duration
from fuzzconv.report.tensor_html import output_html

SMALL = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_only_elements_beyond_their_bound_are_marked() -> None:
    actual = SMALL + np.array([[0, 0.1, 0], [0, 0, np.inf]], np.float32)
    text = output_html("y", SMALL, actual, np.array([[0, 0.2, 0], [0, 0, 1]]))
    assert text.count('class="bad"') == 1
    assert '<td class="bad">inf</td>' in text
    assert "1 of 6 elements are wrong (float32[2, 3])" in text


def test_an_element_that_is_not_judged_is_not_marked() -> None:
    text = output_html("y", SMALL, SMALL + 1, np.full(SMALL.shape, np.inf))
    assert "0 of 6 elements are wrong" in text


def test_missing_unit_dimensions_are_no_fault() -> None:
    text = output_html("y", SMALL.reshape(1, 2, 1, 3), SMALL, np.zeros((1, 2, 1, 3)))
    assert "0 of 6" in text


def test_an_empty_output_is_said() -> None:
    assert "ncnn gave an empty blob" in output_html("y", SMALL, None, None)


def test_a_huge_output_is_drawn_in_blocks() -> None:
    expected = np.zeros((300, 300), np.float32)
    actual = expected.copy()
    actual[299, 299] = 7
    text = output_html("y", expected, actual, np.ones_like(expected))
    assert "one square is 5 × 5 elements" in text
    assert text.count('<rect class="h1"') + text.count('class="h1"/>') == 1  # 7 × the bound
    assert text.count("<rect") == 60 * 60


def test_durations_read_like_people_write_them() -> None:
    assert [duration(s) for s in (0, 0.44, 59.7, 90, 3600, 5430)] == [
        "0 s",
        "0.4 s",
        "1 min",
        "1 min 30 s",
        "1 h",
        "1 h 30 min",
    ]


def test_a_curve_ends_at_its_last_value() -> None:
    text = curve_svg("cases", [0, 10, 60], [0, 5, 40])
    assert 'points="46.0,144.0 93.0,127.5 328.0,12.0"' in text
    assert [f">{tick}<" in text for tick in (0, 10, 20, 30, 40)] == [True] * 5
