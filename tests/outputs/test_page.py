"""The report as a file: what is in it, what it links, and that it lets nothing else in. test_player.py opens it."""

import json
import re
from importlib.resources import files

import pytest

from emofuse.emotions import COLOURS
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.page import player_script, player_style, write_html
from emofuse.timeline import SourceInfo, Timeline
from make_timelines import TIMELINES

PLAYER = files("emofuse.outputs").joinpath("player")


def test_the_players_colours_are_ours():
    text = PLAYER.joinpath("document.js").read_text(encoding="utf-8")
    table = re.search(r"const COLOURS = \{(.*?)\};", text, re.DOTALL)[1]
    assert dict(re.findall(r'(\w+): "(#\w+)"', table)) == dict(COLOURS)


def test_the_script_is_every_part_once_and_asks_for_none():
    script = player_script()
    for part in PLAYER.iterdir():
        if part.name.endswith(".js"):
            last = part.read_text(encoding="utf-8").splitlines()[-20:]
            assert "\n".join(last) in script, part.name
    assert not re.search(r"^import\b", script, re.MULTILINE)
    assert script.count("export function createPlayer") == 1


def test_nothing_names_another_host(tmp_path):
    write_html(TIMELINES["many faces"], tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert "http:" not in page and "https:" not in page and "//cdn" not in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page  # its script and style are let in by their hashes


def test_the_player_is_made_for_a_strict_policy():
    script = player_script()
    for forbidden in ("innerHTML", "insertAdjacentHTML", "eval(", 'setAttribute("style"', "document.write", "fetch("):
        assert forbidden not in script
    assert "url(" not in player_style() and "@import" not in player_style()


def test_the_document_in_the_page_is_the_timelines(tmp_path):
    whole = TIMELINES["many faces"]
    write_html(whole, tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    text = re.search(r'<script type="application/json" id="timeline">(.*?)</script>', page)[1]
    assert json.loads(text) == whole.to_json()


def with_source(path, has_video=True, has_audio=True) -> Timeline:
    whole = TIMELINES["silent film"]
    source = SourceInfo(str(path), 1.0, 640, 480, 25.0, has_audio, has_video)
    return Timeline(whole.labels, whole.moments, source, whole.summary)


@pytest.mark.parametrize(
    ("has_video", "has_audio", "element"), [(True, True, "<video"), (False, True, "<audio"), (False, False, None)]
)
def test_the_page_plays_what_the_recording_has(tmp_path, has_video, has_audio, element):
    write_html(with_source(tmp_path / "in" / "a b#.mp4", has_video, has_audio), tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    if element is None:
        assert "<video" not in body and "<audio" not in body
    else:
        assert f'{element} id="media" src="./in/a%20b%23.mp4"' in body


def test_the_annotated_film_is_played_where_there_is_one_and_not_drawn_over(tmp_path):
    links = MediaLinks.between(tmp_path / "a.flv", tmp_path / "x.html", tmp_path / "x.mp4")
    write_html(with_source(tmp_path / "a.flv"), tmp_path / "x.html", links)
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert 'src="./x.mp4"' in page and '"boxes":false' in page
