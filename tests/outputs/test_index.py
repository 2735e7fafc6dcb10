"""The page and the table over many recordings."""

import csv
import os
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from chromium import open_chromium, set_view
from emofuse.outputs.index import INDEX_FILES, Digest, Row, write_index
from make_timelines import TIMELINES, course, timeline

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


def test_the_time_of_all_is_shared_among_the_labels(tmp_path):
    course_of = {"a.mp4": [("happy", 3), ("sad", 1)], "b.mp4": [("sad", 4)]}
    rows = [
        Row(name, Digest.of(timeline(*course(plan, hop_s=1.0), duration_s=float(sum(n for _, n in plan)))))
        for name, plan in course_of.items()
    ]
    write_index(rows, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    totals = page[page.index('<section class="totals"') : page.index("</section>")]
    seconds = [Digest.of(timeline(*course(plan, hop_s=1.0), duration_s=4.0)).segments for plan in course_of.values()]
    happy_s = sum(s.end_s - s.start_s for segments in seconds for s in segments if s.label == "happy")
    all_s = sum(s.end_s - s.start_s for segments in seconds for s in segments)
    assert f"happy {100 * happy_s / all_s:.0f}&nbsp;%" in totals
    assert "(2 recordings, 0:08)" in totals and "(no group)" not in totals


@pytest.mark.browser
def test_the_table_is_sorted_and_filtered(tmp_path):
    plans = {"b.mp4": ("sad", 9), "a.mp4": ("happy", 20), "c.mp4": ("sad", 100)}
    rows = [
        Row(name, Digest.of(timeline(*course([(label, n)], hop_s=1.0), duration_s=float(n))))
        for name, (label, n) in plans.items()
    ]
    write_index(rows, tmp_path)
    with open_chromium() as browser:
        browser.get((tmp_path / "index.html").as_uri())

        def shown() -> str:
            heads = browser.find_elements("css selector", "tbody tr th")
            return "".join(head.text[0] for head in heads if head.is_displayed())

        def press(name: str) -> None:
            browser.find_element("xpath", f"//thead//button[text()='{name}']").click()

        assert shown() == "bac"
        press("Recording")
        assert shown() == "abc"
        press("Length")  # as numbers: 9 before 20 before 100
        assert shown() == "bac"
        press("Length")
        assert shown() == "cab"
        browser.find_element("id", "words").send_keys("sad")
        assert shown() == "cb"
        assert browser.find_element("id", "count").text == "2 of 3 shown"
        assert [e for e in browser.get_log("browser") if e["level"] == "SEVERE"] == []
        set_view(browser, 320)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 320
