"""Which stage of the road first goes wrong, with the evidence for it.

Stages are asked in the order a model passes them. The first one that is shown wrong is blamed; where the
checks don't single one out, the blame is ``not determined`` and the evidence still tells what is known.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fuzzconv.converters.conversion import Conversion
from fuzzconv.findings.evidence import files_tell, layer_tells, passes_tell
from fuzzconv.findings.finding import Blame
from fuzzconv.findings.layers import Laboratory, blob_values, first_difference, first_unknown_layer
from fuzzconv.findings.rebuild import tensor_values
from fuzzconv.findings.signature import family_of, same_values
from fuzzconv.findings.stages import Check, check_simplified, check_torch, raw_operators
from fuzzconv.findings.unnoticed import unnoticed
from fuzzconv.findings.written import RIGHT_BY_LUCK, telling_message
from fuzzconv.judgement import Judgement
from fuzzconv.oracles.rows import COMPARED_WITH
from fuzzconv.route import Route
from fuzzconv.runtime.options import ROWS, condition_of
from fuzzconv.verdict import Kind, Verdict

SIMPLIFICATION = "pnnx graph simplification"
PASSES = "pnnx passes"
LOWERING = "lowering to ncnn"
WEIGHTS = "weight writing"
LOAD = "ncnn load"
CPU_LAYER = "ncnn CPU layer"
SHADER = "Vulkan shader"
CONVERTER = "converter crash"
UNKNOWN = "not determined"

_TELLING_ROWS = tuple(row for row in ROWS if row.startswith(("no", "threads")))
_PASS = re.compile(r"^#+ (pass_\w+)", re.MULTILINE)
_REFUSED = re.compile(r"layer load_param \d+ |bottom_count or top_count")
"""What ncnn says of a layer with parameters, inputs or outputs that its type can't have."""
_TOLERANCE = 1e-4
_PLAIN_CPU = "nopacking"
"""The row of the CPU that reads a network most as Vulkan does; packed kernels may be right by luck."""


def blame_of(judgement: Judgement, verdict: Verdict, laboratory: Laboratory) -> Blame:
    """Blame a stage for one failure of a (reduced) case.

    Args:
        judgement: the case on every route.
        verdict: the failure.
        laboratory: runs the case under further options, and networks with all blobs fetched.
    """
    route = verdict.route
    conversion = judgement.conversion_on(route)
    family = family_of(verdict)
    if conversion is None:
        return Blame()
    if verdict.stage == "convert":
        return _blame_converter(verdict, conversion)
    if family == "weights":
        passed = passes_tell(judgement, verdict)
        stage = PASSES if passed else WEIGHTS
        return Blame(stage, tuple(filter(None, (verdict.detail, passed))), _layer_of(verdict))
    if verdict.stage == "load" or verdict.evidence.get("unknown_layer"):
        return _blame_load(verdict, conversion)
    inquiry = _Inquiry(judgement, verdict, conversion, laboratory)
    if telling_message(judgement, verdict) in RIGHT_BY_LUCK:
        return inquiry.blame()
    on_cpu = replace(route, device="cpu")
    if route.device != "cpu" and (
        _passes(judgement, on_cpu) or _passes(judgement, replace(on_cpu, options=""))
    ):
        return _blame_shader(judgement, verdict, conversion, laboratory)
    if route.options and _passes(judgement, replace(route, options="")):
        told = "the same network is right with ncnn's plain options"
        return Blame(CPU_LAYER if route.device == "cpu" else SHADER, (told, verdict.detail))
    if verdict.kind is Kind.NONDETERMINISM or COMPARED_WITH in verdict.evidence:
        return Blame(CPU_LAYER if route.device == "cpu" else SHADER, (verdict.detail,))
    return inquiry.blame()


