"""What doctor prints and how it ends."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fuzzconv.cli import doctor
from fuzzconv.cli.doctor import Diagnosis, as_json, as_text, diagnose
from fuzzconv.route import DEFAULT_ROUTES
from fuzzconv.toolchain.toolchain import Tool, Toolchain, VulkanDevice

COMPLETE = Toolchain(
    pnnx=Tool("pnnx", Path("/site/pnnx/pnnx"), "20261020", "Python package"),
    onnx2ncnn=Tool("onnx2ncnn", Path("/cache/bin/onnx2ncnn"), "source of 2023-05-29", "cache"),
    ncnn=Tool("ncnn", Path("/site"), "1.0.20261020", "Python package"),
    vulkan=VulkanDevice("llvmpipe", "llvmpipe: Mesa 22.3.6", "1.3.230"),
    onnxruntime=Tool("onnxruntime", Path("/site"), "1.32.0", "Python package"),
    onnx=Tool("onnx", Path("/site"), "1.23.2", "Python package"),
    numpy=Tool("numpy", Path("/site"), "2.4.6", "Python package"),
    hypothesis=Tool("hypothesis", Path("/site"), "6.170.15", "Python package"),
)
NO_PNNX = Tool("pnnx", missing="not installed", remedy="pip install --no-deps pnnx")
NO_ONNX2NCNN = Tool("onnx2ncnn", missing="not built yet", remedy="build it")
NO_NCNN = Tool("ncnn", missing="not installed", remedy="pip install ncnn")
NO_VULKAN = VulkanDevice(missing="no driver", remedy="apt-get install -y mesa-vulkan-drivers")

POOR = """\
tool         version               from            path
pnnx         -                     -               not installed
onnx2ncnn    source of 2023-05-29  cache           /cache/bin/onnx2ncnn
ncnn         1.0.20261020          Python package  /site
onnxruntime  1.32.0                Python package  /site
onnx         1.23.2                Python package  /site
numpy        2.4.6                 Python package  /site
hypothesis   6.170.15              Python package  /site

Vulkan device  no driver
Vulkan driver  unknown
fork server    not available: no C compiler

pnnx:fp16=0/cpu     skipped: pnnx: not installed
pnnx:fp16=1/cpu     skipped: pnnx: not installed
onnx2ncnn/cpu       will run
pnnx:fp16=0/vulkan  skipped: pnnx: not installed
pnnx:fp16=1/vulkan  skipped: pnnx: not installed
onnx2ncnn/vulkan    skipped: vulkan: no driver

to get what is missing:
  pnnx    pip install --no-deps pnnx
  vulkan  apt-get install -y mesa-vulkan-drivers"""


def test_a_poor_machine() -> None:
    diagnosis = diagnose(replace(COMPLETE, pnnx=NO_PNNX, vulkan=NO_VULKAN))
    assert as_text(replace(diagnosis, fork_server="no C compiler")) == POOR


def test_a_complete_machine_has_nothing_to_get() -> None:
    text = as_text(Diagnosis(COMPLETE, dict.fromkeys(DEFAULT_ROUTES, ""), ""))
    assert text.count("will run") == 6
    assert "Vulkan device  llvmpipe (Vulkan 1.3.230)\nVulkan driver  llvmpipe: Mesa 22.3.6\n" in text
    assert "fork server    available" in text
    assert "to get what is missing" not in text


def test_json_says_the_same() -> None:
    answer = as_json(diagnose(replace(COMPLETE, vulkan=NO_VULKAN)))
    assert json.loads(json.dumps(answer)) == answer
    assert answer["tools"]["pnnx"] == {
        "name": "pnnx",
        "path": "/site/pnnx/pnnx",
        "version": "20261020",
        "origin": "Python package",
        "missing": "",
        "remedy": "",
    }
    assert answer["vulkan"]["missing"] == "no driver"
    assert answer["routes"]["pnnx:fp16=0/cpu"] == {"will_run": True, "reason": ""}
    assert answer["routes"]["onnx2ncnn/vulkan"] == {"will_run": False, "reason": "vulkan: no driver"}


@pytest.mark.parametrize(
    ("toolchain", "code"),
    [
        (COMPLETE, 0),
        (replace(COMPLETE, pnnx=NO_PNNX, vulkan=NO_VULKAN), 0),
        (replace(COMPLETE, onnx2ncnn=NO_ONNX2NCNN), 0),
        (replace(COMPLETE, pnnx=NO_PNNX, onnx2ncnn=NO_ONNX2NCNN), 3),
        (replace(COMPLETE, ncnn=NO_NCNN), 3),
    ],
)
def test_it_ends_with_3_when_no_campaign_can_run(
    toolchain: Toolchain, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "toolchain_from", lambda args: toolchain)
    assert doctor.run(argparse.Namespace(json=False)) == code
    assert capsys.readouterr().out.startswith("tool ")


def test_on_this_machine_json_is_all_of_stdout() -> None:
    command = [sys.executable, "-m", "fuzzconv", "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3)
    answer = json.loads(done.stdout)
    assert list(answer["routes"]) == [str(route) for route in DEFAULT_ROUTES]
    assert answer["tools"]["numpy"]["path"]
