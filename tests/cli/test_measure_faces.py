"""`emofuse analyze --measure-faces`, and what it says without the extra."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from emofuse.assets import find
from emofuse.cli.demo import CLIP
from emofuse.errors import AssetError
from emofuse.face_measurements import COLUMNS
from emofuse.inference import landmarker
from make_media import beginning

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return film.mp4, the first 0.4 s of the clip that ships: ten pictures of a face that smiles."""
    return beginning(CLIP, tmp_path_factory.mktemp("film") / "film.mp4", 0.4)


@pytest.fixture
def has_landmarker() -> None:
    pytest.importorskip("tflite")
    try:
        find("face_landmarker")
    except AssetError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("has_landmarker")
def test_every_face_of_every_picture_is_measured(emofuse: Callable[..., Any], film: Path, tmp_path: Path) -> None:
    result = emofuse("analyze", film, "-o", tmp_path, "--formats", "json,faces,html", "--face-points")
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "film.json").read_bytes())
    jsonschema.validate(document, SCHEMA)
    faces = document["face_measurements"]["faces"]
    assert len(faces) >= 10 and all(len(face["points"]) == 478 for face in faces)
    assert {f["track_id"] for f in faces} == {f["track_id"] for m in document["moments"] for f in m["faces"]}
    with (tmp_path / "film.faces.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [float(row["time_s"]) for row in rows] == [face["time_s"] for face in faces]
    page = (tmp_path / "film.html").read_text(encoding="utf-8")
    assert '"face_measurements"' in page and '"points"' not in page


def test_nothing_is_measured_unless_it_is_asked_for(emofuse: Callable[..., Any], film: Path, tmp_path: Path) -> None:
    assert emofuse("analyze", film, "-o", tmp_path, "--formats", "json").code == 0
    assert "face_measurements" not in json.loads((tmp_path / "film.json").read_bytes())


def test_without_the_extra_it_says_what_to_install_before_it_fetches_anything(
    emofuse: Callable[..., Any], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite", None)
    monkeypatch.setattr(landmarker, "find", lambda name: pytest.fail("it looks for the networks first"))
    result = emofuse("analyze", film, "-o", tmp_path, "--measure-faces")
    assert result.code == 2 and "emofuse[landmarks]" in result.err
    assert not list(tmp_path.iterdir())
