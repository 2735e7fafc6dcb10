"""emofuse knows its own files, of which recording they are, and leaves alone what others wrote or changed."""

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_formats import READERS

from emofuse.media import VideoWriter, probe
from emofuse.outputs.formats import FORMATS
from emofuse.outputs.locations import MediaLinks
from emofuse.outputs.marks import UNKNOWN, mark_file, recording_id, video_trailer
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from make_timelines import TIMELINES

ID = "0123456789abcdef"
MARKED = ("json", "html", "eaf", "vtt", "textgrid", "png", "svg")  # what has a place for a mark
WRITTEN = [name for name in FORMATS if FORMATS[name].write is not None]
LINKS = MediaLinks.beside("clip.mp4", "clip.mp4")


def written(timeline: Timeline, folder: Path, name: str) -> Path:
    path = folder / f"clip.{FORMATS[name].suffix}"
    write = FORMATS[name].write
    assert write is not None
    write(timeline, path, LINKS)
    return path


def content(name: str, document: Any) -> object:
    """What a format tells, without the place of the mark."""
    if name == "eaf":
        return [(e.tag, e.text) for e in document.iter() if e.tag != "PROPERTY" and (e.text or "").strip()]
    if name == "html":
        return [tag for tag in document if tag != "meta"]
    if name == "json":
        return {key: value for key, value in document.items() if key != "mark"}
    if name == "svg":
        return [(e.tag, dict(e.attrib), e.text) for e in document.iter() if not e.tag.endswith("desc")]
    return (document.shape, document.tobytes()) if name == "png" else document


@pytest.mark.parametrize("name", WRITTEN)
def test_a_document_that_tells_how_it_was_made_is_known_too(tmp_path: Path, name: str) -> None:
    call = f"emofuse analyze 'emofuse-mark recording={'f' * 16} content={'0' * 64}.mp4'"
    how = Provenance(version="1", created="2026-01-31T09:30:00Z", call=call, bundle={"name": "b", "version": "1"})
    path = written(replace(TIMELINES["silent film"], provenance=how), tmp_path, name)
    mark_file(name, path, ID)
    assert FORMATS[name].origin(path) == (ID if name in MARKED else UNKNOWN)


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("told", TIMELINES)
def test_every_result_is_known_again_and_reads_as_before(tmp_path: Path, name: str, told: str) -> None:
    path = written(TIMELINES[told], tmp_path, name)
    before = READERS[name](path)
    old = FORMATS[name].origin(path)
    assert old == (None if name == "png" else UNKNOWN), "a file of before there were marks; a picture tells nothing"
    mark_file(name, path, ID)
    assert FORMATS[name].origin(path) == (ID if name in MARKED else UNKNOWN)
    assert content(name, READERS[name](path)) == content(name, before)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


EDITS = {
    "embeddings": (b"NUMPY", b"NUMPX"),
    "faces": (b"\n", b",mine\n"),
    "json": (b'"label"', b'"lable"'),
    "html": (b"</body>", b"<p>mine</p></body>"),
    "eaf": (b"<ANNOTATION_VALUE>happy", b"<ANNOTATION_VALUE>sad"),
    "vtt": (b"happy", b"very happy"),
    "srt": (b"happy 7", b"so happy 7"),
    "textgrid": (b'text = "happy"', b'text = "sad"'),
    "csv": (b",happy,", b",sad,"),
    "png": (b"IDAT", b"IDAX"),
    "svg": (b"<rect", b"<rekt"),
}


@pytest.mark.parametrize("name", [n for n in WRITTEN if n != "srt"])
def test_what_an_annotator_changed_is_theirs(tmp_path: Path, name: str) -> None:
    path = written(TIMELINES["silent film"], tmp_path, name)
    mark_file(name, path, ID)
    old, new = EDITS[name]
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    assert not FORMATS[name].is_ours(path)


def test_subtitles_that_are_no_answers_are_somebody_elses(tmp_path: Path) -> None:
    path = written(TIMELINES["silent film"], tmp_path, "srt")
    path.write_bytes(path.read_bytes() + b"9\n00:01:00,000 --> 00:01:01,000\nthank you\n\n")
    assert not FORMATS["srt"].is_ours(path)


def archive() -> bytes:
    """Arrays of somebody else."""
    file = io.BytesIO()
    np.savez(file, voice=np.zeros(3))
    return file.getvalue()


FOREIGN = {
    "embeddings": archive(),
    "json": b'{"text": " Hello", "segments": [], "language": "en"}',
    "html": b"<!doctype html><title>mine</title>",
    "eaf": b'<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="emofuse"></ANNOTATION_DOCUMENT>',
    "vtt": b"WEBVTT\n\n00:01.000 --> 00:02.000\nhello\n",
    "srt": b"1\n00:00:01,000 --> 00:00:02,000\nhello\n\n",
    "textgrid": b'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0 \nxmax = 1 \n',
    "csv": b"time_s,label,confidence,p_happy\n1,happy,0.5,0.5\n",
    "faces": b"time_s,track_id,presence\n0.0,1,0.9\n",
    "png": cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes(),
    "svg": b'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>\n',
    "mp4": b"\0\0\0\x18ftypmp42 and so on",
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", ["foreign", "noise", "empty", "folder", "absent"])
def test_what_others_wrote_is_never_ours(tmp_path: Path, name: str, kind: str) -> None:
    path = tmp_path / "clip"
    if kind == "folder":
        path.mkdir()
    elif kind != "absent":
        data = {"foreign": FOREIGN[name], "noise": np.random.default_rng(0).bytes(5000), "empty": b""}[kind]
        path.write_bytes(data)
    # an empty SubRip is what a recording without an answer gives
    assert FORMATS[name].is_ours(path) == ((name, kind) == ("srt", "empty"))


def annotated(path: Path, trailer: bool) -> Path:
    with VideoWriter(path, None, trailer=(lambda size: video_trailer(ID, size)) if trailer else None) as writer:
        for index in range(3):
            writer.write(np.full((48, 64, 3), 80 * index, np.uint8), index / 25)
    return path


def test_an_annotated_video_is_known_and_plays(tmp_path: Path, talk_mp4: Path) -> None:
    path = annotated(tmp_path / "clip.mp4", trailer=True)
    assert FORMATS["mp4"].origin(path) == ID
    assert probe(path).width == 64
    assert not FORMATS["mp4"].is_ours(talk_mp4)
    path.write_bytes(b"\0" + path.read_bytes())
    assert not FORMATS["mp4"].is_ours(path), "its length has changed"


def test_a_video_of_before_there_were_marks_is_known_by_the_json_beside_it(tmp_path: Path, talk_mp4: Path) -> None:
    path = annotated(tmp_path / "clip.mp4", trailer=False)
    assert not FORMATS["mp4"].is_ours(path)
    written(TIMELINES["silent film"], tmp_path, "json")
    assert FORMATS["mp4"].origin(path) == UNKNOWN
    shutil.copy(talk_mp4, path)
    assert not FORMATS["mp4"].is_ours(path), "a recording beside which results lie"


def test_a_recording_is_told_from_others_by_what_is_in_it(tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(300_000)
    for name, content in {"a": data, "same": data, "longer": data + b"x", "other": data[:-1] + b"\0"}.items():
        (tmp_path / name).write_bytes(content)
    os.utime(tmp_path / "same", (0, 0))
    ids = {name: recording_id(tmp_path / name) for name in ("a", "same", "longer", "other")}
    assert ids["a"] == ids["same"] and len(set(ids.values())) == 3
    assert len(ids["a"]) == 16
