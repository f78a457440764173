"""Products that onnx2ncnn writes as layers which have fewer axes than they."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from fuzzconv.case import Array, Case
from fuzzconv.findings.parameters import blobs_of

FLATTENED = "product of more than two axes written as an InnerProduct"
PRODUCT_AS_GEMM = "MatMul of other than single matrices written as a Gemm"

_OF_MATRIX = 2
_MOST_OF_PRODUCT = 3
"""Axes of a product that an ``InnerProduct`` of rows can be, the batch among them."""


def multiplies_matrices(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether a ``MatMul`` of other than matrices is written as a ``Gemm``, which takes and makes matrices.

    One that has a batch of one is a matrix without it.
    """
    made = {name for words in layers if words[0] == "Gemm" for name in blobs_of(words, outputs=True)}
    nodes = [n for n in case.model.graph.node if n.op_type == "MatMul" and n.output[0] in made]
    shapes = [values[name].shape for node in nodes for name in node.input if name in values]
    return any(len(shape[1:] if shape[:-_OF_MATRIX] == (1,) else shape) != _OF_MATRIX for shape in shapes)


def flattens_inside(case: Case, layers: Sequence[Sequence[str]], values: Mapping[str, Array]) -> bool:
    """Whether an ``InnerProduct`` makes what is neither one row nor several, of which one would be left."""
    products = {name for w in layers if w[0] == "InnerProduct" for name in blobs_of(w, outputs=True)}
    large = {name for name in products & values.keys() if _is_no_row(values[name].shape)}
    rows = {name for name in large if prod(values[name].shape[:-1]) > 1}
    return bool(rows) or any(large & set(node.input) for node in case.model.graph.node)


def _is_no_row(shape: Sequence[int]) -> bool:
    """Whether a product's axes are lost: more than rows have, or a single row that has an axis to say so."""
    return len(shape) > _MOST_OF_PRODUCT or (len(shape) == _MOST_OF_PRODUCT and shape[1] == 1)
