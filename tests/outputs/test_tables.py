"""JSON and CSV, against the schema and read back."""

import csv
import json
import os
import re
import tracemalloc
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from emofuse.errors import OutputError
from emofuse.outputs.marks import mark_file, origin
from emofuse.outputs.records import table_of
from emofuse.outputs.tables import write_csv, write_json
from emofuse.timeline import SourceInfo, Timeline
from emofuse.types import ALWAYS_LISTED
from make_timelines import TIMELINES, course, face, moment, timeline

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "json.md"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def strict_json(text: str):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", TIMELINES)
def test_json_meets_its_schema_and_is_read_back(name, tmp_path, validator):
    path = tmp_path / "out.json"
    write_json(TIMELINES[name], path)
    document = strict_json(path.read_text(encoding="utf-8"))
    validator.validate(document)
    assert document == TIMELINES[name].to_json()
    assert Timeline.from_json(document).to_json() == document


def test_a_long_recording_is_neither_written_nor_marked_as_a_whole(tmp_path):
    path = tmp_path / "out.json"
    long = timeline(*course([("happy", 1500), ("sad", 1500)]))
    write_json(long, path)  # and what it computes once
    whole, lazy, marked = (peak(do) for do in (long.to_json, lambda: write_json(long, path), lambda: mark(path)))
    assert lazy < 0.5 * whole
    assert marked < 1.2 * path.stat().st_size  # it is read, once
    assert origin("json", path) == "0" * 16


def peak(do):
    tracemalloc.start()
    do()
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


def mark(path):
    mark_file("json", path, "0" * 16)


def test_the_documented_example_is_a_true_one(validator):
    example = re.search(r"```json\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    document = strict_json(example[1])
    validator.validate(document)
    assert Timeline.from_json(document).to_json()["segments"] == document["segments"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "emofuse/1"),
        (("mood",), "new"),
        (("labels",), []),
        (("source", "duration_s"), -1),
        (("source", "width"), 0),
        (("summary", "label"), None),
        (("summary", "why"), {"No smell": "no nose"}),
        (("summary", "used"), ["face", "face"]),
        (("moments", 0, "time_s"), None),
        (("moments", 0, "label"), None),
        (("moments", 0, "probabilities"), {"happy": 1.2}),
        (("moments", 0, "by_modality"), {"face": None}),
        (("moments", 0, "faces", 0, "box_xyxy"), [1, 2, 3]),
        (("moments", 0, "faces", 0, "score"), 1.01),
        (("segments", 0, "end_s"), -0.1),
    ],
)
def test_the_schema_refuses(path, value, validator):
    document = json.loads(json.dumps(TIMELINES["silent film"].to_json()))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert not validator.is_valid(document)


def test_json_of_a_long_recording_is_compact(tmp_path):
    path = tmp_path / "out.json"
    write_json(timeline(*course([("happy", 3000)])), path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith('{"time_s"') for line in lines) == 3000
    assert path.stat().st_size / 3000 < 400  # bytes a moment, with one modality and no face


def test_a_file_name_that_is_not_unicode_is_written(tmp_path):
    whole = TIMELINES["silent film"]
    name = os.fsdecode(b"caf\xe9 \xf0\x9f\x98\x80.mp4")
    source = SourceInfo(name, 1.0, 640, 480, 25.0, True, True)
    write_json(Timeline(whole.labels, whole.moments, source, whole.summary), tmp_path / "out.json")
    text = (tmp_path / "out.json").read_bytes().decode("utf-8")
    assert json.loads(text)["source"]["path"] == name


def test_a_number_that_json_lacks_is_never_written(tmp_path):
    odd = timeline(moment(float("inf"), None))
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(odd, tmp_path / "out.json")
    assert not list(tmp_path.iterdir())


def test_csv_is_read_back(tmp_path):
    path = tmp_path / "out.csv"
    moments = (
        moment(0.0, "happy", ("voice", "face"), (face(), face(track_id=4)), p=0.82),
        moment(0.04, None),
        moment(1 / 3, "sad", ("text",)),
    )
    write_csv(timeline(*moments), path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(table_of(timeline(), "moments").columns)
    assert [row["time_s"] for row in rows] == ["0.0", "0.04", "0.3333"]
    assert [(row["label"], row["confidence"]) for row in rows] == [("happy", "0.82"), ("", ""), ("sad", "0.7")]
    assert [(row["n_faces"], row["used"]) for row in rows] == [("2", "face+voice"), ("0", ""), ("0", "text")]
    assert (rows[0]["p_happy"], rows[0]["face_happy"], rows[0]["p_sad"]) == ("0.82", "0.82", "0.03")
    assert [row["text_sad"] for row in rows] == ["", "", "0.7"]
    assert {rows[1][f"{m}_happy"] for m in ("p", *ALWAYS_LISTED)} == {""}


def test_clips_have_columns_only_where_they_were_looked_at(tmp_path):
    write_csv(TIMELINES["with clips"], tmp_path / "with.csv")
    write_csv(TIMELINES["silent film"], tmp_path / "without.csv")
    with (tmp_path / "with.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_sad"] for row in rows] == ["0.7", "0.7"]
    assert [row["face_sad"] for row in rows] == ["0.7", ""]
    assert [row["used"] for row in rows] == ["face+clip", "clip"]
    assert "clip" not in (tmp_path / "without.csv").read_text()


def test_json_has_clips_only_where_they_were_looked_at():
    looked, not_looked = TIMELINES["with clips"].to_json(), TIMELINES["silent film"].to_json()
    assert list(looked["moments"][1]["by_modality"]) == ["face", "voice", "text", "clip"]
    assert looked["summary"]["used"] == ["face", "clip"]
    for part in (not_looked["summary"], *not_looked["moments"]):
        assert list(part["by_modality"]) == ["face", "voice", "text"]


def test_csv_has_unix_lines_and_quotes_what_needs_it(tmp_path):
    labels = ("heureux, très", 'so "so"')
    write_csv(timeline(moment(0.0, None), labels=labels), tmp_path / "out.csv")
    raw = (tmp_path / "out.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.count(b"\n") == 2
    rows = list(csv.reader(raw.decode("utf-8").splitlines()))
    assert rows[0][3:5] == ["p_heureux, très", 'p_so "so"']
    assert len(rows[1]) == len(rows[0]) == 3 + 4 * 2 + 2


def test_csv_of_nothing_is_a_header(tmp_path):
    write_csv(TIMELINES["empty"], tmp_path / "out.csv")
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("write", [write_json, write_csv])
def test_a_missing_folder_is_an_output_error(write, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*out"):
        write(TIMELINES["empty"], tmp_path / "absent" / "out")
