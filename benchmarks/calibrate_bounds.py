"""Calibrate the error bounds: the histogram of error / bound on every route, on the real tools.

Cases come from ``verified_graphs``: operator forms known to be right, so an error is rounding and nothing
else. No verdict is asked and nothing is filtered by its outcome: each output element that a bound judges
counts, and a maximum of 1 or more means that a bound is too tight (or a form is not right: see ``WRONG``).
Prints one table; ``--output`` keeps the numbers as JSON, once a minute and when interrupted, and ``--merge``
makes one table of several such files (parts run side by side with ``--first``, or other seeds).
``docs/bounds.md`` tells how they were used.

    python benchmarks/calibrate_bounds.py --cases 5000
    python benchmarks/calibrate_bounds.py --cases 500 --first 500 --routes vulkan --seed 7 --output b.json
    python benchmarks/calibrate_bounds.py --merge a.json b.json
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from verified_graphs import random_case

from fuzzconv.assembly import scratch_base
from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion, Converter
from fuzzconv.converters.forkserver import ForkServer
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.oracles.values import Comparison, judge_outputs
from fuzzconv.reference.compute import compute_reference
from fuzzconv.reference.precisions import precision_of
from fuzzconv.reference.sums import is_tiled
from fuzzconv.route import DEFAULT_ROUTES, Route, select_routes
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import Feed, Fetch, RunRequest, RunResult, RunStatus
from fuzzconv.runtime.options import options_for
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx

REDUCED = tuple(
    Route("pnnx", "fp16=0", device, row) for device in ("cpu", "vulkan") for row in ("fp16", "bf16")
)
WRONG = {"vulkan:fp16": {"Transpose"}, "vulkan:bf16": {"Transpose"}}
"""Forms that are wrong on a device with an option row, so that their error is no rounding. Transpose: ncnn's
Permute shader, storing 8 or 16 channels in 16 bits, gives the next layer numbers of other places."""

QUANTILES = (50, 90, 99, 99.9, 100)
SAVE_EVERY_S = 60.0

Outputs = dict[str, Array | None]
Ran = dict[tuple[str, str, bytes], RunResult]
"""What each network of a case did: fp16=1 writes the same one as fp16=0 where no weight is stored in half."""


@dataclass
class Tally:
    """What was seen on one route."""

    ratios: list[float] = field(default_factory=list)
    relative: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    worst: list[tuple[float, str]] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)

    def add(self, found: Comparison, name: str) -> None:
        described = found.description or f"error / max|ref| {found.max_rel:.2g}"
        self.worst = sorted([*self.worst, (found.max_ratio, f"{name}: {described}")], reverse=True)[:3]
        if not found:
            self.oddities.append(f"{name}: {described}")
        self.outcomes[found.kind.value] += 1
        self.ratios.append(found.max_ratio)
        self.relative.append(found.max_rel)


def main() -> None:
    options = _options()
    tallies: dict[Route, Tally] = defaultdict(Tally)
    if options.merge:
        for path in options.merge:
            _load(path, tallies)
    else:
        with suppress(KeyboardInterrupt):
            _measure_all(options, tallies)
    _report(tallies)
    _save(options.output, tallies)


def _measure_all(options: argparse.Namespace, tallies: dict[Route, Tally]) -> None:
    routes = select_routes(options.routes, (*DEFAULT_ROUTES, *REDUCED))
    started = saved = time.monotonic()
    with ExitStack() as stack:
        converters = {route.conversion: _converter(route) for route in routes}
        runtimes = {route.device: NcnnRuntime(route.device) for route in routes}
        for part in (*converters.values(), *runtimes.values()):
            stack.callback(part.close)
        for number in range(options.first, options.first + options.cases):
            if time.monotonic() - started > options.seconds:
                break
            case = random_case(np.random.default_rng((options.seed, number)))
            if options.tiled and not _is_tiled(case):
                continue
            _measure(case, routes, converters, runtimes, tallies, f"seed {options.seed} case {number}")
            if time.monotonic() - saved > SAVE_EVERY_S:
                saved = time.monotonic()
                _save(options.output, tallies)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this wall time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case of the seed")
    parser.add_argument(
        "--routes", default="*", help="as in fuzzconv --routes; also pnnx:fp16=0/*:fp16, …:bf16"
    )
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    parser.add_argument("--tiled", action="store_true", help="only cases that Vulkan computes by Winograd")
    parser.add_argument("--merge", type=Path, nargs="+", help="run nothing, join these outputs")
    return parser.parse_args()


def _is_tiled(case: Case) -> bool:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in case.model.graph.initializer}
    return any(is_tiled(node, shapes) for node in case.model.graph.node)


def _converter(route: Route) -> Converter:
    tool = find_pnnx() if route.converter == "pnnx" else find_onnx2ncnn()
    if tool.path is None:
        raise SystemExit(f"{route.converter} is missing: {tool.missing}; get it with: {tool.remedy}")
    if route.converter == "pnnx":
        return PnnxConverter(tool.path, fp16=route.setting == "fp16=1", server=ForkServer(tool.path))
    return Onnx2NcnnConverter(tool.path)


def _measure(
    case: Case,
    routes: Sequence[Route],
    converters: dict[tuple[str, str], Converter],
    runtimes: dict[str, NcnnRuntime],
    tallies: dict[Route, Tally],
    name: str,
) -> None:
    precisions = {route: precision_of(route) for route in routes}
    reference = compute_reference(case, precisions.values())
    conversions = {identity: _convert(converter, case) for identity, converter in converters.items()}
    ran: Ran = {}
    for route in routes:
        tally, precision = tallies[route], precisions[route]
        if case.features & WRONG.get(f"{route.device}:{route.options}", set()):
            tally.outcomes["left out: a form known to be wrong"] += 1
            continue
        if precision not in reference.bounds:
            tally.outcomes[(reference.skip or reference.precision_skips[precision]).split(":")[0]] += 1
            continue
        found: list[Comparison] = []
        for actual in _run(runtimes[route.device], route, case, conversions[route.conversion], ran):
            found.append(judge_outputs(reference, precision, actual))
            if found[-1]:
                break
        if not found:
            tally.outcomes["did not run"] += 1
            tally.oddities.append(f"{name} {' '.join(case.operators)}: did not run")
            continue
        best = min(found, key=lambda c: (c.kind.rank, c.max_ratio))
        tally.add(best, f"{name} {' '.join(case.operators)}")


def _convert(converter: Converter, case: Case) -> Conversion:
    directory = Path(tempfile.mkdtemp(prefix="calibrate-", dir=scratch_base()))
    try:
        return converter.convert(case, directory)
    finally:
        shutil.rmtree(directory)


def _run(
    runtime: NcnnRuntime, route: Route, case: Case, conversion: Conversion, ran: Ran
) -> Iterator[Outputs]:
    """The outputs of every feeding that runs; onnx2ncnn's second form is asked for if the first was wrong."""
    for feeding in conversion.feedings:
        feeds = tuple(Feed(b.blob, b.prepare(case.inputs[b.tensor]), b.batch_axis) for b in feeding.inputs)
        fetches = tuple(Fetch(b.blob, b.batch_axis) for b in feeding.outputs)
        options = options_for(route.options, route.device)
        request = RunRequest(conversion.param or "", conversion.weights or b"", feeds, fetches, options)
        key = f"{route.device} {options} {feeding}", request.param, request.weights
        if key not in ran:
            ran[key] = runtime.run(request)
        if ran[key].status is RunStatus.DONE:
            yield {b.tensor: ran[key].outputs.get(b.blob) for b in feeding.outputs}


