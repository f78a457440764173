"""What the coordinator costs while workers search."""

from __future__ import annotations

from benchmarks.campaigns import run_campaign
from benchmarks.figure import Figure
from benchmarks.plan import Plan
from benchmarks.processes import cpu_seconds

NAME = "coordinator, share of one core"
_RATE = 25.0
_START_SECONDS = 5.0


def measure(plan: Plan) -> list[Figure]:
    """Its processor time from 5 s after the start on, as it would be at 25 cases/s.

    What it spends scales with the events of cases, so the measured share is scaled by the measured rate; the
    part that does not (the clock, the display) is thereby taken for more than it is at lower rates.
    """
    options = ["--routes", "cpu", "--seed", "1", "--jobs", str(plan.jobs)]
    watched = run_campaign(options, plan.campaign_seconds, cpu_seconds)
    samples = [(at, spent) for at, spent in watched.samples if at >= _START_SECONDS]
    (first, before), (last, after) = samples[0], samples[-1]
    share = 100 * (after - before) / (last - first)
    rate = watched.number("cases") / watched.number("elapsed_s")
    note = f"{share:.1f} % at {rate:.1f} cases/s of wall time"
    return [Figure(NAME, share * max(1.0, _RATE / rate), "%", 5.0, at_most=True, note=note)]
