"""Photos on the command line: one, a folder of them, and what lies beside recordings."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from PIL import Image
from test_commands import SCHEMA, left_over

from emofuse.media import open_media
from emofuse.timeline import Timeline
from emofuse.types import Frame

Command = Callable[..., Any]


@pytest.fixture(scope="module")
def face(request: pytest.FixtureRequest) -> Image.Image:
    with open_media(request.getfixturevalue("clip_mp4")) as media:
        return Image.fromarray([p.image for p in media if isinstance(p, Frame)][20])


def test_a_photo_is_answered_with_its_picture(emofuse: Command, face: Image.Image, tmp_path: Path) -> None:
    face.save(tmp_path / "me.jpg")
    for _ in range(2):  # its own results are replaced
        result = emofuse("analyze", tmp_path / "me.jpg", "-o", tmp_path / "out")
        assert result.code == 0, result.err
    assert left_over(tmp_path / "out") == ["me.csv", "me.json", "me.png"] and "happy" in result.out
    document = json.loads((tmp_path / "out" / "me.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["summary"]["label"] == "happy" and len(document["moments"]) == 1 and document["segments"] == []
    drawn = np.asarray(Image.open(tmp_path / "out" / "me.png").convert("RGB")).astype(int)
    given = np.asarray(face).astype(int)
    assert drawn.shape == given.shape
    left, top, right, bottom = (round(v) for v in document["moments"][0]["faces"][0]["box_xyxy"])
    changed = np.abs(drawn - given).max(axis=2) > 60
    assert changed[top - 3 : top + 4, left + 20 : right - 20].any(axis=0).mean() > 0.9  # the upper edge of the box
    y, x = (top + bottom) // 2, (left + right) // 2
    middle = changed[y - 20 : y + 20, x - 20 : x + 20]
    assert middle.mean() < 0.05


def test_quiet_prints_failures_alone(emofuse: Command, face: Image.Image, tmp_path: Path) -> None:
    face.save(tmp_path / "me.png")
    result = emofuse("analyze", tmp_path / "me.png", "-q", "-o", tmp_path / "out")
    assert (result.code, result.out, result.err) == (0, "", "")
    failed = emofuse("analyze", tmp_path / "me.png", tmp_path / "no.mp4", "-q", "-o", tmp_path / "out")
    assert failed.code == 1 and failed.out == "" and "no such file" in failed.err
    assert "happy" in emofuse("analyze", tmp_path / "me.png", "-o", tmp_path / "out2").out  # quiet once, not for good


def test_a_folder_of_photos_is_one_table_and_its_pictures_are_not_analysed_again(
    emofuse: Command, face: Image.Image, tmp_path: Path
) -> None:
    face.save(tmp_path / "a.png")
    face.convert("L").save(tmp_path / "b.png")
    Image.new("RGB", (60, 40)).save(tmp_path / "nobody.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff" + bytes(50))
    result = emofuse("analyze", tmp_path, "-o", tmp_path / "out")
    assert result.code == 1 and "broken.jpg" in result.err
    with (tmp_path / "out" / "summary.csv").open(newline="") as file:
        rows = {Path(row["recording"]).name: row for row in csv.DictReader(file)}
    labels = [rows[name]["label"] for name in ("a.png", "b.png", "nobody.png", "broken.jpg")]
    assert labels == ["happy", "happy", "", ""]
    assert rows["nobody.png"]["why"].startswith("face: no face found") and rows["broken.jpg"]["failure"]
    again = emofuse("analyze", tmp_path, "-o", tmp_path / "out")
    assert f"passed over in {tmp_path}: 3 files that emofuse has annotated" in again.err
    assert Timeline.load(tmp_path / "out" / "a.json").source.is_photo


def test_photos_beside_recordings_are_passed_over(
    emofuse: Command, face: Image.Image, talk_mp4: Path, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "talk.mp4").write_bytes(talk_mp4.read_bytes())
    face.save(tmp_path / "in" / "cover.jpg")
    result = emofuse("analyze", tmp_path / "in", "-o", tmp_path / "out", "--formats", "json")
    assert result.code == 0 and "as they are no recordings: 1 .jpg" in result.err
    assert left_over(tmp_path / "out") == ["talk.json"]


def test_what_is_about_time_is_not_written_of_a_photo(emofuse: Command, face: Image.Image, tmp_path: Path) -> None:
    face.save(tmp_path / "me.webp")
    result = emofuse("analyze", tmp_path / "me.webp", "-o", tmp_path / "out", "--formats", "srt,csv,eaf")
    assert result.code == 0 and "a photo has no time, so no srt, eaf was written" in result.err
    assert left_over(tmp_path / "out") == ["me.csv"]
    face.save(tmp_path / "me.png")
    refused = emofuse("analyze", tmp_path / "me.png", "-o", tmp_path)
    assert refused.code == 2 and "would replace a recording" in refused.err
