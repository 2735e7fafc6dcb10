"""A stretch of a recording, from the commands: its times are those of the recording, its film is of it alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emofuse as package
from cli.conftest import Result
from emofuse.cli.demo import CLIP
from emofuse.media import open_media
from emofuse.types import AudioBlock

Emofuse = Callable[..., Result]
SPAN = ("--start", "2", "--end", "0:00:04.5")


def document(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_times_are_those_of_the_recording(emofuse: Emofuse, tmp_path: Path) -> None:
    words = ("--transcript", CLIP.with_suffix(".srt"))
    done = emofuse("analyze", CLIP, *SPAN, *words, "-o", tmp_path, "--formats", "json,mp4,html")
    assert done.code == 0, done.err
    found = document(tmp_path / "clip.json")
    times = [moment["time_s"] for moment in found["moments"]]
    assert times[0] == 2.5 and times[-1] == pytest.approx(4.48, abs=0.05) and len(times) == 5
    assert found["source"]["duration_s"] == pytest.approx(6.32, abs=0.01)
    settings = found["provenance"]["settings"]
    assert (settings["start_s"], settings["end_s"]) == (2.0, 4.5)
    inside = package.analyze(CLIP, transcript=CLIP.with_suffix(".srt"), start_s=2.0, end_s=4.5)
    assert inside.to_json()["moments"] == found["moments"] and "start_s=2.0" in str(inside.provenance)
    assert inside.lines and all(line.end_s > 2.0 and line.start_s < 4.5 for line in inside.lines)
    with open_media(tmp_path / "clip.mp4") as film:
        packets = list(film)
    assert film.source.duration_s == pytest.approx(2.5, abs=0.1) and packets[0].time_s < 0.1
    assert any(abs(p.samples).max() > 0.05 for p in packets if isinstance(p, AudioBlock))
    assert CLIP.name in (tmp_path / "clip.html").read_text(encoding="utf-8")


def test_a_batch_of_another_stretch_is_made_again(
    emofuse: Emofuse, tmp_path: Path, voice_wav: Path, clip_mp4: Path
) -> None:
    batch = ("analyze", voice_wav, clip_mp4, "-o", tmp_path, "--formats", "json", "--resume", "--end", "1")
    assert emofuse(*batch).code == 0
    again = emofuse(*batch[:-1], "1.2")
    assert again.code == 0 and again.err.count("made with another end_s") == 2


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--start", "soon"), 2, "'soon' is not a time (give seconds, or h:mm:ss"),
        (("--start", "5", "--end", "5"), 2, "the end, 5 s, is not after the start, 5 s"),
        (("--start", "1:00"), 3, "has nothing from 60 s to its end: it ends at 6.3 s"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(
    emofuse: Emofuse, tmp_path: Path, options: tuple[str, ...], code: int, says: str
) -> None:
    done = emofuse("analyze", CLIP, "-o", tmp_path, *options)
    assert done.code == code and says in " ".join(done.err.split())


def test_a_photo_has_none(emofuse: Emofuse, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    done = emofuse("analyze", tmp_path / "photo.png", "-o", tmp_path / "out", *SPAN)
    assert done.code == 3 and "a photo has no start and no end" in done.err


def test_live_reads_a_stretch_of_a_file(emofuse: Emofuse, tmp_path: Path) -> None:
    answers = ("--risk", "0.3", "--coverage", "0.9", "--prior", "corpus")
    live = ("live", "--view", "none", "--mode", "queue", "--no-smooth", *answers)
    done = emofuse(*live, "--file", CLIP, *SPAN, "--record", tmp_path)
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("live-*.json")
    kept = document(path)
    asked = package.analyze(CLIP, start_s=2.0, end_s=4.5, risk=0.3, coverage=0.9, prior="corpus").to_json()
    assert kept["moments"] == asked["moments"] and re.search(r"--risk 0.3", kept["provenance"]["call"])
    refused = emofuse(*live, "--source", "rtsp://localhost/x", *SPAN)
    assert refused.code == 2 and "--start and --end are for a --file" in refused.err