class _Inquiry:
    """A wrong result that the CPU does not show right: every stage in turn."""

    def __init__(
        self, judgement: Judgement, verdict: Verdict, conversion: Conversion, laboratory: Laboratory
    ) -> None:
        self._judgement = judgement
        self._verdict = verdict
        self._conversion = conversion
        self._laboratory = laboratory
        self._evidence: list[str] = []
        self._layer = ""
        self._operator = ""

    def blame(self) -> Blame:
        passes_right = None
        if self._verdict.route.converter == "pnnx":
            stage, passes_right = self._pnnx_stage()
            if stage:
                return self._blame(stage)
        self._look_at_layers()
        stage = self._told_by_files()
        if stage:
            return self._blame(stage)
        if self._options_that_help():
            wrong_too = self._wrong_elsewhere()
            if wrong_too:  # nor is it one device's code then, nor the network for sure
                self._evidence.append(f"on {wrong_too} it is wrong as well")
                return self._blame(UNKNOWN)
            return self._blame(CPU_LAYER if self._verdict.route.device == "cpu" else SHADER)
        elsewhere = self._right_elsewhere()
        if elsewhere:
            self._evidence.append(f"the same network is right on {elsewhere}")
            return self._blame(CPU_LAYER if self._verdict.route.device == "cpu" else SHADER)
        told_alike = self._verdict.stage == "compare" and self._devices_agree()
        if self._verdict.route.converter == "pnnx" and not passes_right:
            return self._blame(UNKNOWN)
        told = layer_tells(self._judgement, self._verdict) if told_alike else ""
        if told:
            self._evidence.append(told)
            return self._blame(CPU_LAYER)
        return self._blame(LOWERING if told_alike else UNKNOWN)

    def _blame(self, stage: str) -> Blame:
        return Blame(stage, tuple(self._evidence), self._layer, self._operator)

    def _pnnx_stage(self) -> tuple[str, bool | None]:
        """The stage of pnnx that is shown wrong, if any; and whether its passes are shown right."""
        case, reference = self._judgement.case, self._judgement.reference
        if reference.skip or not reference.bounds:
            return "", None
        if self._noted(check_simplified(case, self._conversion, reference)) is False:
            return SIMPLIFICATION, None
        raw = raw_operators(self._conversion)
        if raw:
            self._evidence.append(f"no pnnx pass took {', '.join(raw)}: pnnx.param has it as ONNX had it")
            return PASSES, None
        right = self._noted(check_torch(case, self._conversion, reference))
        return (PASSES if right is False else ""), right

    def _told_by_files(self) -> str:
        """The stage that the files tell: in one of them something is plainly wrong, or something is gone."""
        passed = passes_tell(self._judgement, self._verdict)
        if passed:
            self._evidence.append(passed)
            return PASSES
        lowered = files_tell(self._judgement, self._verdict)
        if lowered:
            self._evidence.append(lowered)
            return LOWERING
        lost = unnoticed(self._judgement, self._verdict, self._laboratory)
        if lost is None:
            return ""
        self._evidence.append(lost.told)
        self._operator = lost.operator
        return PASSES if lost.by_passes else LOWERING

    def _noted(self, check: Check) -> bool | None:
        self._evidence.append(check.told)
        return check.right

    def _look_at_layers(self) -> None:
        case, param = self._judgement.case, self._conversion.param or ""
        blobs = blob_values(case, self._conversion, self._laboratory, "cpu")
        tensors = tensor_values(case)
        if blobs is not None and tensors is not None:
            constants = {t.name for t in case.model.graph.initializer}
            known = [array for name, array in tensors.items() if name not in constants]
            self._layer, told = first_unknown_layer(param, blobs, known, _TOLERANCE)
            self._evidence += [told] if told else []

    def _options_that_help(self) -> bool:
        route = self._verdict.route
        rows = [replace(route, options=row) for row in _TELLING_ROWS]
        verdicts = self._laboratory.judge(self._judgement.case, rows).verdicts
        helping = [v.route.options for v in verdicts if v.kind is Kind.OK]
        where = "the CPU" if route.device == "cpu" else route.device
        if helping:
            names = ", ".join(f"{k}={v}" for row in helping for k, v in ROWS[row].items())
            self._evidence.append(f"the same network is right on {where} with {names}")
        else:
            self._evidence.append(f"no other option of ncnn makes it right on {where}")
        return bool(helping)

    def _right_elsewhere(self) -> str:
        """A device on which the same network is right, so that it is not the network that is wrong."""
        return next((v.route.device for v in self._on_devices() if v.kind is Kind.OK), "")

    def _wrong_elsewhere(self) -> str:
        """Another device on which the same network fails in the same way."""
        others = [v for v in self._on_devices() if v.route != self._verdict.route and v.kind.is_bad]
        alike = (v.route.device for v in others if family_of(v) == family_of(self._verdict))
        return next(alike, "")

    def _on_devices(self) -> list[Verdict]:
        route = self._verdict.route
        return [v for v in self._judgement.verdicts if v.route == replace(route, device=v.route.device)]

    def _devices_agree(self) -> bool:
        """Whether Vulkan shows the same wrong values: another implementation, told the same."""
        route = self._verdict.route
        for other in self._judgement.verdicts:
            device = other.route.device
            if device == route.device or other.route != replace(route, device=device):
                continue
            if same_values(self._judgement, self._verdict, other):
                self._evidence.append(f"{device} gives the same wrong values")
                return True
        return False


