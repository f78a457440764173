"""Operator specs, one module per family."""
