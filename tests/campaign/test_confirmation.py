"""What fresh processes tell of a finding, with the processes' answers made up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper

from fuzzconv.campaign import confirmation
from fuzzconv.campaign.confirmation import DIFFERS, LOG_FILE, confirmed
from fuzzconv.case import Case
from fuzzconv.findings.finding import Finding, Signature
from fuzzconv.route import Route
from fuzzconv.verdict import Kind, Verdict

WRONG = "y: expected float32[1]\n[1.]\ny: actual float32[1]\n[{}]\nBUG: largest difference\n"


def relu() -> Finding:
    """A wrong result of Relu on the CPU."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return Finding(
        signature=Signature("result", "pnnx", "compare", ("Relu",)),
        title="pnnx: Relu gives wrong values",
        case=Case(model, {"x": np.ones(1, np.float32)}),
        verdict=Verdict(Route.parse("pnnx:fp16=0/cpu"), Kind.DIVERGENCE, "wrong", stage="compare"),
        expected={"y": np.ones(1, np.float32)},
        bounds={"y": np.zeros(1)},
    )


@pytest.fixture
def confirm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Confirm a finding whose reproducer, in turn, prints these texts and ends with these codes."""
    for folder in ("findings", "candidates"):
        (tmp_path / folder).mkdir()

    def run(*answers: tuple[str, int]) -> Finding:
        left = list(answers)

        def answer(folder: Path, toolchain: object, log: Path) -> int:
            text, code = left.pop(0)
            log.write_text(text)
            return code

        monkeypatch.setattr(confirmation, "run_reproducer", answer)
        settings = SimpleNamespace(
            findings=tmp_path / "findings", candidates=tmp_path / "candidates", toolchain=None
        )
        monkeypatch.setattr(confirmation, "ThreadPoolExecutor", lambda _: _InTurn())
        return confirmed(relu(), settings)

    return run


class _InTurn:
    """A pool of no threads: one call after the other."""

    map = staticmethod(map)

    def __enter__(self) -> _InTurn:
        return self

    def __exit__(self, *raised: object) -> None:
        pass


def test_the_same_wrong_values_twice_are_confirmed(confirm, tmp_path: Path) -> None:
    found = confirm((WRONG.format(2), 1), (WRONG.format(2), 1))
    assert found.reproduced == (2, 2)
    assert DIFFERS not in found.blame.evidence
    (folder,) = (tmp_path / "findings").iterdir()
    assert [log.name for log in folder.glob(f"{LOG_FILE}*")] == [LOG_FILE]


def test_other_wrong_values_in_another_process_are_called_undefined(confirm, tmp_path: Path) -> None:
    found = confirm((WRONG.format(2), 1), (WRONG.format("1e32"), 1))
    assert found.reproduced == (2, 2)
    assert found.blame.evidence[-1] == DIFFERS
    assert found.title.endswith("gives undefined values, others in each process")
    (folder,) = (tmp_path / "findings").iterdir()
    assert found.title in (folder / "ISSUE.md").read_text()


def test_the_log_is_of_a_process_that_showed_it(confirm, tmp_path: Path) -> None:
    found = confirm(("gone: all is right\n", 0), (WRONG.format(3), 1))
    assert found.reproduced == (1, 2)
    (folder,) = (tmp_path / "findings").iterdir()
    assert "BUG" in (folder / LOG_FILE).read_text()


@pytest.mark.parametrize("times", [1, 2])
def test_what_no_process_shows_loses_its_folder(confirm, tmp_path: Path, times: int) -> None:
    for _ in range(times):
        assert confirm(("gone\n", 0), ("gone\n", 0)).reproduced == (0, 2)
    assert not list((tmp_path / "findings").iterdir())
    assert [kept.name[:14] for kept in (tmp_path / "candidates").iterdir()] == ["unreproducible"]
