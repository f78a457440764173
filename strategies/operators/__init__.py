"""Operator specs, one module per family; importing the package fills ``registry.SPECS``."""

from strategies.operators import activation, binary, conv, linear, movement, norm, pool, reduce, unary

__all__ = ["activation", "binary", "conv", "linear", "movement", "norm", "pool", "reduce", "unary"]
