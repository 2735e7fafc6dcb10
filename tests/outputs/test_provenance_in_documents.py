"""Every format that has a place for it says how it was made; without it, documents are a function of the timeline."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from emofuse.outputs.formats import FORMATS
from emofuse.outputs.index import Digest, Row, index_page
from emofuse.outputs.locations import MediaLinks
from emofuse.provenance import ModelFile, Provenance, TranscriptOrigin
from emofuse.timeline import Timeline
from make_timelines import timeline as made_timeline

SHA = "0123456789abcdef" * 4
HOW = Provenance(
    version="1.2.3",
    created="2026-01-31T09:30:00Z",
    call="emofuse analyze '<b>&--> \x1b[31m\udcff.mp4'",
    settings={"mode": "queue", "hop_s": 0.5},
    bundle={"name": "base", "version": "9.9"},
    models=(ModelFile("face detector", "yunet.onnx", SHA),),
    transcript=TranscriptOrigin("recognised", "Whisper small", None),
)
SAYING = ("json", "html", "eaf", "vtt", "textgrid", "png", "svg")
WRITTEN = [name for name, format in FORMATS.items() if format.write is not None]


def written(name: str, timeline: Timeline, folder: Path) -> bytes:
    path = folder / f"out.{FORMATS[name].suffix}"
    write = FORMATS[name].write
    assert write is not None
    write(timeline, path, MediaLinks.beside("clip.mp4"))
    return path.read_bytes()


@pytest.fixture
def timeline() -> Timeline:
    return replace(made_timeline(), provenance=HOW)


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_in_every_format_that_has_a_place_for_it(name: str, timeline: Timeline, tmp_path: Path) -> None:
    data = written(name, timeline, tmp_path)
    assert (name in SAYING) == (SHA.encode() in data) == (b"2026-01-31T09:30:00Z" in data)
    assert (name in SAYING) == (b"1.2.3" in data) == (b"Whisper small" in data) == (b"emofuse analyze" in data)
    assert b"\x1b[31m" not in data


@pytest.mark.parametrize("name", [name for name in WRITTEN if name != "eaf"])
def test_without_it_a_document_depends_on_the_timeline_alone(name: str, timeline: Timeline, tmp_path: Path) -> None:
    bare = replace(timeline, provenance=None)
    assert written(name, bare, tmp_path) == written(name, bare, tmp_path)
    later = replace(timeline, provenance=replace(HOW, created="2027-01-01T00:00:00Z"))
    assert (written(name, later, tmp_path) == written(name, timeline, tmp_path)) == (name not in SAYING)


def test_in_json_it_is_a_line_of_its_own(timeline: Timeline, tmp_path: Path) -> None:
    lines = written("json", timeline, tmp_path).decode().splitlines()
    (line,) = [line for line in lines if line.startswith('"provenance"')]
    bare = written("json", replace(timeline, provenance=None), tmp_path).decode().splitlines()
    assert [other for other in lines if other != line] == bare
    document = json.loads("\n".join(lines))
    again = Timeline.from_json(document)
    assert again.provenance is not None and again.to_json()["provenance"] == document["provenance"]


def test_elan_has_its_date_and_one_property_for_each_entry(timeline: Timeline, tmp_path: Path) -> None:
    root = ET.fromstring(written("eaf", timeline, tmp_path))
    assert root.get("DATE") == "2026-01-31T09:30:00+00:00"
    properties = {p.get("NAME"): p.text for p in root.iter("PROPERTY")}
    assert properties["emofuse: face detector"] == f"yunet.onnx (SHA-256 {SHA})"
    assert "lastUsedAnnotationId" in properties


def test_a_note_of_webvtt_is_no_cue(timeline: Timeline, tmp_path: Path) -> None:
    text = written("vtt", timeline, tmp_path).decode()
    blocks = text.strip().split("\n\n")
    (note,) = [block for block in blocks if block.startswith("NOTE")]
    assert blocks[-1] == note and "-->" not in note
    assert text.replace(note + "\n\n", "") == written("vtt", replace(timeline, provenance=None), tmp_path).decode()


def test_a_picture_is_whole_with_its_texts(timeline: Timeline, tmp_path: Path) -> None:
    data = written("png", timeline, tmp_path)
    bare = written("png", replace(timeline, provenance=None), tmp_path)
    decoded = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in (data, bare)]
    np.testing.assert_array_equal(*decoded)
    place, texts = 8, {}
    while place < len(data):
        size, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        body = data[place + 8 : place + 8 + size]
        assert int.from_bytes(data[place + 8 + size : place + 12 + size]) == zlib.crc32(kind + body)
        if kind == b"iTXt":
            keyword, text = re.fullmatch(rb"([^\0]+)\0\0\0\0\0(.*)", body, re.DOTALL).groups()  # type: ignore[union-attr]
            texts[keyword.decode()] = text.decode()
        place += 12 + size
    assert kind == b"IEND"
    assert texts["Software"] == "emofuse 1.2.3" and texts["Creation Time"] == HOW.created
    assert f"face detector: yunet.onnx (SHA-256 {SHA})" in texts["Comment"].splitlines()


def test_the_page_over_many_tells_what_is_common_to_them(timeline: Timeline, tmp_path: Path) -> None:
    rows = [
        Row("a.mp4", Digest.of(timeline)),
        Row("b.mp4", Digest.of(replace(timeline, provenance=None))),
        Row("c.mp4", failure="damaged"),
    ]
    page = index_page(rows, tmp_path)
    assert page.count(SHA) == 1 and "2026-01-31T09:30:00Z" in page and "Whisper small" not in page
    assert "How this was made" not in index_page(rows[1:], tmp_path)
