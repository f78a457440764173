"""The package as others get it: importable from anywhere, complete as a wheel, without torch."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WHERE = "import fuzzconv, strategies; print(fuzzconv.__file__); print(strategies.__file__)"


def requirement_names(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[<>=!~ ;\[]", requirement)[0].lower().replace("_", "-") for requirement in requirements
    }


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def python(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def test_both_packages_import_from_another_directory(tmp_path: Path) -> None:
    done = python("-c", WHERE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [Path(line).name for line in done.stdout.splitlines()] == ["__init__.py", "__init__.py"]
    assert str(tmp_path) not in done.stdout


def test_installing_it_never_asks_for_torch() -> None:
    declared = requirement_names(metadata.requires("fuzzconv") or [])
    assert not declared & {"torch", "pnnx"}
    assert not {line.split("==")[0] for line in constraint_lines()} & {"torch"}


def test_every_direct_requirement_is_pinned() -> None:
    extras = PROJECT["optional-dependencies"].values()
    wanted = requirement_names(PROJECT["dependencies"]).union(*map(requirement_names, extras))
    pinned = requirement_names(constraint_lines())
    assert wanted | {"pnnx", "setuptools"} <= pinned


def test_constraints_are_plain_versions() -> None:
    for line in constraint_lines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line), line


@pytest.mark.slow
def test_the_wheel_is_complete_and_imports(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for package in ("fuzzconv", "strategies"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(source)]
    built = python(*build, cwd=tmp_path)
    assert built.returncode == 0, built.stdout + built.stderr

    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (entry_points,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
        assert "fuzzconv = fuzzconv.__main__:main" in archive.read(entry_points).decode()
    suffixes = {".py", ".c", ".typed"}
    shipped = {
        str(path.relative_to(source))
        for package in ("fuzzconv", "strategies")
        for path in (source / package).rglob("*")
        if path.suffix in suffixes or "templates" in path.parts
        if path.is_file()
    }
    assert shipped <= names
    assert {"fuzzconv/py.typed", "strategies/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "build/"))]

    target = tmp_path / "installed"
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    installed = python(*install, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = python("-c", WHERE, cwd=elsewhere, path=target)
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(target)) for line in done.stdout.splitlines())
    helped = python("-m", "fuzzconv", "--help", cwd=elsewhere, path=target)
    assert helped.returncode == 0, helped.stderr
    assert "doctor" in helped.stdout
