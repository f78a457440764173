"""The weights oracle: ``judge_weights`` compares what ncnn reads from a ``.bin`` with the ONNX constants."""

from fuzzconv.oracles.weights.fault import WeightFault
from fuzzconv.oracles.weights.judge import judge_weights

__all__ = ["WeightFault", "judge_weights"]
