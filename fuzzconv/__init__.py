"""fuzzconv: a property-based differential fuzzer for the ONNX to ncnn road.

Deliberately imports nothing of ours: ``strategies`` imports ``fuzzconv.case``, and ``fuzzconv.campaign``
imports ``strategies``; an import here would close that circle.
"""
