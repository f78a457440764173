"""Hypothesis strategies that generate small, valid, odd ONNX cases.

``cases()`` is the whole mix of a campaign; ``cases(operators={"Conv", "Relu"})`` narrows it for a property
test of your own. ``SPECS`` lists the operators, ``PATTERNS`` the fusion patterns, ``Swarm`` says what one
round may use.
"""

from strategies.graphs import cases, swarms
from strategies.operators import SPECS, Spec
from strategies.patterns import PATTERNS, Pattern
from strategies.swarm import Swarm

__all__ = ["PATTERNS", "SPECS", "Pattern", "Spec", "Swarm", "cases", "swarms"]
