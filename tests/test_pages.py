"""Pages from templates: one frame, what is given is escaped, and a policy that lets in only what is in the page."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest

import emofuse
from emofuse.outputs.index import Row, index_page
from emofuse.outputs.page import page_pieces
from emofuse.pages import GENERATOR, STYLE_SHEET, read, render_macro
from make_timelines import TIMELINES

SRC = Path(emofuse.__file__).parent


def page_of_a_timeline() -> str:
    return "".join(page_pieces(TIMELINES["many faces"], "video", "./a&b.mp4", is_annotated=False))


def page_over_recordings() -> str:
    return index_page([Row("a.mp4", failure="x")], SRC)


def page_of_an_evaluation() -> str:
    document = pytest.importorskip("emofuse.research.evaluation.reports.document")
    page: str = document.to_html(document.Document("t", "", (document.Text("x"),)), Path.read_bytes)
    return page


PAGES = pytest.mark.parametrize("make", [page_of_a_timeline, page_over_recordings, page_of_an_evaluation])


def hashed(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@PAGES
def test_every_page_has_the_one_frame(make) -> None:
    page = make()
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">\n') and page.endswith("</html>\n")
    assert GENERATOR in page and read(STYLE_SHEET) in page
    assert len(re.findall("<style>", page)) == 1


@PAGES
def test_the_policy_lets_in_the_styles_and_scripts_of_the_page_alone(make) -> None:
    page = make()
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    assert policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
    assert f"style-src 'sha256-{hashed(style)}'" in policy
    scripts = re.findall('<script type="module">(.*?)</script>', page, re.DOTALL)
    assert [f"'sha256-{hashed(script)}'" for script in scripts] == re.findall("script-src (.*)", policy)


def test_what_is_given_is_escaped_and_holds_only_characters() -> None:
    entries = (("a<b>", "\x1b[31m & \udce9"),)
    assert "<dt>a&lt;b&gt;</dt><dd>\ufffd[31m &amp; ?</dd>" in render_macro(
        "outputs/pieces.html.jinja", "provenance", entries
    )


def test_no_page_is_built_of_strings_but_that_of_the_rest_interface() -> None:
    found = [
        p.relative_to(SRC).as_posix() for p in SRC.rglob("*.py") if re.search("<!doctype html", p.read_text(), re.I)
    ]
    assert found == ["service/api_page.py"]  # its style is a file that the service serves, under the service's policy
