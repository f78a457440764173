"""A finding: one cause, its signature, and everything a report about it needs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx import TensorProto

from fuzzconv.case import Array, Case
from fuzzconv.converters.conversion import Conversion
from fuzzconv.runtime.execution import WeightTrace
from fuzzconv.verdict import Verdict


@dataclass(frozen=True, order=True)
class Signature:
    """What makes two failures the same bug: stable across runs, seeds and machines.

    Attributes:
        family: ``weights``, ``result`` (shape, nan and divergence are one), ``crash``, ``hang``, ``refused``,
            ``load`` or ``nondeterminism``.
        converter: ``pnnx`` or ``onnx2ncnn``; ``ncnn`` when every converter's result fails alike.
        stage: ``convert``, ``weights``, ``load``, ``run`` or ``compare``.
        operators: the minimal operator sequence with the attributes that matter, e.g.
            ``("Conv(auto_pad=SAME_LOWER)", "Relu")``.
        condition: what separates the cause from its neighbours, only where it does (``vulkan``, ``fp16=1``).
        message: a crash's normalised last message, or the unknown layer's name.
    """

    family: str
    converter: str
    stage: str
    operators: tuple[str, ...]
    condition: str = ""
    message: str = ""

    def __str__(self) -> str:
        parts = (self.family, self.converter, self.stage, ">".join(self.operators))
        return "|".join((*parts, self.condition, self.message)).rstrip("|")

    @classmethod
    def from_parts(cls, parts: Mapping[str, object]) -> Signature:
        """A signature out of a JSON object of its fields.

        Raises:
            ValueError: a field is missing or of another type.
        """
        operators = parts.get("operators")
        names = ("family", "converter", "stage", "condition", "message")
        texts = [parts.get(name) for name in names]
        if not isinstance(operators, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"not a signature: {dict(parts)}")
        family, converter, stage, condition, message = map(str, texts)
        return cls(family, converter, stage, tuple(map(str, operators)), condition, message)

    @property
    def slug(self) -> str:
        """A folder name: readable, unique by a short hash of the whole signature."""
        words = "-".join((self.family, self.converter, *self.operators[:3]))
        readable = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].rstrip("-")
        return f"{readable}-{hashlib.sha256(str(self).encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class Blame:
    """Which stage first goes wrong.

    Attributes:
        stage: ``pnnx graph simplification``, ``pnnx passes``, ``lowering to ncnn``, ``weight writing``,
            ``ncnn load``, ``ncnn CPU layer``, ``Vulkan shader``, ``converter crash`` or ``not determined``.
        evidence: sentences, each a check that was made and what it showed.
        layer: the ncnn layer at which values first differ, when known.
        operator: where the converter takes no notice of something, the operator with that, as a signature
            writes it (``Shrink(lambd)``): what the finding is named after.
        condition: a plainer condition than the failure's own under which it is there too.
    """

    stage: str = "not determined"
    evidence: tuple[str, ...] = ()
    layer: str = ""
    operator: str = ""
    condition: str = ""


@dataclass(frozen=True)
class Finding:
    """One bug of a tool under test, reduced and ready to report.

    Attributes:
        signature: its identity.
        title: one line for people.
        case: the reduced case.
        verdict: the verdict that stands for the finding (the highest-ranked bad one).
        verdicts: every route's verdict on the reduced case.
        expected: reference outputs by graph output name.
        bounds: graph output name → largest absolute error per element a right implementation may show on the
            verdict's route (what the reproducer writes down as its tolerance).
        actual: route id → graph output name → array (None: came back empty); only routes that ran.
        conversions: ``CONVERTER[:SETTING]`` → what the converter made of the reduced case.
        traces: ``CONVERTER[:SETTING]`` → what ncnn reads from its ``.bin`` (for the byte map).
        original: the case as it was found, before reduction.
        blame: first stage that goes wrong.
        reduce_seconds: time spent on reduction.
        known: the corpus slug of the known bug that it is, else empty.
        reproduced: (k, n): failed in k of n fresh processes.
        tools: tool name → version.
    """

    signature: Signature
    title: str
    case: Case
    verdict: Verdict
    verdicts: tuple[Verdict, ...] = ()
    expected: Mapping[str, Array] = field(default_factory=dict)
    bounds: Mapping[str, Array] = field(default_factory=dict)
    actual: Mapping[str, Mapping[str, Array | None]] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    traces: Mapping[str, WeightTrace] = field(default_factory=dict)
    original: Case | None = None
    blame: Blame = field(default_factory=Blame)
    reduce_seconds: float = 0.0
    known: str = ""
    reproduced: tuple[int, int] = (0, 0)
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The finding's folder name."""
        return self.signature.slug

    @property
    def max_dim(self) -> int:
        """The largest dimension over inputs, weights and outputs of the reduced case.

        Lists of axes, sizes or pads, whose length their operator prescribes, are no weights.
        """
        shapes = [a.shape for a in (*self.case.inputs.values(), *self.expected.values())]
        tensors = self.case.model.graph.initializer
        listed = [len(t.dims) == 1 and t.data_type == TensorProto.INT64 for t in tensors]
        shapes += [tuple(t.dims) for t, is_list in zip(tensors, listed, strict=True) if not is_list]
        return max((d for shape in shapes for d in shape), default=0)
