import io

from rich.console import Console

from fuzzconv.campaign.budget import Budget
from fuzzconv.campaign.display import clock, open_display, progress_line, verdict_table
from fuzzconv.campaign.messages import CaseJudged, RoundEnded
from fuzzconv.campaign.tally import Tally


def tally() -> Tally:
    counted = Tally()
    for key in ("a", "b", "b"):
        counted.add_case(
            CaseJudged(key, {"onnx2ncnn/cpu": "ok", "pnnx:fp16=0/cpu": "crash"}, operators=("Relu",))
        )
    counted.add_case(CaseJudged("", {"pnnx:fp16=0/cpu:nopacking": "ok", "variant:renamed/cpu": "ok"}))
    counted.add_round(RoundEnded(0, seconds=5.0, shrink_seconds=1.0, cases=2, executions=9))
    return counted


def printed(table: object) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_clock() -> None:
    assert (clock(63), clock(3723)) == ("01:03", "1:02:03")


def test_progress_counts_distinct_cases_and_search_time_over_jobs() -> None:
    line = progress_line(tally(), Budget.start(60), 2, findings=1, pending=3)
    assert line.endswith("2 cases  1.0/s  1 operators  0 known  1 findings  3 to reduce")


def test_option_rows_and_variants_share_a_line() -> None:
    lines = [line.split() for line in printed(verdict_table(tally().verdict_table())).splitlines()]
    assert lines == [
        ["route", "ok", "crash"],
        ["onnx2ncnn/cpu", "2", "·"],
        ["pnnx:fp16=0/cpu", "·", "2"],
        ["2", "option", "rows", "and", "variants", "2", "·"],
    ]


def test_without_a_terminal_events_are_plain_lines_and_markup_is_text() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    display = open_display(console, Budget.start(60), 1, quiet=False, plain=False)
    display.update(tally(), [], [])
    display.say("finding: [bold]x[/bold] \x1b")
    display.close()
    first, second = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert "2 cases" in first
    assert "finding: [bold]x[/bold]" in second


def test_quiet_shows_nothing() -> None:
    console = Console(file=io.StringIO())
    display = open_display(console, Budget.start(60), 1, quiet=True, plain=False)
    display.update(tally(), [], [])
    display.say("news")
    assert console.file.getvalue() == ""  # type: ignore[attr-defined]
