"""Every option row over many cases: does it change ncnn's arithmetic, is it right, what does it cost?

A case that passes on the baseline route of pnnx (``fp16=0``) is run under each row that its layers read. The
table gives, for each row: cases, cases whose output has other bits than the baseline's (0 in thousands means
that the row has no effect on this machine), cases it fails, the largest error / bound, milliseconds a case.
What fails is listed: a bug of ncnn, or a bound too tight; both want a look. Cases come from
``verified_graphs``, or from ``strategies`` with ``--generated``.

    python benchmarks/option_rows.py --device cpu --cases 600
    python benchmarks/option_rows.py --device vulkan --length 1 --generated
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from verified_graphs import random_case

from fuzzconv.assembly import open_pipeline
from fuzzconv.case import Case
from fuzzconv.findings.rows import layer_types
from fuzzconv.pipeline import Pipeline, conversion_id
from fuzzconv.route import Route
from fuzzconv.runtime.options import rows_for
from fuzzconv.toolchain.locate import find_toolchain
from fuzzconv.verdict import Kind
from strategies import SPECS, Swarm, cases


@dataclass
class Row:
    """What was seen under one row."""

    cases: int = 0
    skipped: int = 0
    differing: int = 0
    ratio: float = 0.0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)


class TimeIsUpError(BaseException):
    """Ends Hypothesis cleanly."""


@dataclass
class Survey:
    """Runs rows over cases until the time is up."""

    pipeline: Pipeline
    base: Route
    rows: Sequence[str]
    until: float
    seen: dict[str, Row] = field(default_factory=lambda: defaultdict(Row))
    cases: int = 0

    def look(self, case: Case, name: str) -> None:
        if time.monotonic() > self.until:
            raise TimeIsUpError
        judgement = self.pipeline.judge(case, [self.base])
        if judgement.verdicts[0].kind is not Kind.OK:
            return
        self.cases += 1
        layers = layer_types(judgement.conversions[conversion_id(self.base)].param or "")
        plain = judgement.actual[str(self.base)]
        for name_of_row in rows_for(self.base.device, layers):
            if self.rows and name_of_row not in self.rows:
                continue
            route, row = replace(self.base, options=name_of_row), self.seen[name_of_row]
            started = time.monotonic()
            judged = self.pipeline.extend(judgement, [route])
            row.seconds += time.monotonic() - started
            verdict = judged.verdicts[-1]
            row.cases += 1
            row.skipped += verdict.kind is Kind.SKIPPED
            actual = judged.actual.get(str(route), {})
            row.differing += any(
                one is None or two is None or one.tobytes() != two.tobytes()
                for one, two in zip(plain.values(), actual.values(), strict=False)
            )
            ratio = verdict.evidence.get("max_ratio", 0.0)
            row.ratio = max(row.ratio, ratio if isinstance(ratio, float) else 0.0)
            if verdict.kind.is_bad:
                row.wrong.append(f"{name} {'>'.join(case.operators)}: {verdict.detail} (ratio {ratio:.3g})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "vulkan"))
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this wall time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--length", type=int, help="operators in a chain of verified forms (default: 1 to 5)")
    parser.add_argument("--rows", default="", help="comma-separated rows (default: all)")
    parser.add_argument("--generated", action="store_true", help="cases of the campaign's strategies")
    options = parser.parse_args()
    base = Route("pnnx", "fp16=0", options.device)
    until = time.monotonic() + options.seconds
    with open_pipeline(find_toolchain(), [base]) as pipeline:
        survey = Survey(pipeline, base, list(filter(None, options.rows.split(","))), until)
        try:
            if options.generated:
                _generate(options.seed, options.cases, survey.look)
            else:
                for number in range(options.cases):
                    rng = np.random.default_rng((options.seed, number))
                    survey.look(random_case(rng, options.length), f"seed {options.seed} case {number}")
        except TimeIsUpError:
            pass
    _report(survey)


def _generate(number: int, count: int, look: Callable[[Case, str], None]) -> None:
    """Draw cases as a campaign does, in rounds of 200 with a swarm each."""
    for round_ in range(number, number + -(-count // 200)):
        _draw(round_, lambda case, name=f"round {round_}": look(case, f"{name} {case.key}"))


def _draw(round_: int, look: Callable[[Case], None]) -> None:
    @seed(round_)
    @settings(
        max_examples=200,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(swarm=Swarm.of_seed(round_, operators=SPECS)))
    def draw(case: Case) -> None:
        look(case)

    draw()


def _report(survey: Survey) -> None:
    print(f"{survey.cases} cases that pass on {survey.base}")
    print(f"{'row':30} cases skipped other bits wrong  max ratio  ms")
    for name, row in survey.seen.items():
        cost = 1000 * row.seconds / row.cases
        print(
            f"{name:30} {row.cases:5} {row.skipped:7} {row.differing:10} {len(row.wrong):5}"
            f"  {row.ratio:9.3f}  {cost:.1f}"
        )
    for name, row in survey.seen.items():
        for told in row.wrong[:20]:
            print(f"{name}: {told[:260]}")


if __name__ == "__main__":
    main()
