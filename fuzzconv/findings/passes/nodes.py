"""Fewer nodes and fewer outputs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from fuzzconv.case import Case
from fuzzconv.findings.draft import Draft
from fuzzconv.findings.passes.edit import Edit
from fuzzconv.findings.rebuild import set_items, tensor_values
from fuzzconv.findings.subgraph import extract, operator_nodes


def cut_nodes(case: Case) -> Iterator[Edit]:
    """Keep a stretch of the graph, or all but a stretch; what was cut off becomes input values."""
    operators = operator_nodes(case.model)
    values = tensor_values(case)
    if len(operators) < 2 or values is None:
        return
    size = len(operators) // 2
    while size:
        for start in range(0, len(operators), size):
            stretch = operators[start : start + size]
            rest = [i for i in operators if i not in stretch]
            for part in (rest, stretch) if size > 1 else (rest,):
                if part:
                    kept = [case.model.graph.node[i].output[0] for i in part]
                    for fold in (True, False):
                        cut = partial(extract, case, tuple(part), values, fold=fold)
                        yield Edit(f"keep {kept}, {fold}", cut)
        size //= 2


def bypass_nodes(case: Case) -> Iterator[Edit]:
    """Take a node out and let its readers read one of its inputs."""
    if len(operator_nodes(case.model)) > 1:
        for i, node in enumerate(case.model.graph.node):
            for source in dict.fromkeys(filter(None, node.input)):
                yield Edit(f"bypass {node.output[0]} with {source}", partial(_bypassed, case, i, source))


def _bypassed(case: Case, position: int, source: str) -> Case | None:
    draft = Draft(case)
    gone = draft.nodes.pop(position).output[0]
    if gone in draft.outputs and not any(source in node.output for node in draft.nodes):
        return None
    draft.outputs = list(dict.fromkeys(source if o == gone else o for o in draft.outputs))
    for reader in draft.nodes:
        set_items(reader.input, [source if name == gone else name for name in reader.input])
    return draft.case()


def drop_outputs(case: Case) -> Iterator[Edit]:
    """Keep one output alone, or drop one."""
    names = [output.name for output in case.model.graph.output]
    if len(names) > 1:
        yield from (Edit(f"only output {n}", partial(_with_outputs, case, [n])) for n in names)
    if len(names) > 2:
        for n in names:
            yield Edit(f"no output {n}", partial(_with_outputs, case, [o for o in names if o != n]))


def _with_outputs(case: Case, names: list[str]) -> Case:
    draft = Draft(case)
    draft.outputs = names
    return draft.case()
