"""Fusion patterns: graphs that converters rewrite into one layer, and near misses that they must not.

Importing the package fills ``registry.PATTERNS``; see ``registry.py`` for how to add one.
"""

from strategies.patterns import activations, attention, convolutions, linears, norms, shuffles
from strategies.patterns.registry import PATTERNS, Pattern

__all__ = [
    "PATTERNS",
    "Pattern",
    "activations",
    "attention",
    "convolutions",
    "linears",
    "norms",
    "shuffles",
]
