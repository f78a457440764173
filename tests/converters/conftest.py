from pathlib import Path

import pytest

from fuzzconv.toolchain.locate import find_onnx2ncnn, find_pnnx
from fuzzconv.toolchain.toolchain import Tool


@pytest.fixture(scope="session")
def pnnx_binary() -> Path:
    return _path(find_pnnx())


@pytest.fixture(scope="session")
def onnx2ncnn_binary() -> Path:
    return _path(find_onnx2ncnn())


def _path(tool: Tool) -> Path:
    if not tool.path:
        pytest.skip(f"{tool.name} is missing: {tool.missing}; get it with: {tool.remedy}")
    return tool.path
