"""The harness for tests of other people: it passes, fails readably, skips; the documented example runs."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import Phase, given, seed, settings

from fuzzconv.case import Case
from fuzzconv.errors import UsageError
from fuzzconv.testing import PROFILE, assert_converts, judge
from fuzzconv.toolchain.locate import find_pnnx
from fuzzconv.verdict import Kind
from strategies import cases

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "test_my_operators.py"
ROUTE = "pnnx:fp16=0/cpu"


@pytest.fixture
def _pnnx() -> None:
    tool = find_pnnx()
    if not tool.path:
        pytest.skip(f"pnnx is missing: {tool.missing}; get it with: {tool.remedy}")


def test_the_profile_has_no_deadline() -> None:
    assert settings.get_profile(PROFILE).deadline is None


def test_a_wrong_route_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no route matches"):
        judge(Case.__new__(Case), "nope")


def test_the_documentation_shows_the_example() -> None:
    code = EXAMPLE.read_text().split('"""\n', 1)[1].strip()
    assert code in (ROOT / "docs" / "strategies.md").read_text()


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.usefixtures("_pnnx")
def test_the_example_runs_with_statistics() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
    done = subprocess.run(
        [*command, "--hypothesis-show-statistics", str(EXAMPLE)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ROUTE}: ok" in done.stdout


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.usefixtures("_pnnx")
def test_a_failure_shows_model_and_verdict() -> None:
    @seed(0)
    @settings(max_examples=3, database=None, deadline=None, phases=[Phase.generate, Phase.shrink])
    @given(cases(operators={"Softsign"}, max_nodes=1))
    def unsupported_fails(case: Case) -> None:
        assert_converts(case, ROUTE, allow=())

    with pytest.raises(AssertionError, match="does not support Softsign") as raised:
        unsupported_fails()
    notes = "\n".join(raised.value.__notes__)
    assert "v2 = Softsign(x1)" in notes
    assert "fed    x1 = float32[" in notes


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.usefixtures("_pnnx")
def test_allowed_kinds_pass() -> None:
    @seed(0)  # another draw may well show a bug of pnnx
    @settings(max_examples=2, database=None, deadline=None)
    @given(cases(operators={"Softsign"}, max_nodes=1))
    def unsupported_passes(case: Case) -> None:
        assert assert_converts(case, ROUTE).verdicts[0].kind in (Kind.UNSUPPORTED, Kind.SKIPPED)

    unsupported_passes()
