"""The mutation table: real ``.bin`` files of every layer with weights, damaged in every way of the table."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from weight_models import MODELS
from weight_mutations import mutations, reads_the_same

from fuzzconv.converters.conversion import Conversion
from fuzzconv.converters.onnx2ncnn import Onnx2NcnnConverter
from fuzzconv.converters.pnnx import PnnxConverter
from fuzzconv.oracles.weights import judge_weights
from fuzzconv.runtime.client import NcnnRuntime
from fuzzconv.runtime.execution import RunStatus, WeightTrace
from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx

LAYERS_WITH_WEIGHTS = {
    "BatchNorm", "Convolution", "Convolution1D", "Convolution3D", "ConvolutionDepthWise",
    "ConvolutionDepthWise1D", "Deconvolution", "Deconvolution1D", "Deconvolution3D",
    "DeconvolutionDepthWise", "Embed", "GRU", "Gemm", "GroupNorm", "InnerProduct", "InstanceNorm", "LSTM",
    "LayerNorm", "MemoryData", "PReLU", "RMSNorm", "RNN",
}  # fmt: skip


@pytest.fixture(scope="module")
def runtime() -> Iterator[NcnnRuntime]:
    with NcnnRuntime("cpu") as ncnn:
        yield ncnn


@pytest.fixture(scope="module")
def files(runtime: NcnnRuntime) -> list[tuple[str, Conversion, WeightTrace]]:
    """(model, conversion, trace) of everything that the tools of this machine convert and ncnn reads."""
    pnnx, onnx2ncnn = find_pnnx(), find_onnx2ncnn()
    for tool in (pnnx, onnx2ncnn):
        if not tool.path:
            pytest.skip(f"{tool.name} is missing: {tool.missing}; get it with: {tool.remedy}")
    converters = [PnnxConverter(pnnx.path, fp16=False), PnnxConverter(pnnx.path, fp16=True)]
    converters.append(Onnx2NcnnConverter(onnx2ncnn.path))
    found = []
    for name, model in MODELS.items():
        for converter in converters:
            with tempfile.TemporaryDirectory() as scratch:
                conversion = converter.convert(model(), Path(scratch))
            if conversion.param and conversion.weights:
                trace = runtime.trace(conversion.param, conversion.weights)
                if trace.blobs and not trace.untraced:
                    found.append((name, conversion, trace))
    return found


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.onnx2ncnn
def test_sound_files_of_every_layer_are_not_flagged(files):
    flagged = {
        (name, conversion.converter, conversion.setting): fault.detail
        for name, conversion, trace in files
        if (fault := judge_weights(MODELS[name](), conversion, trace))
    }
    assert flagged == {}
    assert {blob.layer_type for _, _, trace in files for blob in trace.blobs} >= LAYERS_WITH_WEIGHTS


@pytest.mark.slow
@pytest.mark.pnnx
@pytest.mark.onnx2ncnn
def test_damaged_files_are_flagged(files, runtime):
    """At least 99 % of the harmful mutations, 95 % of each kind; what changes no value read is harmless."""
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    examples = []
    for name, conversion, trace in files:
        case = MODELS[name]()
        size = len(conversion.weights)
        for mutation, content in mutations(conversion.weights, trace):
            damaged = runtime.trace(conversion.param, content)
            if reads_the_same(trace, damaged, (size, len(content))):
                continue
            tried[mutation] += 1
            died = damaged.status is RunStatus.CRASHED
            if not died and judge_weights(case, replace(conversion, weights=content), damaged) is None:
                missed[mutation] += 1
                examples.append((name, conversion.converter, conversion.setting, mutation))
    assert tried.total() > 7000
    assert missed.total() <= 0.01 * tried.total(), examples
    assert {kind for kind in missed if missed[kind] > 0.05 * tried[kind]} == set(), examples
