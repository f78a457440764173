"""Operator specs, one module per family; importing the package fills ``registry.SPECS``."""

from strategies.operators import (
    activation,
    binary,
    conv,
    filling,
    indexing,
    integer_products,
    linear,
    logic,
    movement,
    norm,
    pool,
    quantized,
    ranking,
    recurrent,
    reduce,
    resize,
    unary,
)
from strategies.operators.registry import SPECS, Spec

__all__ = [
    "SPECS",
    "Spec",
    "activation",
    "binary",
    "conv",
    "filling",
    "indexing",
    "integer_products",
    "linear",
    "logic",
    "movement",
    "norm",
    "pool",
    "quantized",
    "ranking",
    "recurrent",
    "reduce",
    "resize",
    "unary",
]
