"""HTML that is escaped unless said otherwise.

``element`` builds a tag; children that are plain ``str`` are escaped, ``Markup`` is kept. So text that tools
print and names that models carry can't become markup by being forgotten somewhere.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

_VOID = frozenset({"br", "meta", "col", "line", "rect", "path", "circle", "use", "polyline"})
_DIRECTION = frozenset(
    chr(c) for c in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Markup | int | None


def escaped(text: object) -> Markup:
    """``text`` as HTML text. Control characters and those that turn the writing direction become ``�``."""
    return Markup(html.escape("".join(c if _visible(c) else "�" for c in str(text)), quote=True))


def _visible(character: str) -> bool:
    if character in _DIRECTION:
        return False
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


def element(tag: str, *children: Child, **attributes: object) -> Markup:
    """``<tag attributes>children</tag>``.

    Attribute names lose a trailing underscore, and inner ones become hyphens (``class_``, ``data_kind``);
    an attribute that is None or False is left out, True stands without a value.
    """
    head = "".join([tag, *(_attribute(name, value) for name, value in attributes.items())])
    if tag in _VOID and not children:
        return Markup(f"<{head}/>")
    return Markup(f"<{head}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child], separator: str = "") -> Markup:
    """Children one after the other, each escaped unless it is markup; None is nothing."""
    parts = (c if isinstance(c, Markup) else escaped(c) for c in children if c is not None)
    return Markup(separator.join(parts))


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    plain = name.rstrip("_").replace("_", "-")
    return f" {plain}" if value is True else f' {plain}="{escaped(value)}"'
