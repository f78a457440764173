"""What a campaign works with: each tool's place, version and origin, or why it is missing.

``Tool`` is one executable or Python package, ``VulkanDevice`` the device ncnn would use, ``Toolchain`` all of
them together. Values only: ``locate.py`` finds them, ``routes.py`` says which routes they allow.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

UNKNOWN_VERSION = "unknown"


@dataclass(frozen=True)
class Tool:
    """One tool, found or missing.

    Attributes:
        name: ``pnnx``, ``onnx2ncnn``, or a Python distribution's name.
        path: the executable, or the directory a Python package is imported from; None when missing.
        version: as the distribution's metadata has it, else ``unknown``; empty when missing.
        origin: how it was found (``--pnnx``, ``$PNNX``, ``Python package``, ``PATH``, ``cache``).
        missing: one clause saying why it can't be used; empty when it can.
        remedy: the one command that gets it.
    """

    name: str
    path: Path | None = None
    version: str = ""
    origin: str = ""
    missing: str = ""
    remedy: str = ""

    @property
    def found(self) -> bool:
        """Whether it can be used."""
        return not self.missing


@dataclass(frozen=True)
class VulkanDevice:
    """The Vulkan device ncnn uses by default, as ncnn and the Vulkan loader name it.

    Attributes:
        device: e.g. ``llvmpipe (LLVM 15.0.6, 256 bits)``.
        driver: e.g. ``llvmpipe: Mesa 22.3.6 (LLVM 15.0.6)``.
        api_version: highest Vulkan version of the device, e.g. ``1.3.230``.
        missing, remedy: as in ``Tool``.
    """

    device: str = ""
    driver: str = ""
    api_version: str = ""
    missing: str = ""
    remedy: str = ""

    name = "vulkan"

    @property
    def found(self) -> bool:
        """Whether it can be used."""
        return not self.missing


@dataclass(frozen=True)
class Toolchain:
    """Every tool of the road. ``ncnn.path`` is what a worker puts on its ``PYTHONPATH``."""

    pnnx: Tool
    onnx2ncnn: Tool
    ncnn: Tool
    vulkan: VulkanDevice
    onnxruntime: Tool
    onnx: Tool
    numpy: Tool
    hypothesis: Tool

    @property
    def tools(self) -> tuple[Tool, ...]:
        """All tools but the Vulkan device, in the order of the road."""
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(value for value in values if isinstance(value, Tool))

    @property
    def missing(self) -> tuple[Tool | VulkanDevice, ...]:
        """What can't be used, in the order of the road."""
        parts: tuple[Tool | VulkanDevice, ...] = (*self.tools, self.vulkan)
        return tuple(part for part in parts if not part.found)

    def versions(self) -> dict[str, str]:
        """Tool name → version of what is there, the Vulkan device and driver included (for reports)."""
        found = {tool.name: tool.version for tool in self.tools if tool.found}
        if self.vulkan.found:
            found["vulkan"] = f"{self.vulkan.device}; {self.vulkan.driver}"
        return found

    @property
    def required_missing(self) -> str:
        """Why no campaign at all can run (no ncnn, or no converter), else empty."""
        if not self.ncnn.found:
            return f"ncnn is missing: {self.ncnn.missing}; get it with: {self.ncnn.remedy}"
        if not (self.pnnx.found or self.onnx2ncnn.found):
            return f"no converter: pnnx {self.pnnx.missing}; get it with: {self.pnnx.remedy}"
        return ""
