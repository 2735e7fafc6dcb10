"""The contract of every writer, found by listing the registry, each read back by a parser that is not ours."""

import csv
import json
import os
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import av
import cv2
import numpy as np
import pytest

from emofuse.errors import OutputError
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.locations import MediaLinks
from emofuse.timeline import SourceInfo, Timeline
from make_timelines import TIMELINES, course, moment, timeline

HOSTILE = "</script><script>alert(1)</script> & \"x\" 'y' <b> #1?.mp4"
NOT_UNICODE = os.fsdecode(b"caf\xe9.mp4")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found.append(tag)


def read_html(path: Path) -> list[str]:
    tags = Tags()
    tags.feed(path.read_text(encoding="utf-8"))
    return tags.found


def read_subtitles(path: Path) -> list[tuple[float, float, str]]:
    """As ffmpeg reads them: start and end in seconds, and the text."""
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        packets = [p for p in container.demux(stream) if p.size]
        return [
            (float(p.pts * p.time_base), float((p.pts + p.duration) * p.time_base), bytes(p).decode()) for p in packets
        ]


def read_textgrid(path: Path) -> dict[str, list[tuple[float, float, str]]]:
    """The intervals of each tier, by Praat's own rule: only the numbers and the quoted texts of the file count."""
    values = re.findall(r'"((?:[^"]|"")*)"|(?<![\w\[])(-?\d+(?:\.\d+)?)(?![\w\]])', path.read_text(encoding="utf-8"))
    items = iter([text.replace('""', '"') if not number else float(number) for text, number in values])
    assert [next(items), next(items)] == ["ooTextFile", "TextGrid"]
    start, end, n_tiers = next(items), next(items), int(next(items))
    tiers = {}
    for _ in range(n_tiers):
        assert next(items) == "IntervalTier"
        name = next(items)
        assert (next(items), next(items)) == (start, end)
        tiers[name] = [(next(items), next(items), next(items)) for _ in range(int(next(items)))]
    assert next(items, None) is None
    return tiers


READERS = {
    "json": lambda path: json.loads(path.read_bytes()),
    "csv": lambda path: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())),
    "embeddings": lambda path: dict(np.load(path)),
    "faces": lambda path: list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())),
    "html": read_html,
    "png": lambda path: cv2.imread(str(path)),
    "svg": lambda path: ElementTree.parse(path),
    "srt": lambda path: read_subtitles(path) if path.stat().st_size else [],
    "vtt": read_subtitles,
    "eaf": lambda path: ElementTree.parse(path).getroot(),
    "textgrid": read_textgrid,
}


KINDS = [name for name, format in FORMATS.items() if format.write is not None]


def write(kind: str, timeline: Timeline, path: Path) -> None:
    FORMATS[kind].write(timeline, path, MediaLinks.between(timeline.source.path, path))


def named(name: str) -> Timeline:
    whole = TIMELINES["many faces"]
    return Timeline(whole.labels, whole.moments, SourceInfo(name, 1.2, 640, 480, 25.0, True, True), whole.summary)


