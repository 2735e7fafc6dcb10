"""Recordings and transcripts that are hard to be right about: a right answer, or one clear line."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.cli.demo import CLIP
from emofuse.media import open_media
from emofuse.types import Frame
from make_media import Video, record

Picture = NDArray[np.uint8]
RATE_HZ = 25
SHOT_S = 0.3  # 200 cuts a minute
FACE = slice(40, 266), slice(185, 375)  # rows and columns of the demo clip: a head
COLUMNS, ROWS, SIDE = 10, 6, 96


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    """Return the pictures of the clip that ships: one person, who is happy."""
    with open_media(CLIP) as media:
        return [packet.image for packet in media if isinstance(packet, Frame)]


def lit(picture: Picture, share: float) -> Picture:
    return np.clip(picture * share, 0, 255).astype(np.uint8)


def shot_of(time_s: float) -> int:
    return int(time_s / SHOT_S + 1e-6)


def write_cuts(path: Path, pictures: list[Picture], duration_s: float) -> Path:
    """Write a film with a cut every SHOT_S: a person, the other way round in other light, nobody, and so on."""
    times = tuple(i / RATE_HZ for i in range(round(duration_s * RATE_HZ)))
    shown = []
    for i, time_s in enumerate(times):
        shot = shot_of(time_s)
        picture = cv2.resize(pictures[i], (320, 240), interpolation=cv2.INTER_AREA)
        if shot % 3 == 2:
            picture = np.full_like(picture, (30 * (shot % 7), 90, 200 - 20 * (shot % 5)))
        elif shot % 3 == 1:
            picture = picture[:, ::-1]
        shown.append(lit(picture, 0.6 + 0.1 * (shot % 5)))
    return record(path, Video((320, 240), times, options={"crf": "18"}), pictures=shown)


def write_crowd(path: Path, pictures: list[Picture], duration_s: float) -> Path:
    """Write a film of COLUMNS x ROWS faces, each at a moment, from a side and in light of its own."""
    times = tuple(i / RATE_HZ for i in range(round(duration_s * RATE_HZ)))
    shown = []
    for i in range(len(times)):
        wall = np.empty((ROWS * SIDE, COLUMNS * SIDE, 3), np.uint8)
        for n in range(ROWS * COLUMNS):
            face = cv2.resize(pictures[(i + 2 * n) % len(pictures)][FACE], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            top, left = (SIDE * place for place in divmod(n, COLUMNS))
            wall[top : top + SIDE, left : left + SIDE] = lit(face[:, ::-1] if n % 2 else face, 0.7 + 0.06 * (n % 8))
        shown.append(wall)
    return record(path, Video((COLUMNS * SIDE, ROWS * SIDE), times, options={"crf": "18"}), pictures=shown)


def result_of(emofuse: Any, recording: Path, out: Path, *options: object) -> tuple[dict[str, Any], str]:
    """Analyse a recording; return its JSON and what was printed beside the results."""
    done = emofuse("analyze", recording, "-o", out, *options)
    assert done.code == 0, done.err
    return json.loads((out / f"{recording.stem}.json").read_text(encoding="utf-8")), done.err


def test_two_hundred_cuts_a_minute_are_one_person(emofuse, tmp_path: Path, pictures: list[Picture]) -> None:
    film = write_cuts(tmp_path / "cuts.mp4", pictures, 6.0)
    document, _ = result_of(emofuse, film, tmp_path / "out", "--mode", "frame", "--formats", "json")
    assert [person["id"] for person in document["people"]] == [1]
    assert document["summary"]["label"] == "happy"
    shots: dict[int, set[int]] = {}
    seen = set()
    for moment in document["moments"]:
        for face in moment["faces"]:
            shots.setdefault(face["track_id"], set()).add(shot_of(moment["time_s"]))
            seen.add(shot_of(moment["time_s"]))
    assert all(len(of_track) == 1 for of_track in shots.values())  # nobody is followed over a cut
    assert seen == {shot for shot in range(20) if shot % 3 != 2}


def test_cuts_do_not_hinder_the_film_and_the_report(emofuse, tmp_path: Path, pictures: list[Picture]) -> None:
    film = write_cuts(tmp_path / "cuts.mp4", pictures, 3.0)
    document, _ = result_of(emofuse, film, tmp_path / "out")
    assert document["summary"]["label"] == "happy" and len(document["people"]) == 1
    assert all(a["end_s"] <= b["start_s"] for a, b in pairwise(document["segments"]))
    with open_media(tmp_path / "out" / "cuts.mp4") as media:
        assert sum(isinstance(packet, Frame) for packet in media) == 75


@pytest.mark.load
def test_a_crowd_of_sixty_is_as_many_people(emofuse, tmp_path: Path, pictures: list[Picture]) -> None:
    film = write_crowd(tmp_path / "crowd.mp4", pictures, 0.8)
    document, _ = result_of(emofuse, film, tmp_path / "out", "--mode", "frame", "--formats", "json,html")
    n_faces = [len(moment["faces"]) for moment in document["moments"]]
    assert 0.75 * COLUMNS * ROWS <= max(n_faces) <= COLUMNS * ROWS and min(n_faces) >= 0.6 * COLUMNS * ROWS
    assert 0.7 * COLUMNS * ROWS <= len(document["people"]) <= COLUMNS * ROWS  # seen at once, so none is another
    assert document["summary"]["label"] == "happy"
    for moment in document["moments"]:
        people = [face["person_id"] for face in moment["faces"] if face["person_id"] is not None]
        # where a track takes over from another, both may be there for 0.2 s
        assert len(set(people)) >= 0.9 * len(people)


def write_lines(path: Path, *lines: tuple[str, str, str]) -> Path:
    cues = (f"{n}\n{start} --> {end}\n{text}\n" for n, (start, end, text) in enumerate(lines, 1))
    path.write_text("\n".join(cues), encoding="utf-8")
    return path


def test_a_transcript_ten_minutes_late_is_one_line(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    late = write_lines(tmp_path / "late.srt", ("00:10:00,500", "00:10:03,000", "I am so glad to see you."))
    document, err = result_of(emofuse, clip_mp4, tmp_path / "out", "--transcript", late, "--formats", "json")
    told = [line for line in err.splitlines() if "transcript" in line]
    assert len(told) == 1 and "begins at 600.5 s of 1.5 s" in told[0] and "another recording?" in told[0]
    assert document["summary"]["used"] == ["face", "voice"] and document["summary"]["label"] == "happy"
    assert "after the end of the recording" in document["summary"]["why"]["text"]


def test_lines_that_are_late_are_counted(emofuse, tmp_path: Path, clip_mp4: Path) -> None:
    said = ("00:00:00,200", "00:00:01,200", "I am so glad to see you."), ("00:10:03,000", "00:10:06,000", "So sad.")
    lines = write_lines(tmp_path / "partly.srt", *said)
    document, err = result_of(emofuse, clip_mp4, tmp_path / "out", "--transcript", lines, "--formats", "json")
    assert "1 line of the transcript left out: after the end at 1.5 s" in err
    assert [line["text"] for line in document["lines"]] == ["I am so glad to see you."]
    assert document["summary"]["used"] == ["face", "voice", "text"]


@pytest.mark.parametrize(
    "text",
    [
        "Ich bin so froh, dass du da bist.",
        "Estoy muy contento de verte.",
        "会えて本当にうれしいです。",
        "Я так рад тебя видеть.",
        "أنا سعيد جدا برؤيتك",
    ],
    ids=["de", "es", "ja", "ru", "ar"],
)
def test_words_of_another_language_are_kept_and_not_scored(emofuse, tmp_path: Path, clip_mp4: Path, text: str) -> None:
    lines = write_lines(tmp_path / "said.srt", ("00:00:00,200", "00:00:01,200", text))
    options = ("--transcript", lines, "--formats", "json,vtt", "--every", 5)
    document, _ = result_of(emofuse, clip_mp4, tmp_path / "out", *options)
    assert document["summary"]["used"] == ["face", "voice"]
    assert "not English" in document["summary"]["why"]["text"]
    assert [(line["text"], line["label"]) for line in document["lines"]] == [(text, None)]
    assert text in (tmp_path / "out" / "clip.vtt").read_text(encoding="utf-8")
