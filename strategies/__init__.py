"""Hypothesis strategies that generate small, valid, odd ONNX cases."""
