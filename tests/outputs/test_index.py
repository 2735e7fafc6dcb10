"""The page and the table over many recordings."""

import csv
import os
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from emofuse.outputs.index import INDEX_FILES, Digest, Row, write_index
from make_timelines import TIMELINES

HOSTILE = "in/<img src=x onerror=alert(1)> & \"'.mp4"


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def index(tmp_path):
    made = (tmp_path / "deep" / "a <b> #1.html", tmp_path / "deep" / "a <b> #1.TextGrid")
    rows = [
        Row(HOSTILE, Digest.of(TIMELINES["many faces"]), made),
        Row("quiet.wav", Digest.of(TIMELINES["nothing spoke"])),
        Row("broken.mp4", failure="it is <cut> off"),
    ]
    assert [p.name for p in write_index(rows, tmp_path)] == list(INDEX_FILES)
    page = Page()
    page.feed((tmp_path / "index.html").read_text(encoding="utf-8"))
    return page, list(csv.DictReader((tmp_path / "summary.csv").open(newline="", encoding="utf-8")))


def test_names_are_words_and_never_markup(index):
    page, _ = index
    assert "img" not in page.tags and "cut" not in page.tags and "b" in page.tags
    assert HOSTILE in page.text and "it is <cut> off" in page.text


def test_links_lead_to_the_files(index, tmp_path):
    page, _ = index
    report = "./deep/a%20%3Cb%3E%20%231.html"
    assert page.links == ["./summary.csv", report, report, report.replace("html", "TextGrid")]
    assert unquote(report).endswith("a <b> #1.html")


def test_the_table_has_a_row_for_every_input(index):
    _, rows = index
    assert [r["recording"] for r in rows] == [HOSTILE, "quiet.wav", "broken.mp4"]
    done, quiet, broken = rows
    assert (done["label"], done["confidence"], done["used"], done["n_people"]) == ("angry", "0.7", "face+voice", "20")
    assert (done["p_angry"], done["face"], done["text"]) == ("0.7", "angry", "")
    assert (quiet["label"], quiet["p_angry"], quiet["failure"]) == ("", "", "")
    assert "voice: no voice was found" in quiet["why"]
    assert (broken["failure"], broken["label"]) == ("it is <cut> off", "")


def test_a_name_that_is_not_unicode_is_written(tmp_path):
    name = os.fsdecode(b"caf\xe9.mp4")
    write_index([Row(name, Digest.of(TIMELINES["a gap"]), (tmp_path / name,))], tmp_path)
    for file in INDEX_FILES:
        assert "caf?.mp4" in (tmp_path / file).read_bytes().decode("utf-8")
    assert 'href="./caf%E9.mp4"' in (tmp_path / "index.html").read_text(encoding="utf-8")
