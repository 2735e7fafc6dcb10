"""Pages as Markdown and HTML: structure kept, everything escaped."""

from __future__ import annotations

import base64
from xml.etree import ElementTree

import pytest

from emofuse.research.evaluation.reports.document import (
    Block,
    Caution,
    Code,
    DefinitionList,
    Document,
    Heading,
    Picture,
    Table,
    Text,
    printable,
    to_html,
    to_markdown,
)

NASTY = 'a|b <script>alert("x")</script> *c* `d` [e](f) & $g$ \\ \x1b[31m\nnew'
BLOCKS: tuple[Block, ...] = (
    Heading(NASTY),
    Text(NASTY),
    Caution(NASTY),
    DefinitionList(((NASTY, NASTY),), frozenset({NASTY})),
    Table((NASTY, "n", "why"), ((NASTY, "1", NASTY),), n_numbers=1),
    Picture("p.png", NASTY),
    Code(NASTY),
)


def html(*blocks: Block, caution: str = "", title: str = "t") -> ElementTree.Element:
    page = to_html(Document(title, caution, blocks), lambda file: b"PNG of " + file.encode())
    return ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def markdown(*blocks: Block, caution: str = "", title: str = "t") -> str:
    return to_markdown(Document(title, caution, blocks))


def test_html_shows_the_very_text_whatever_it_holds() -> None:
    page = html(*BLOCKS, title=NASTY, caution=NASTY)
    assert page.find(".//script") is None
    shown = printable(NASTY)
    for tag in ("h1", "h2", "dt", "dd", "th", "td", "code"):
        element = page.find(f".//{tag}")
        assert element is not None
        assert "".join(element.itertext()) == shown
    assert ["".join(p.itertext()) for p in page.iter("p")] == [shown] * 3
    picture = page.find(".//img")
    assert picture is not None
    assert picture.get("alt") == shown
    assert base64.b64decode(picture.get("src", "").removeprefix("data:image/png;base64,")) == b"PNG of p.png"


def test_control_characters_are_taken_out_everywhere() -> None:
    assert printable("a\x1b[31mb\nc\td\x00é乐") == "a?[31mb c d?é乐"
    assert "\x1b" not in markdown(*BLOCKS, title=NASTY, caution=NASTY)


def test_markdown_cells_do_not_break_a_table() -> None:
    lines = markdown(Table(("a|b", "n", "why"), (("x|y\nz", "1", "`|`"),), n_numbers=1)).splitlines()
    assert lines[2:] == [r"| a\|b | n | why |", "| --- | ---: | --- |", r"| x\|y z | 1 | \`\|\` |"]


def test_markdown_is_escaped() -> None:
    assert markdown(Text("*a* <b> [c](d) `e` _f_ $g$ #h &amp; ~i~ \\")).splitlines()[2] == (
        r"\*a\* \<b\> \[c\](d) \`e\` \_f\_ \$g\$ \#h \&amp; \~i\~ \\"
    )


def test_code_is_kept_as_it_is_typed() -> None:
    assert markdown(Code("run  'a  b' *")).splitlines()[2:] == ["```sh", "run  'a  b' *", "```"]
    assert markdown(Code("echo ```` x")).splitlines()[2:] == ["`````sh", "echo ```` x", "`````"]


def test_an_alarm_is_red_in_both() -> None:
    text = markdown(Caution("mind"), DefinitionList((("a", "x"), ("b", "y")), frozenset({"b"})), caution="LEAKY: no")
    assert text.startswith("# 🟥 t\n\n> [!CAUTION]\n> 🟥 **LEAKY: no**\n")
    assert "> 🟥 **mind**" in text
    assert "- **a**: x\n- 🟥 **b**: y" in text
    page = html(Caution("mind"), DefinitionList((("a", "x"), ("b", "y")), frozenset({"b"})), caution="LEAKY: no")
    assert [(e.tag, e.text) for e in page.iter() if e.get("class") == "caution"] == [
        ("h1", "t"),
        ("p", "mind"),
        ("dd", "y"),
    ]
    assert [e.text for e in page.iter("title")] == ["LEAKY: t"]
    assert [e.text for e in page.iter() if e.get("class") == "banner"] == ["LEAKY: no"]


def test_without_alarm_nothing_is_red() -> None:
    assert "🟥" not in markdown(Text("x"))
    assert not [e for e in html(Text("x")).iter() if e.get("class") in ("caution", "banner")]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Ma, https://arxiv.org/abs/2406.07162", "https://arxiv.org/abs/2406.07162"),
        ("(see https://doi.org/10.1/a?b=1&c=2).", "https://doi.org/10.1/a?b=1&c=2"),
    ],
)
def test_addresses_become_links_in_html(text: str, address: str) -> None:
    page = html(Text(text))
    link = page.find(".//a")
    assert link is not None
    assert (link.get("href"), link.text) == (address, address)
    assert ["".join(p.itertext()) for p in page.iter("p")] == [text]


def test_numbers_stand_to_the_right() -> None:
    cells = list(html(Table(("a", "n", "m", "why"), (("x", "1", "2", "y"),), n_numbers=2)).iter("td"))
    assert [cell.get("class") for cell in cells] == [None, "number", "number", None]
