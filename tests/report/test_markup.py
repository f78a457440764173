import pytest

from fuzzconv.report.markup import Markup, element, escaped, joined


def test_children_and_attributes_are_escaped_unless_they_are_markup() -> None:
    built = element(
        "td", "<b>&", Markup("<i>x</i>"), None, 3, class_="a\"b'", data_kind="<", hidden=True, id=None
    )
    assert built == ('<td class="a&quot;b&#x27;" data-kind="&lt;" hidden>&lt;b&gt;&amp;<i>x</i>3</td>')


def test_void_elements_close_themselves() -> None:
    assert element("br") == "<br/>"
    assert element("rect", x=1) == '<rect x="1"/>'
    assert element("div") == "<div></div>"


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\x00", "\x1b", "\u061c"])
def test_invisible_characters_become_visible(hidden: str) -> None:
    assert escaped(f"a{hidden}b") == "a�b"


def test_joining_escapes_too() -> None:
    assert joined(["<", Markup("<br/>"), None]) == "&lt;<br/>"
