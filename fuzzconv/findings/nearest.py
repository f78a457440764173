"""``Resize`` to the nearest element, by another rule than the one that ncnn has.

ncnn's ``Interp`` takes element ``floor(position / scale)``: ONNX's ``asymmetric`` coordinates rounded by
``floor``. A converter that does not look at both attributes, or not at their defaults (``half_pixel`` and
``round_prefer_floor``), has one fault, whichever of the two, given or not, shows it.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from fuzzconv.findings.rebuild import run_model, set_items
from fuzzconv.judgement import Judgement
from fuzzconv.verdict import Kind, Verdict

NEAREST = "nearest element by another rule than ncnn's"
RULE = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
"""What ``Interp`` does."""
_DEFAULT_MODE = "nearest"


def nearest_message(judgement: Judgement, verdict: Verdict) -> str:
    """``NEAREST`` where a wrong output is what the graph gives by ncnn's rule; else empty."""
    model = onnx.ModelProto()
    model.CopyFrom(judgement.case.model)
    nodes = [node for node in model.graph.node if node.op_type == "Resize" and _takes_nearest(node)]
    if verdict.kind is not Kind.DIVERGENCE or not nodes:
        return ""
    for node in nodes:
        kept = [attribute for attribute in node.attribute if attribute.name not in RULE]
        set_items(node.attribute, [*kept, *(helper.make_attribute(*item) for item in RULE.items())])
    output = str(verdict.evidence.get("output"))
    by_rule = (run_model(model, judgement.case.inputs) or {}).get(output)
    actual = judgement.actual.get(str(verdict.route), {}).get(output)
    if by_rule is None or actual is None or by_rule.size != actual.size:
        return ""
    return NEAREST if np.allclose(actual.ravel(), by_rule.ravel(), rtol=1e-3, atol=1e-5) else ""


def _takes_nearest(node: onnx.NodeProto) -> bool:
    modes = [attribute.s.decode() for attribute in node.attribute if attribute.name == "mode"]
    return modes in ([], [_DEFAULT_MODE])
