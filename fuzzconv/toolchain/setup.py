"""The last part of set-up, once the Python packages are there: ``python -m fuzzconv.toolchain.setup``.

Looks at what is really missing, gets what this user may get (Debian packages as root or with ``sudo -n``, the
onnx2ncnn build), and says in one line per tool what is still missing and how to get it. Never fails: a
campaign runs the routes it can.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from fuzzconv.errors import MissingToolError
from fuzzconv.toolchain import build_onnx2ncnn
from fuzzconv.toolchain.executable import how_it_ended
from fuzzconv.toolchain.locate import VULKAN_PACKAGES, find_toolchain, forget_probes
from fuzzconv.toolchain.toolchain import Toolchain

COMPILER_PACKAGES = ("g++",)

_APT_SECONDS = 900
_APT_OPTIONS = ("-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=1", "-qq")


def wanted_packages(toolchain: Toolchain) -> tuple[str, ...]:
    """Debian packages that would get what is missing here; empty when none would."""
    packages: list[str] = []
    if not toolchain.vulkan.found and toolchain.ncnn.found:
        packages += VULKAN_PACKAGES
    if needs_onnx2ncnn(toolchain) and build_onnx2ncnn.missing_build_tools():
        packages += build_onnx2ncnn.DEBIAN_PACKAGES
    elif not any(map(shutil.which, ("cc", "gcc", "clang"))):
        packages += COMPILER_PACKAGES  # for pnnx's fork server
    return tuple(packages)


def needs_onnx2ncnn(toolchain: Toolchain) -> bool:
    """Whether there is none, or an outdated one in our cache; what the user named stays the user's affair."""
    tool = toolchain.onnx2ncnn
    if tool.found:
        return tool.origin == "cache" and tool.version != build_onnx2ncnn.VERSION
    return "ONNX2NCNN" not in os.environ


def install_debian_packages(packages: tuple[str, ...]) -> str:
    """``apt-get update`` and ``install``, without asking anything; why it didn't work, else empty."""
    if not shutil.which("apt-get"):
        return "this is no Debian: no apt-get"
    prefix = _root_prefix()
    if prefix is None:
        return "not root, and no sudo that needs no password"
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *_APT_OPTIONS]
    for command in ([*apt, "update"], [*apt, "install", "-y", "--no-install-recommends", *packages]):
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_APT_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"apt-get took more than {_APT_SECONDS} s"
    return f"apt-get {how_it_ended(done)}" if done.returncode else ""


def main() -> int:
    """Get what can be got; always 0."""
    toolchain = find_toolchain()
    packages = wanted_packages(toolchain)
    if packages:
        print(f"setup: installing Debian packages: {' '.join(packages)}", flush=True)
        if problem := install_debian_packages(packages):
            print(f"setup: they can't be installed: {problem}", flush=True)
        forget_probes()
    building = needs_onnx2ncnn(toolchain) and not build_onnx2ncnn.missing_build_tools()
    if building:
        print("setup: building onnx2ncnn (once per user, about 20 s)", flush=True)
        try:
            build_onnx2ncnn.build()
        except MissingToolError as error:
            print(f"setup: {error}", flush=True)
    if packages or building:
        toolchain = find_toolchain()
    for tool in toolchain.missing:
        print(f"setup: {tool.name} is missing: {tool.missing}; get it with: {tool.remedy}")
    return 0


def _root_prefix() -> list[str] | None:
    """What to put before a command to run it as root; None when this user can't."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if allowed.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