def _blame_converter(verdict: Verdict, conversion: Conversion) -> Blame:
    evidence = [verdict.detail]
    passes = _PASS.findall(conversion.run.stdout + conversion.run.stderr)
    if passes:
        evidence.append(f"the last pass it began is {passes[-1]}")
    crashed = verdict.kind in (Kind.CRASH, Kind.HANG)
    return Blame(CONVERTER if crashed else UNKNOWN, tuple(evidence))


def _layer_of(verdict: Verdict) -> str:
    """The layer whose weight was written wrongly, or where the damage was seen first."""
    return str(verdict.evidence.get("culprit") or verdict.evidence.get("layer") or "")


def _blame_load(verdict: Verdict, conversion: Conversion) -> Blame:
    unknown = verdict.evidence.get("unknown_layer")
    if not unknown and "ModelBin" in str(verdict.evidence.get("message")):
        size = len(conversion.weights or b"")
        told = f"the .bin of {size} bytes is shorter than what the layers of the .param read"
        return Blame(WEIGHTS, (verdict.detail, told))
    if not unknown and _REFUSED.search(str(verdict.evidence.get("message"))):
        told = f"ncnn refuses the layer as {conversion.converter} wrote it"
        return Blame(LOWERING, (verdict.detail, told))
    if not unknown:
        return Blame(LOAD, (verdict.detail,))
    evidence = (verdict.detail,)
    if unknown in raw_operators(conversion):
        return Blame(PASSES, (*evidence, f"no pnnx pass took {unknown}: pnnx.param has it as ONNX had it"))
    return Blame(LOWERING, (*evidence, f"{conversion.converter} wrote a layer that ncnn does not have"))


def _blame_shader(
    judgement: Judgement, verdict: Verdict, conversion: Conversion, laboratory: Laboratory
) -> Blame:
    device = verdict.route.device
    evidence = ["the same network is right on the CPU"]
    layer = ""
    if verdict.stage == "compare":
        right = blob_values(judgement.case, conversion, laboratory, "cpu")
        wrong = blob_values(judgement.case, conversion, laboratory, device)
        if right is not None and wrong is not None:
            found = first_difference(conversion.param or "", right, wrong, _TOLERANCE)
            if found:
                layer = found.name
                evidence.append(f"the first layer whose output differs is {found.type} {layer!r}")
    plain = laboratory.judge(judgement.case, [replace(verdict.route, device="cpu", options=_PLAIN_CPU)])
    if any(family_of(v) == family_of(verdict) for v in plain.verdicts if v.kind.is_bad):
        evidence.append("without the packing layout (use_packing_layout=0) the CPU is wrong too")
        return Blame(UNKNOWN, (*evidence, verdict.detail), layer, condition=condition_of(_PLAIN_CPU))
    return Blame(SHADER, (*evidence, verdict.detail), layer)


def _passes(judgement: Judgement, route: Route) -> bool:
    return any(v.route == route and v.kind is Kind.OK for v in judgement.verdicts)