@pytest.mark.parametrize("name", TIMELINES)
@pytest.mark.parametrize("kind", KINDS)
def test_any_timeline_is_written_and_read_back(kind, name, tmp_path):
    path = tmp_path / f"out.{FORMATS[kind].suffix}"
    write(kind, TIMELINES[name], path)
    assert READERS[kind](path) is not None
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", [HOSTILE, NOT_UNICODE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_may_have_any_name(kind, name, tmp_path):
    path = tmp_path / f"out.{FORMATS[kind].suffix}"
    write(kind, named(name), path)
    if kind != "json":  # which keeps the escape
        path.read_bytes() if kind in ("png", "embeddings") else path.read_bytes().decode("utf-8")
    found = READERS[kind](path)
    if kind == "html":
        assert found.count("script") == 3 and "b" not in found


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_folder_is_an_output_error(kind, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*out"):
        write(kind, TIMELINES["silent film"], tmp_path / "absent" / "out")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_there_stays_when_writing_fails(kind, tmp_path, monkeypatch):
    path = tmp_path / f"out.{FORMATS[kind].suffix}"
    path.write_bytes(b"before")

    def full(self, *_):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left"):
        write(kind, TIMELINES["silent film"], path)
    assert path.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 1


SEGMENTS = timeline(*course([("happy", 20), (None, 30), ("sad", 20)]), duration_s=7.0)


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_say_each_segment(kind, tmp_path):
    write(kind, SEGMENTS, tmp_path / f"x.{kind}")
    assert READERS[kind](tmp_path / f"x.{kind}") == [
        (pytest.approx(s.start_s, abs=1e-3), pytest.approx(s.end_s, abs=1e-3), f"{s.label} 70 %")
        for s in SEGMENTS.segments()
    ]


def test_subtitles_have_hours_and_the_formats_own_points(tmp_path):
    late = timeline(moment(3661.75, "happy"), moment(3662.0, "happy"))
    write("srt", late, tmp_path / "x.srt")
    write("vtt", late, tmp_path / "x.vtt")
    assert "01:01:01,500 --> 01:01:02,000" in (tmp_path / "x.srt").read_text()
    assert (tmp_path / "x.vtt").read_text().startswith("WEBVTT\n\n1\n")
    assert "01:01:01.500 --> 01:01:02.000" in (tmp_path / "x.vtt").read_text()


def test_a_label_cannot_break_a_cue(tmp_path):
    labels = ("a\n\nb --> c", "<i>&")
    odd = timeline(*course_of(labels), duration_s=4.0, labels=labels)
    for kind in ("srt", "vtt"):
        write(kind, odd, tmp_path / f"x.{kind}")
        assert len(READERS[kind](tmp_path / f"x.{kind}")) == 2
    assert "&lt;i&gt;&amp; 70 %" in (tmp_path / "x.vtt").read_text()


def course_of(labels):
    return [moment(i / 10, labels[i // 20], ("face",), labels=labels) for i in range(40)]


def test_textgrid_tiers_have_no_holes(tmp_path):
    write("textgrid", SEGMENTS, tmp_path / "x.TextGrid")
    tiers = READERS["textgrid"](tmp_path / "x.TextGrid")
    assert list(tiers) == ["fused", "fused confidence", "face"]
    for intervals in tiers.values():
        assert intervals[0][0] == 0 and intervals[-1][1] == 7
        assert all(a[1] == b[0] for a, b in pairwise(intervals))
    assert [text for *_, text in tiers["fused"]] == ["happy", "", "sad"]
    assert [text for *_, text in tiers["fused confidence"]] == ["0.70", "", "0.70"]


def test_textgrid_doubles_quotes(tmp_path):
    labels = ('so "so"', "other")
    write("textgrid", timeline(*course_of(labels), labels=labels), tmp_path / "x.TextGrid")
    assert READERS["textgrid"](tmp_path / "x.TextGrid")["fused"][0][2] == 'so "so"'


def test_a_document_that_lies_beside_its_recording_does_not_tell_where_it_was_made(tmp_path):
    links = MediaLinks.beside("my film.mkv", "my film.mp4")
    for kind in ("eaf", "html"):
        FORMATS[kind].write(named("my film.mkv"), tmp_path / f"x.{kind}", links)
        assert str(tmp_path) not in (tmp_path / f"x.{kind}").read_text()
    media = ElementTree.parse(tmp_path / "x.eaf").getroot().find("HEADER/MEDIA_DESCRIPTOR")
    assert media.get("MEDIA_URL") == media.get("RELATIVE_MEDIA_URL") == "./my%20film.mkv"
    assert 'src="./my%20film.mp4"' in (tmp_path / "x.html").read_text()


def test_every_suffix_is_the_formats_own():
    assert {name: format.suffix for name, format in FORMATS.items() if format.suffix != name} == {
        "embeddings": "embeddings.npz",
        "faces": "faces.csv",
        "textgrid": "TextGrid",
    }
