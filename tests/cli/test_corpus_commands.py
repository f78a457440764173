"""``reduce``, ``corpus`` and ``replay`` with the real onnx2ncnn, on the incident this project comes from."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest

from fuzzconv.cli.main import main
from fuzzconv.findings.known import default_corpus, load_known
from fuzzconv.toolchain.locate import find_toolchain

INCIDENT = default_corpus() / "tencent-ncnn-5599"


@pytest.fixture
def _onnx2ncnn() -> None:
    tool = find_toolchain().onnx2ncnn
    if not tool.found:
        pytest.skip(f"onnx2ncnn: {tool.missing}")


@pytest.mark.onnx2ncnn
@pytest.mark.slow
@pytest.mark.usefixtures("_onnx2ncnn")
def test_the_incident_is_still_there_and_shrinks_to_one_node(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(INCIDENT), "--routes", "onnx2ncnn/cpu", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)["entries"]
    assert entry["status"] == "still"
    assert "shifted by +1 element" in entry["detail"]
    assert "the first value is NaN; the last value is lost" in entry["detail"]

    reduced = tmp_path / "reduced"
    arguments = [str(INCIDENT / "model.onnx"), "--inputs", str(INCIDENT / "inputs.npz")]
    assert main(["reduce", *arguments, "--routes", "onnx2ncnn/cpu", "--out", str(reduced)]) == 1
    (folder,) = reduced.iterdir()
    model = onnx.load(folder / "model.onnx")
    assert [node.op_type for node in model.graph.node] == ["Pow"]

    corpus = tmp_path / "corpus"
    assert main(["corpus", "add", str(folder), "--corpus", str(corpus)]) == 0
    assert load_known(corpus / folder.name).signature == load_known(INCIDENT).signature
    assert main(["corpus", "add", str(folder), "--corpus", str(corpus)]) == 2
    capsys.readouterr()
    assert main(["corpus", "list", "--corpus", str(corpus)]) == 0
    assert folder.name in capsys.readouterr().out


def test_wrong_use_of_the_corpus_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "add"]) == 2
    assert main(["corpus", "add", str(tmp_path)]) == 2
    assert main(["replay", "--corpus", str(tmp_path)]) == 2
    assert "is not a finding's folder" in capsys.readouterr().err
