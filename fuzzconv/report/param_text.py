"""An ncnn ``.param`` for people: the same lines with every numbered parameter named.

The names come from ncnn's own documentation (``templates/ncnn_layer_params.txt`` says which).
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_TABLE = "ncnn_layer_params.txt"
_ARRAY_BASE = -23300


@cache
def layer_params() -> dict[str, dict[int, str]]:
    """Layer type → parameter id → name."""
    text = (resources.files("fuzzconv.report") / "templates" / _TABLE).read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        layer, colon, names = line.partition(": ")
        if colon and not line.startswith("#"):
            pairs = (name.split("=", 1) for name in names.split())
            table[layer] = {int(number): name for number, name in pairs}
    return table


def named_param(param: str) -> str:
    """``param`` with ``0=1 -23303=1,3`` written as ``num_output=1 axes=[3]``; other lines as they are.

    >>> named_param("Reduction r 1 1 a b 0=3 -23303=1,-1").strip()
    'Reduction r 1 1 a b operation=3 axes=[-1]'
    """
    return "\n".join(_named_line(line) for line in param.splitlines()) + "\n"


def _named_line(line: str) -> str:
    words = line.split()
    if len(words) < 4 or not (words[2].isdecimal() and words[3].isdecimal()):
        return line
    first = 4 + int(words[2]) + int(words[3])
    if len(words) <= first:
        return line
    names = layer_params().get(words[0], {})
    kept = re.match(rf"(?:\s*\S+){{{first}}}", line)
    return " ".join([kept[0] if kept else "", *(_named(word, names) for word in words[first:])])


def _named(word: str, names: dict[int, str]) -> str:
    key, equals, value = word.partition("=")
    try:
        number = int(key)
    except ValueError:
        return word
    if number <= _ARRAY_BASE:
        number, value = _ARRAY_BASE - number, "[" + value.partition(",")[2] + "]"
    return f"{names.get(number, number)}{equals}{value}"
