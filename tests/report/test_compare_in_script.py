"""The comparison inside a generated ``reproduce.py``, executed here on outputs made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_findings import finding, healthy

from fuzzconv.case import Array
from fuzzconv.report.script import reproduce_script
from fuzzconv.verdict import Kind


def compared(expected: Array, actual: Array, folder: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    made = replace(finding(healthy(), Kind.DIVERGENCE, "onnx2ncnn/cpu"), expected={"z": expected})
    scope: dict[str, object] = {"__file__": str(folder / "reproduce.py"), "__name__": "imported"}
    exec(compile(reproduce_script(made), "reproduce.py", "exec"), scope)
    monkeypatch.chdir(folder)
    np.savez("outputs.npz", actual)
    return scope["compare"]([expected])


def test_an_empty_blob_is_named_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not compared(np.ones(2, np.float32), np.zeros(0), tmp_path, monkeypatch)
    assert "BUG: z is nothing: extract gave an empty Mat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("bits", "right", "told"),
    [
        ([-1, 7], True, ""),  # -1 as a float is a NaN with all bits set: an integer all the same
        ([-1, 9], False, "largest difference 2.0"),
        ([-65536, 7], False, "largest difference NaN"),  # -1 cut down to bfloat16's upper 16 bits
        ([-4194304, 7], False, "largest difference NaN"),  # float16's NaN made a float32 again
    ],
)
def test_integers_are_told_from_nans(
    bits: list[int],
    right: bool,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    actual = np.array(bits, np.int32).view(np.float32)
    assert compared(np.array([-1, 7]), actual, tmp_path, monkeypatch) == right
    assert told in capsys.readouterr().out
