"""Texts as documents can hold them."""

import doctest
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from emofuse import formatting
from emofuse.formatting import documentary, documentary_line


def test_the_examples_hold() -> None:
    assert doctest.testmod(formatting).failed == 0


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_whatever_is_in_a_text_xml_can_hold_it(text: str) -> None:
    element = ElementTree.Element("a", {"b": documentary_line(text)})
    element.text = documentary(text)
    read = ElementTree.fromstring(ElementTree.tostring(element, "utf-8"))
    assert (read.text or "") == documentary(text).replace("\r\n", "\n").replace("\r", "\n")
    assert read.get("b") == documentary_line(text)
