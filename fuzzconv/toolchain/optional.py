"""Python packages that a campaign can do without, and what it leaves out when they are missing."""

from __future__ import annotations

from importlib.util import find_spec

SIMPLIFIER = "onnxslim"
SIMPLIFIED = "simplified"
"""The metamorphic variant that the simplifier makes."""


def variants_left_out() -> dict[str, str]:
    """Metamorphic variants that this installation can't make, each with the reason and the remedy."""
    if find_spec(SIMPLIFIER) is None:
        return {SIMPLIFIED: f"{SIMPLIFIER} is not installed; get it with: pip install {SIMPLIFIER}"}
    return {}
