import pytest

from fuzzconv.campaign.budget import Budget, parse_duration
from fuzzconv.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h", 3600), ("45", 45), ("1.5m", 90), ("1h1m1s", 3661)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-5s", "1d", "m", "30m1h", "1 h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "reserve"), [(60, 8), (120, 15), (3600, 180), (10, 5)])
def test_the_end_of_a_budget_is_kept_for_reduction(seconds: float, reserve: float) -> None:
    budget = Budget(1000.0, seconds)
    assert budget.end == 1000 + seconds
    assert budget.end - budget.closing == reserve
