"""Routes: the ways a case can go through converter, setting, device and ncnn options.

A route's id is ``CONVERTER[:SETTING]/DEVICE[:OPTIONS]``, e.g. ``pnnx:fp16=0/cpu``, ``onnx2ncnn/vulkan``,
``pnnx:fp16=1/vulkan:fp16``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from fuzzconv.errors import UsageError
from fuzzconv.runtime.options import row_name, switches_of


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


def is_baseline(route_id: str) -> bool:
    """Whether an id of a verdict table names a plain route: no option row, no metamorphic variant."""
    return ":" not in route_id.rpartition("/")[2] and not route_id.startswith("variant:")


def select_routes(patterns: str, routes: Iterable[Route] = DEFAULT_ROUTES) -> tuple[Route, ...]:
    """The routes that comma-separated ``patterns`` name.

    A pattern is a glob over the whole id (``pnnx*``, ``*/vulkan``), one bare part (``cpu``, ``pnnx``,
    ``fp16=1``), or the whole id of a route with an option row (``pnnx:fp16=0/cpu:nopacking``).

    Raises:
        UsageError: a pattern matches no route.
    """
    known = tuple(routes)
    chosen: list[Route] = []
    for pattern in (part.strip() for part in patterns.split(",")):
        matching = [r for r in known if _matches(pattern, r)] or _with_row(pattern, known)
        if not matching:
            raise UsageError(f"no route matches {pattern!r}; there are: {', '.join(map(str, known))}")
        chosen += [r for r in matching if r not in chosen]
    rows = [r for r in chosen if r not in known]
    return (*(r for r in known if r in chosen), *rows)


def _with_row(pattern: str, known: tuple[Route, ...]) -> list[Route]:
    """The route with an option row that ``pattern`` is the id of, if its baseline is among those known."""
    if not re.fullmatch(r"[^/*?\[]+/\w+:[^/*?\[]+", pattern):
        return []
    route = Route.parse(pattern)
    row = row_name(switches_of(route.options))
    return [replace(route, options=row)] if replace(route, options="") in known else []


def _matches(pattern: str, route: Route) -> bool:
    parts = (route.converter, route.setting, route.device, route.options)
    return fnmatchcase(str(route), pattern) or pattern in filter(None, parts)
