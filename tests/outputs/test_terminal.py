"""The panel on a terminal, in a file, and where there is neither colour nor Unicode."""

import io

import pytest
from rich.console import Console

from emofuse.outputs.terminal import marks, summary_panel
from emofuse.timeline import SourceInfo, Timeline
from make_timelines import TIMELINES, course, moment, timeline

# "happy" to 4.9 s, "sad" to 10: of 76 cells, the middle of the 37th is at 4.80 s and of the 38th at 4.93.
SPOKEN = timeline(*course([("happy", 50), ("sad", 50)]), duration_s=10.0)


def printed(found: Timeline, width: int = 80, encoding: str = "utf-8", **options) -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    Console(file=out, width=width, **options).print(summary_panel(found))
    return raw.getvalue().decode(encoding)


def test_it_says_what_was_read_from_what_and_why_not():
    text = printed(SPOKEN)
    assert "happy: 38 % mean over the recording   0:10" in text
    assert "From the face alone." in text
    assert "face   happy 38%" in text
    assert "voice  not used: no voice was found" in text
    assert "clip.mp4" in text


def test_clips_are_named_only_where_they_were_looked_at():
    text = printed(TIMELINES["with clips"])
    assert "Face and clip agree." in text and "clip   sad 70%" in text
    assert "clip " not in printed(SPOKEN)


def test_without_colour_the_course_is_letters():
    text = printed(SPOKEN)
    assert "H" * 37 + "S" * 39 in text
    assert "H happy  S sad" in text
    assert "\x1b" not in text


def test_with_colour_the_course_is_blocks():
    text = printed(SPOKEN, force_terminal=True, color_system="truecolor")
    assert "\x1b[38;2;230;159;0m" + "█" * 37 + "\x1b" in text
    assert "\x1b[38;2;0;114;178m" + "█" * 39 + "\x1b" in text


def test_a_gap_is_not_coloured_in():
    text = printed(TIMELINES["a gap"])
    # To 1.9 s and from 4.9 s of 7: the middles of cells 21 and 54 are at 1.89 and 4.93 s.
    assert "H" * 21 + "." * 32 + "S" * 23 in text
    assert ". nothing read" in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", TIMELINES)
def test_every_line_fits(name, width):
    lines = printed(TIMELINES[name], width).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) == min(width, 110)
    assert lines[0].startswith("╭") and lines[-1].endswith("╯")


def test_an_ascii_terminal_is_served():
    labels = ("heureux ☺", "très triste")
    odd = timeline(moment(0.0, labels[0], labels=labels), labels=labels)
    source = SourceInfo("/a/caf\udce9\x1b[31m.mp4", 1.0, None, None, None, True, False)
    text = printed(Timeline(labels, odd.moments, source, odd.summary), encoding="ascii")
    assert "heureux ?: 70 % mean over the recording" in text
    assert "caf??[31m.mp4" in text
    assert "####" in text


def test_nothing_to_say_is_said():
    assert "no emotion could be read" in printed(TIMELINES["empty"])
    assert "no emotion could be read" in printed(TIMELINES["nothing spoke"])


def test_marks_are_all_different():
    assert marks(("sad", "surprised", "scared")) == {"sad": "S", "surprised": "U", "scared": "C"}
    many = marks([f"s{i}" for i in range(36)])
    assert len(set(many.values())) == 36
    assert marks(["喜", "怒"]) == {"喜": "A", "怒": "B"}
