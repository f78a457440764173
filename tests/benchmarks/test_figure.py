import pytest

from benchmarks.figure import Figure, median_of


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("rate", 25.0, "cases/s", 25.0), True),
        (Figure("rate", 24.9, "cases/s", 25.0), False),
        (Figure("start", 3.1, "s", 3.0, at_most=True), False),
        (Figure("start", 2.9, "s", 3.0, at_most=True), True),
        (Figure("rate", 30.0, "cases/s", 25.0, ratio=7.9, ratio_target=8.0), False),
        (Figure("rate", 30.0, "cases/s", 25.0, ratio=8.1, ratio_target=8.0), True),
        (Figure("for information", 30.0, "cases/s"), None),
        (Figure("no Vulkan here", None, "cases/s", 6.0), None),
    ],
)
def test_a_figure_is_met_when_all_its_targets_are(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_each_measurement_has_another_number_and_the_median_counts() -> None:
    assert median_of(3, lambda number: [7.0, 1.0, 2.0][number]) == 2.0