def _save(path: Path | None, tallies: dict[Route, Tally]) -> None:
    """Write to a temporary name first: a part that is killed leaves its last minute, not half a file."""
    if path is not None:
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(_summary(tallies), indent=1) + "\n")
        partial.replace(path)


def _load(path: Path, tallies: dict[Route, Tally]) -> None:
    for name, seen in json.loads(path.read_text()).items():
        tally = tallies[Route.parse(name)]
        tally.ratios += seen["ratios"]
        tally.relative += seen["relatives"]
        tally.outcomes.update(seen["outcomes"])
        tally.worst = sorted([*tally.worst, *map(tuple, seen["worst"])], reverse=True)[:3]
        tally.oddities += seen["oddities"]


def _summary(tallies: dict[Route, Tally]) -> dict[str, object]:
    return {
        str(route): {
            "cases": len(tally.ratios),
            "outcomes": dict(tally.outcomes),
            "ratio": dict(zip(map(str, QUANTILES), _quantiles(tally.ratios), strict=True)),
            "relative": dict(zip(map(str, QUANTILES), _quantiles(tally.relative), strict=True)),
            "histogram": np.histogram(tally.ratios, bins=np.linspace(0, 1, 11))[0].tolist(),
            "worst": tally.worst,
            "oddities": tally.oddities,
            "ratios": [float(f"{v:.4g}") for v in tally.ratios],
            "relatives": [float(f"{v:.4g}") for v in tally.relative],
        }
        for route, tally in tallies.items()
    }


def _quantiles(values: list[float]) -> list[float]:
    finite = [v for v in values if np.isfinite(v)]
    return [float(np.percentile(finite, q)) for q in QUANTILES] if finite else [0.0] * len(QUANTILES)


def _report(tallies: dict[Route, Tally]) -> None:
    head = " ".join(f"p{q:<7}" for q in QUANTILES)
    print(f"{'route':24} cases  error/bound: {head}  error/max|ref|: {head}")
    for route, tally in tallies.items():
        histogram = np.histogram(tally.ratios, bins=np.linspace(0, 1, 11))[0].tolist()
        ratios = " ".join(f"{v:<8.3g}" for v in _quantiles(tally.ratios))
        relative = " ".join(f"{v:<8.2g}" for v in _quantiles(tally.relative))
        print(f"{route!s:24} {len(tally.ratios):5}               {ratios}                  {relative}")
        print(f"    {dict(tally.outcomes)}; tenths of the bound: {histogram}")
        for ratio, described in tally.worst:
            print(f"    {ratio:.3g} {described}")
        for described in tally.oddities[:10]:
            print(f"    ! {described}")


if __name__ == "__main__":
    main()
