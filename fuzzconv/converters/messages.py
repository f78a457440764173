"""Understand what the converters print: which of it admits a lack, which hints at damage, which is noise.

Both tools end with exit status 0 when they meet an operator they can't convert and only print a line about
it. ``Remarks.unsupported`` holds what the tool named as beyond it (an operator, or a feature in the tool's
own words); ``Remarks.warnings`` every other line that should make a user suspicious. The wording is that of
pnnx's ``tools/pnnx/src`` (``ir.cpp``, ``save_ncnn.cpp``, ``pass_ncnn/``) and of ``tools/onnx/onnx2ncnn.cpp``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_PROGRESS = re.compile(r"^\w+ \.\.\. +")
_TIMESTAMP = re.compile(  # onnxruntime's; protobuf's, with the process number
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ |^[IWEF]\d{4} [\d:.]+ +\d+ "
)
_FIRST_USE = re.compile(
    r"\d{4}-\d\d-\d\d [\d:.]+ \[W:onnxruntime[^\n]*Unknown CPU vendor[^\n]*"
)  # on virtual machines
_HARMLESS = re.compile(
    r"^replace ncnn input torch\.long type"  # int64 inputs are fed as int32
    r"|^model has dynamic dimension size|^pnnx will optimize model with static"
    r"|^(?:fallback|force) batch axis \d+ for operand|^open failed$"  # releases before 2026, on every model
    r"|^[│┌├└]"
)
_ONNXRUNTIME = re.compile(r"^(?:ort \w+ failed|\[[WEF]:onnxruntime)")
_SUSPICIOUS = re.compile(
    r"fail|error|warning|unknown|malformed|incorrect|unbalanced|assum|not possible|invalid|exceed|can ?not"
    r"|can't|no such|fall ?back|missing|mismatch|terminate|what\(\)|assert|^skip |^ignore |may lead"
    r"|out of range",
    re.IGNORECASE,
)
_DURATION = re.compile(r" +\d+\.\d\dms$")
_STACK_TRACE = "*** Check failure stack trace: ***"
_LACK = re.compile(r"\bunsupported\b|\bnot supported\b|\bnot handled$", re.IGNORECASE)

_TODO = re.compile(r"^todo (\S+)$")
_IGNORE = re.compile(r"^ignore (\S+) \S+ param ")
_NOT_YET = re.compile(r"^(\S+) not supported yet!$")
_UNKNOWN_TYPE = re.compile(r"^Unknown data type (\d+)$")


@dataclass(frozen=True)
class Remarks:
    """What a converter said, in order, without repetitions.

    Attributes:
        unsupported: operators and features it named as beyond it.
        warnings: other lines that hint at damage.
    """

    unsupported: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_pnnx(stderr: str, param: str | None = None) -> Remarks:
    """Sort pnnx's output.

    ``todo TYPE`` says that pnnx's own script can't express an operator; it is an admission unless the type is
    gone from the ``.param``, converted after all.
    ``ignore TYPE NAME param …`` is an admission when the type is not ncnn's (``Tensor.to``, or one that a
    ``todo`` line named): such a layer goes raw into the ``.param``. A parameter ignored on a real
    ncnn layer is a warning: the tool believes that it converted that operator.
    """
    lines = list(_lines(stderr))
    layers = None if param is None else {line.split(maxsplit=1)[0] for line in param.splitlines() if line}
    todo = {m[1] for line in lines if (m := _TODO.match(line))}
    unsupported: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for line in lines:
        ignored = _IGNORE.match(line)
        if match := _TODO.match(line):
            if layers is None or match[1] in layers:
                unsupported[match[1]] = None
            else:
                warnings[line] = None
        elif ignored and ("." in ignored[1] or "::" in ignored[1] or ignored[1] in todo):
            unsupported[ignored[1]] = None
        elif _LACK.search(line) and not _ONNXRUNTIME.match(line) and not ignored:
            unsupported[line] = None
        elif _ONNXRUNTIME.match(line) or _SUSPICIOUS.search(line):
            warnings[line] = None
    return Remarks(tuple(unsupported), tuple(warnings))


def read_onnx2ncnn(stderr: str) -> Remarks:
    """Sort onnx2ncnn's output: ``X not supported yet!``, ``Unsupported …``, ``Unknown data type N``."""
    unsupported: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for line in _lines(stderr):
        if match := _NOT_YET.match(line):
            unsupported[match[1]] = None
        elif match := _UNKNOWN_TYPE.match(line):
            unsupported[f"data type {match[1]}"] = None
        elif _LACK.search(line):
            unsupported[line.rstrip(" !")] = None
        elif _SUSPICIOUS.search(line) and not line.startswith("#"):
            warnings[line] = None
    return Remarks(tuple(unsupported), tuple(warnings))


def last_words(*streams: str) -> str:
    """The last line of the first stream that says anything, the same in every run of the same failure.

    That is: without colours, times, process numbers and what a tool prints only at its first use. When pnnx
    dies in mid-pass it is the pass's name (``shape_inference ...``).
    """
    for stream in streams:
        for raw in reversed(_plain(stream).splitlines()):
            line = _TIMESTAMP.sub("", _DURATION.sub("", raw).strip())
            if any(character.isalnum() for character in line) and line != _STACK_TRACE:
                return line[:300]
    return ""


def _lines(text: str) -> Iterator[str]:
    """The lines that may mean something: no colours, progress labels, times of day or known noise."""
    for raw in _plain(text).splitlines():
        line = _TIMESTAMP.sub("", _PROGRESS.sub("", raw.strip()))
        if line and not _HARMLESS.search(line):
            yield line[:500]


def _plain(text: str) -> str:
    return _FIRST_USE.sub("", _ESCAPES.sub("", text))
