"""Routes: the ways a case can go through converter, setting, device and ncnn options.

A route's id is ``CONVERTER[:SETTING]/DEVICE[:OPTIONS]``, e.g. ``pnnx:fp16=0/cpu``, ``onnx2ncnn/vulkan``,
``pnnx:fp16=1/vulkan:fp16``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from fuzzconv.errors import UsageError


@dataclass(frozen=True, order=True)
class Route:
    """One way through: converter × converter setting × device × ncnn option row.

    Attributes:
        converter: ``pnnx`` or ``onnx2ncnn``.
        setting: the converter's own setting (``fp16=0``), empty when it has none.
        device: ``cpu`` or ``vulkan``.
        options: name of the ncnn option row (``runtime/options.py``); empty is the fp32 baseline row.
    """

    converter: str
    setting: str
    device: str
    options: str = ""

    def __str__(self) -> str:
        left = f"{self.converter}:{self.setting}" if self.setting else self.converter
        right = f"{self.device}:{self.options}" if self.options else self.device
        return f"{left}/{right}"

    @classmethod
    def parse(cls, text: str) -> Route:
        """Read a route id.

        Raises:
            UsageError: ``text`` is not of the form ``CONVERTER[:SETTING]/DEVICE[:OPTIONS]``.
        """
        left, slash, right = text.partition("/")
        converter, _, setting = left.partition(":")
        device, _, options = right.partition(":")
        if not (slash and converter and device):
            raise UsageError(f"not a route: {text!r} (expected CONVERTER[:SETTING]/DEVICE[:OPTIONS])")
        return cls(converter, setting, device, options)

    @property
    def conversion(self) -> tuple[str, str]:
        """What routes that differ only in how ncnn runs have in common: (converter, setting)."""
        return (self.converter, self.setting)


DEFAULT_ROUTES = tuple(
    Route(converter, setting, device)
    for device in ("cpu", "vulkan")
    for converter, setting in (("pnnx", "fp16=0"), ("pnnx", "fp16=1"), ("onnx2ncnn", ""))
)


def select_routes(patterns: str, routes: Iterable[Route] = DEFAULT_ROUTES) -> tuple[Route, ...]:
    """The routes that comma-separated ``patterns`` name.

    A pattern is a glob over the whole id (``pnnx*``, ``*/vulkan``) or one bare part (``cpu``, ``pnnx``,
    ``fp16=1``).

    Raises:
        UsageError: a pattern matches no route.
    """
    known = tuple(routes)
    chosen: list[Route] = []
    for pattern in (part.strip() for part in patterns.split(",")):
        matching = [r for r in known if _matches(pattern, r)]
        if not matching:
            raise UsageError(f"no route matches {pattern!r}; there are: {', '.join(map(str, known))}")
        chosen += [r for r in matching if r not in chosen]
    return tuple(r for r in known if r in chosen)


def _matches(pattern: str, route: Route) -> bool:
    parts = (route.converter, route.setting, route.device, route.options)
    return fnmatchcase(str(route), pattern) or pattern in filter(None, parts)
