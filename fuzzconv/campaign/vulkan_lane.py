"""Vulkan on the side: passing cases go on to a Vulkan worker without holding the CPU routes up.

A Vulkan network costs about 65 ms per distinct layer pipeline on a software driver, so not every case goes:
one whose layers have all been through Vulkan often enough adds nothing and is left out, counted and told.
"""

from __future__ import annotations

import queue
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from fuzzconv.campaign.messages import Event, VulkanLeftOut
from fuzzconv.campaign.rotation import drawn_row
from fuzzconv.judgement import Judgement
from fuzzconv.pipeline import Pipeline, conversion_id
from fuzzconv.route import Route
from fuzzconv.verdict import Kind

ENOUGH = 3
BACKLOG = 32
ROW_EVERY = 4
"""One case in so many takes an option row as well: each costs as much as a route."""

SEEN_OFTEN = "layers seen often enough on Vulkan"
BEHIND = "Vulkan worker behind"
_PARAMETER = re.compile(r"^-?\d+=")


class VulkanLane:
    """One thread that takes judgements from the CPU routes through Vulkan.

    Args:
        pipeline: the road; its runtimes may be used from several threads (``SharedRuntime``).
        routes: the Vulkan routes; of the pnnx settings one a case is chosen, in turn.
        emit: takes events to the coordinator.
        report: makes the ``CaseJudged`` event of a judgement's Vulkan part.
        every_case: no case is left out (benchmarks).
    """

    def __init__(
        self,
        pipeline: Pipeline,
        routes: Sequence[Route],
        emit: Callable[[Event], None],
        report: Callable[[Judgement, Judgement], Event],
        *,
        every_case: bool = False,
    ) -> None:
        self._pipeline = pipeline
        self._pnnx = [r for r in routes if r.converter == "pnnx"]
        self._others = [r for r in routes if r.converter != "pnnx"]
        self._emit = emit
        self._report = report
        self._every_case = every_case
        self._turn = 0
        self._seen: Counter[str] = Counter()
        self._backlog: queue.Queue[tuple[Judgement, list[Route]] | None] = queue.Queue(BACKLOG)
        self._failures: queue.SimpleQueue[Judgement] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="vulkan-lane", daemon=True)
        self._thread.start()

    def offer(self, judgement: Judgement) -> None:
        """Put a judged case in line on each Vulkan route whose CPU twin passed; never blocks."""
        routes = self._routes_for(judgement)
        if not routes:
            return
        if not self._every_case and not self._news(judgement, routes):
            self._emit(VulkanLeftOut(SEEN_OFTEN))
            return
        try:
            self._backlog.put_nowait((judgement, routes))
        except queue.Full:
            self._emit(VulkanLeftOut(BEHIND))

    def take_failures(self) -> Iterator[Judgement]:
        """Judgements with bad Vulkan verdicts since the last call."""
        while True:
            try:
                yield self._failures.get_nowait()
            except queue.Empty:
                return

    def close(self) -> None:
        """Drop the backlog and end the thread after its current case."""
        while True:
            try:
                self._backlog.get_nowait()
                self._emit(VulkanLeftOut(BEHIND))
            except queue.Empty:
                break
        self._backlog.put(None)
        self._thread.join()

    def _routes_for(self, judgement: Judgement) -> list[Route]:
        passed = {v.route.conversion for v in judgement.verdicts if v.kind is Kind.OK}
        self._turn += 1
        turned = deque(r for r in self._pnnx if r.conversion in passed)
        turned.rotate(self._turn)
        chosen = [*islice(turned, 1), *(r for r in self._others if r.conversion in passed)]
        return [*chosen, *drawn_row(judgement, chosen)] if self._turn % ROW_EVERY == 0 else chosen

    def _news(self, judgement: Judgement, routes: Sequence[Route]) -> bool:
        """Whether some layer of the networks has not been through Vulkan often enough; counts them."""
        params = (judgement.conversions[conversion_id(route)].param or "" for route in routes)
        layers = {layer for param in params for layer in layer_forms(param)}
        fresh = any(self._seen[layer] < ENOUGH for layer in layers)
        if fresh:
            self._seen.update(layers)
        return fresh

    def _work(self) -> None:
        while (item := self._backlog.get()) is not None:
            before, routes = item
            after = self._pipeline.extend(before, routes)
            self._emit(self._report(before, after))
            if any(v.kind.is_bad for v in after.verdicts[len(before.verdicts) :]):
                self._failures.put(after)


def layer_forms(param: str) -> Iterator[str]:
    """The layers of a ``.param`` text as type and parameters, sizes reduced to what picks a shader.

    Small values (flags, kernel sizes) count as they are; from 5 up only the divisibility by ncnn's pack
    sizes (4 and 8) counts, and weight sizes not at all: those choose the pipeline on Vulkan.
    """
    for line in param.splitlines()[2:]:
        words = line.split()
        if not words or words[0] == "Input":
            continue
        parameters = [_form(word) for word in words[4:] if _PARAMETER.match(word)]
        yield " ".join([words[0], *sorted(parameters)])


def _form(parameter: str) -> str:
    key, _, value = parameter.partition("=")
    return f"{key}={','.join(_size_class(v) for v in value.split(','))}"


def _size_class(text: str) -> str:
    try:
        number = int(text)
    except ValueError:
        return "f"
    if number < 5:
        return text
    return "8n" if number % 8 == 0 else "4n" if number % 4 == 0 else "n"
