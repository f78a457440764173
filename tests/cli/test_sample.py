"""``sample``: files that other tools can read, the same for the same seed, and a census that adds up."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from fuzzconv.cli.main import main


def test_models_and_inputs_fit_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", "-n", "12", "--seed", "5", "--out", str(tmp_path)]) == 0
    folders = sorted(tmp_path.iterdir(), key=lambda p: int(p.name))
    assert [f.name for f in folders] == [str(n) for n in range(12)]
    for folder in folders:
        model = onnx.load(folder / "model.onnx")
        stored = {t.name for t in model.graph.initializer}
        with np.load(folder / "inputs.npz") as inputs:
            assert set(inputs) == {i.name for i in model.graph.input} - stored
    printed = capsys.readouterr().out
    assert "models: 12" in printed
    assert "valid (onnx.checker, full check): 12 of 12" in printed
    shapes = re.search(r"graph shapes: (.*)", printed)
    assert shapes
    assert sum(map(int, re.findall(r"\d+", shapes[1]))) == 12


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["sample", "-n", "4", "--seed", seed, "--out", str(tmp_path / name)]) == 0
    models = {
        name: [(tmp_path / name / str(n) / "model.onnx").read_bytes() for n in range(4)] for name in "abc"
    }
    assert models["a"] == models["b"] != models["c"]


@pytest.mark.parametrize("option", [["-n", "0"], ["--operators", "Nope"], ["--max-nodes", "0"]])
def test_wrong_options_are_usage_errors(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", *option]) == 2
    assert capsys.readouterr().err.startswith("fuzzconv: ")
