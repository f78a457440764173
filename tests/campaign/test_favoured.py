"""Which features a round favours, and that its record says what it searched."""

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from fuzzconv.campaign.favoured import ENOUGH_TRIES, MOST, SOON, favoured, poorest
from fuzzconv.campaign.messages import CaseJudged, NoNews, SearchTask
from fuzzconv.campaign.search import cases_of
from fuzzconv.campaign.tally import Tally
from fuzzconv.report.coverage import FEWEST
from fuzzconv.route import Route

PNNX = (Route.parse("pnnx:fp16=0/cpu"), Route.parse("onnx2ncnn/cpu"))


def judged(number: int, *features: str, compared: bool = True) -> CaseJudged:
    return CaseJudged(str(number), {}, features=features, compared=compared)


def test_the_poorest_come_first_and_the_rich_not_at_all() -> None:
    counts = {"a": (30, FEWEST), "b": (30, 7), "c": (9, 3)}
    assert poorest(counts, ["a", "b", "c", "d"]) == ("d", "c", "b")


def test_what_never_reaches_a_comparison_is_given_up() -> None:
    counts = {"a": (ENOUGH_TRIES, 0), "b": (ENOUGH_TRIES - 1, 0)}
    assert poorest(counts, ["a", "b"]) == ("b",)


def test_a_round_favours_a_few_of_many() -> None:
    assert len(poorest({}, [str(n) for n in range(100)])) == MOST


def test_a_campaign_is_steered_by_all_it_has_judged_so_far() -> None:
    tally = Tally()
    for number in range(SOON - 1):
        tally.add_case(judged(number, "op:Abs", "pattern:gelu"))
    assert favoured(tally, PNNX) == ()
    tally.add_case(judged(SOON, "op:Abs"))
    tally.add_case(judged(SOON, "op:Abs"))  # a copy counts for nothing
    assert tally.features == {"op:Abs": (SOON, SOON), "pattern:gelu": (SOON - 1, SOON - 1)}
    steered = favoured(tally, PNNX)
    assert len(steered) == MOST
    assert not {"op:Abs", "pattern:gelu"} & set(steered)


def test_a_campaign_without_pnnx_is_not_steered() -> None:
    tally = Tally(keys=set(map(str, range(1000))))
    assert favoured(tally, PNNX)
    assert favoured(tally, PNNX[1:]) == ()


def drawn(task: SearchTask) -> list[str]:
    """The keys of a round's first cases."""
    keys: list[str] = []

    @seed(task.seed)
    @settings(
        max_examples=30,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(cases_of(task))
    def collect(case) -> None:  # type: ignore[no-untyped-def]
        keys.append(case.key)

    collect()
    return keys


def test_seed_odds_and_favoured_features_fix_the_cases_of_a_round() -> None:
    task = SearchTask(4, 99, 0.0, NoNews(), {"Conv": 0.3}, ("op:Swish", "weight:int8:typed"))
    again = SearchTask(9, 99, 1.0, NoNews(), dict(task.odds), task.favoured)
    assert drawn(task) == drawn(again)
    assert drawn(task) != drawn(SearchTask(4, 99, 0.0, NoNews(), task.odds, ()))
