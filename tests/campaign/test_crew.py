"""Worker processes that die: replaced so many times, then the campaign ends with one line."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from fuzzconv.campaign import campaign, crew
from fuzzconv.campaign.coordinator import Coordinator
from fuzzconv.campaign.crew import Crew
from fuzzconv.campaign.settings import CampaignSettings
from fuzzconv.cli import main as command_line
from fuzzconv.errors import WorkersLostError
from fuzzconv.toolchain.locate import find_toolchain

LOST = WorkersLostError("all workers died")


def test_a_dead_worker_is_replaced_until_too_many_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers with these settings, of which nothing can be made, die at once."""
    monkeypatch.setattr(crew, "MOST_DEATHS", 1)
    broken = Crew(SimpleNamespace(jobs=1, folder=tmp_path))
    broken.start()
    (first,) = broken.heard(30.0)
    broken.replace(first)
    (second,) = broken.heard(30.0)
    assert second.process.pid != first.process.pid
    assert second.number == first.number
    with pytest.raises(WorkersLostError, match=r"all workers died \(2 deaths, .*--resume"):
        broken.replace(second)
    assert broken.workers == []


def test_a_campaign_without_workers_ends_with_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_all(self: Coordinator) -> None:
        raise LOST

    monkeypatch.setattr(Coordinator, "run", lose_all)
    settings = CampaignSettings(
        seconds=60.0,
        jobs=1,
        seed=1,
        routes=(),
        skipped={},
        folder=tmp_path,
        toolchain=find_toolchain(),
        replay_database=False,
        corpus=tmp_path,
    )
    display = SimpleNamespace(close=lambda: None)
    with pytest.raises(WorkersLostError):
        campaign.run_campaign(settings, lambda budget: display)
    assert (tmp_path / "run.json").is_file()


def test_the_shell_sees_70(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(arguments: list[str]) -> int:
        raise LOST

    monkeypatch.setattr(command_line, "_dispatch", fail)
    assert command_line.main([]) == 70
    assert capsys.readouterr().err == "fuzzconv: all workers died\n"
