"""From an ONNX model to ncnn files: one module per converter behind the ``Converter`` protocol."""
