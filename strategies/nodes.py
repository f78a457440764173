"""The nodes of a graph under construction: names, operators and their outputs.

``Nodes`` adds to ``Choices`` what appends a node; ``constants.py`` and ``builder.py`` build on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from onnx import NodeProto
from onnx.helper import make_attribute

from strategies.choices import Choices
from strategies.value import Value


@dataclass
class Nodes(Choices):
    """Draws choices and collects nodes.

    Attributes:
        nodes: the nodes so far.
        used: names of the values that some node takes.
        features: tags for the census.
    """

    nodes: list[NodeProto] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    features: set[str] = field(default_factory=set)
    _names: int = 0

    def name(self, stem: str) -> str:
        """A new unique name."""
        self._names += 1
        return f"{stem}{self._names}"

    def node(
        self, op_type: str, inputs: Sequence[Value | str | None], out: Value, **attributes: Any
    ) -> Value:
        """Append a node with one output typed like ``out`` (its name is replaced); returns the new value.

        An input of None is an absent optional input. Attributes that are None are left out.
        """
        return self.nodes_out(op_type, inputs, [out], **attributes)[0]

    def nodes_out(
        self,
        op_type: str,
        inputs: Sequence[Value | str | None],
        outs: Sequence[Value | None],
        **attributes: Any,
    ) -> list[Value]:
        """Append a node with several outputs; None is an absent optional output. Returns the present ones."""
        names = [i.name if isinstance(i, Value) else (i or "") for i in inputs]
        while names and not names[-1]:
            names.pop()
        made = [replace(o, name=self.name("v")) if o else None for o in outs]
        proto = NodeProto(op_type=op_type, name=self.name("n"), input=names)
        proto.output.extend(o.name if o else "" for o in made)
        proto.attribute.extend(make_attribute(k, v) for k, v in attributes.items() if v is not None)
        self.nodes.append(proto)
        self.used.update(names)
        return [o for o in made if o]

    def like(self, value: Value, **changes: Any) -> Value:
        """The type of ``value`` with some fields changed, for an output (not constant unless it says so)."""
        return replace(value, **{"constant": False, **changes})
