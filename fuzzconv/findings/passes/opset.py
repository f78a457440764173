"""An older opset, so that the onnxruntime and onnx of whoever reads the report take the model too."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import onnx

from fuzzconv.case import Case
from fuzzconv.findings.attributes import schema_of
from fuzzconv.findings.draft import with_opset
from fuzzconv.findings.order import OPSETS
from fuzzconv.findings.passes.edit import Edit


def older_opset(case: Case) -> Iterator[Edit]:
    """The same graph by the rules of an older opset, where those say the same of every node."""
    for version in OPSETS:
        if version < case.opset and all(
            _means_the_same(node, case.opset, version) for node in case.model.graph.node
        ):
            yield Edit(f"opset {version}", partial(with_opset, case, version))


def _means_the_same(node: onnx.NodeProto, newer: int, older: int) -> bool:
    """Whether both definitions have the same inputs, attributes and defaults (they may differ in types)."""
    one, other = schema_of(node, newer), schema_of(node, older)
    if one is None or other is None:
        return one is other
    return one.since_version == other.since_version or _form(one) == _form(other)


def _form(schema: onnx.defs.OpSchema) -> tuple[object, ...]:
    defaults = {
        name: (declared.required, declared.default_value.SerializeToString(deterministic=True))
        for name, declared in schema.attributes.items()
    }
    return (defaults, [i.name for i in schema.inputs], [o.name for o in schema.outputs])
