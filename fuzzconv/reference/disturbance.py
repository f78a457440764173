"""How far each tensor may be off before the next node reads it, for each kind of rounding.

The error model is backward: a kernel that rounds and sums computes the exact result of slightly disturbed
operands. Every function here gives one number per element of every site of a probe (flat, as
``Probe.levels``); the outputs' own errors come by tensor, because nothing consumes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from fuzzconv.reference.formats import FORMATS, SMALLEST_NORMAL_FP16, UNIT_FP16, Rounding, peak
from fuzzconv.reference.functions import FUNCTIONS, ROUNDINGS, Function
from fuzzconv.reference.normalisation import scaled_inputs
from fuzzconv.reference.probe import FloatArray, Probe
from fuzzconv.reference.reference import Precision
from fuzzconv.reference.sums import TILE_NOISE, growths, is_tiled, is_winograd, terms, tile_sizes

Bound = NDArray[np.float64]

WINOGRAD_SHARE = 0.25
"""Winograd mixes neighbours: a small element is disturbed by this share of its tensor's largest."""


class Disturbance:
    """The sizes of disturbances of one probe's sites."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._growths = growths(probe)
        self._functions: dict[str, Function] = {}
        self._intermediates: dict[str, NDArray[np.float64] | float] = {}
        for node in probe.nodes:
            if node.op_type in FUNCTIONS:
                function, scaled = FUNCTIONS[node.op_type], scaled_inputs(node, probe.known)
                for name in node.output:
                    self._functions[name] = function
                    self._intermediates[name] = function.intermediate
                if function.gate and node.input[0] in probe.known:
                    operand = np.abs(probe.known[node.input[0]].astype(np.float64))
                    scaled = function.intermediate * np.maximum(operand, 1)
                if scaled is not None:
                    self._intermediates[node.output[0]] = scaled

    @property
    def growth(self) -> float:
        """The largest growth by summing anywhere in the graph."""
        return max(self._growths.values(), default=1.0)

    @cached_property
    def magnitudes(self) -> FloatArray:
        """What a relative rounding is relative to: |element| and the intermediate values behind it."""
        sizes = np.abs(self._probe.levels)
        coordinates = {n.input[1] for n in self._probe.nodes if n.op_type == "GridSample"}  # in [-1, 1]
        for site in self._probe.sites:
            if site.tensor in self._functions:
                behind = np.asarray(self._intermediates[site.tensor], np.float32).ravel()
                sizes[site.span] = ROUNDINGS * (sizes[site.span] + behind)
            if site.tensor in coordinates:
                sizes[site.span] += 1
            if site.tensor in self._mixed:
                sizes[site.span] += np.float32(WINOGRAD_SHARE) * np.max(sizes[site.span], initial=0)
        return sizes

    @cached_property
    def _stored(self) -> FloatArray:
        """What a format of storage alone rounds: the elements, and intermediate values that layers yield."""
        sizes = np.abs(self._probe.levels)
        for site in self._probe.sites:
            if site.tensor in self._functions and self._functions[site.tensor].stored:
                sizes[site.span] = self.magnitudes[site.span]
        return sizes

    def operands(self, rounding: Rounding) -> FloatArray:
        """Every operand rounded, as often as the longest sum it enters makes it."""
        if not rounding.arithmetic:
            return self._stored * np.float32(rounding.relative)
        growth = [
            np.full(prod(s.shape), self._growths.get(s.tensor, 1.0), np.float32) for s in self._probe.sites
        ]
        errors: FloatArray = self.magnitudes * np.float32(rounding.relative) + np.float32(rounding.absolute)
        return errors * np.concatenate(growth) if growth else errors

    def weights(self) -> FloatArray:
        """Only constants rounded, to half, its subnormals flushed to zero as pnnx does."""
        errors = np.zeros_like(self._probe.levels)
        for site in self._probe.sites:
            if site.tensor in self._probe.constants:
                level = np.abs(self._probe.levels[site.span])
                errors[site.span] = np.where(
                    level < SMALLEST_NORMAL_FP16, level, level * np.float32(UNIT_FP16)
                )
        return errors

    def rounded_weights(self) -> FloatArray:
        """What rounding makes of the constants as they are: of equal ones the errors are equal too."""
        return np.where(self.weights() > 0, self.rounded(FORMATS[Precision.FP16]), np.float32(0))

    def rounded(self, rounding: Rounding) -> FloatArray:
        """What rounding makes of every operand as it is."""
        levels = self._probe.levels
        with np.errstate(over="ignore", invalid="ignore"):  # of values beyond the format nothing is asked
            moved = rounding.round(levels) - levels
        return np.where(np.isfinite(moved), moved, np.float32(0))

    def shaders(self) -> FloatArray:
        """Functions that Vulkan lets be inexact."""
        errors = np.zeros_like(self._probe.levels)
        for site in self._probe.sites:
            if site.tensor in self._functions:
                shader = self._functions[site.tensor].shader_error
                size = np.abs(self._probe.levels[site.span])
                errors[site.span] = size * np.float32(shader.relative) + np.float32(shader.absolute)
        return errors

    def tiles(self, rounding: Rounding) -> FloatArray:
        """What Winograd's tiles add to the inputs of convolutions when they are stored in a narrow format."""
        shapes = {name: array.shape for name, array in self._probe.known.items()}
        tiled = {node.input[0] for node in self._probe.nodes if is_tiled(node, shapes)}
        errors = np.zeros_like(self._probe.levels)
        for site in self._probe.sites:
            if site.tensor in tiled:
                sizes = tile_sizes(self._probe.levels[site.span].reshape(site.shape))
                errors[site.span] = TILE_NOISE * rounding.relative * sizes.ravel()
        return errors

    def output(self, name: str, expected: Bound, rounding: Rounding) -> Bound:
        """What storing (and, for a function, computing) output ``name`` adds to each of its elements."""
        size = np.abs(expected)
        if name in self._functions and (rounding.arithmetic or self._functions[name].stored):
            size = ROUNDINGS * (size + self._intermediates[name])
        errors: Bound = size * rounding.relative + rounding.absolute
        return errors

    def shader_output(self, name: str, expected: Bound) -> Bound:
        """What an inexact function of a shader adds to output ``name`` (zero for other outputs)."""
        shader = self._functions[name].shader_error if name in self._functions else Rounding(0.0)
        errors: Bound = np.abs(expected) * shader.relative + shader.absolute
        return errors

    def largest_inside(self) -> float:
        """The largest magnitude that any tensor, or any formula on its way, takes."""
        known = self._probe.known
        shapes: Mapping[str, tuple[int, ...]] = {name: array.shape for name, array in known.items()}
        largest = max((peak(a) for a in known.values() if a.dtype.kind == "f"), default=0.0)
        for node in self._probe.nodes:
            if node.op_type in FUNCTIONS and node.input and node.input[0] in known:
                operand = peak(known[node.input[0]])
                result = peak(known[node.output[0]]) if node.output[0] in known else 0.0
                function = FUNCTIONS[node.op_type]
                largest = max(largest, function.inside(operand, terms(node, shapes)), function.behind(result))
        return largest

    @cached_property
    def _mixed(self) -> frozenset[str]:
        shapes = {name: array.shape for name, array in self._probe.known.items()}
        return frozenset(name for n in self._probe.nodes if is_winograd(n, shapes) for name in n.input[:2])
