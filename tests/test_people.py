"""People in a timeline: their JSON form, what refers to them, and documents of version 1, which knew none."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import jsonschema
import pytest

from emofuse.errors import UsageError
from emofuse.people import Person
from emofuse.segments import Segment, share_of_time
from emofuse.timeline import Timeline
from emofuse.types import OUT_OF_VIEW, Line
from make_timelines import course, face, moment, scores, timeline

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))
OLD = {
    "schema": "emofuse/1",
    "source": {
        "path": "a.mp4", "duration_s": 1.0, "width": 64, "height": 48, "fps": 25.0, "has_audio": True,
        "has_video": True,
    },
    "bundle": {"name": "base", "version": "0.1.0"},
    "labels": ["happy", "sad"],
    "summary": {
        "label": "sad",
        "probabilities": {"happy": 0.25, "sad": 0.75},
        "by_modality": {"face": {"happy": 0.25, "sad": 0.75}, "voice": None, "text": None},
        "used": ["face"],
        "why": {"voice": "no speech", "text": "nothing said"},
    },
    "moments": [
        {
            "time_s": 1.0,
            "label": "sad",
            "probabilities": {"happy": 0.25, "sad": 0.75},
            "by_modality": {"face": {"happy": 0.25, "sad": 0.75}, "voice": None, "text": None},
            "faces": [
                {
                    "track_id": 4,
                    "box_xyxy": [1.0, 2.0, 30.0, 40.0],
                    "score": 0.9,
                    "label": "sad",
                    "probabilities": {"happy": 0.25, "sad": 0.75},
                }
            ],
        }
    ],
    "segments": [{"start_s": 0.0, "end_s": 1.0, "label": "sad", "confidence": 0.75}],
    "lines": [{"text": "oh no", "start_s": 0.2, "end_s": 0.8, "speaker": "Anna"}],
}  # fmt: skip


def two_people() -> Timeline:
    """Anna is seen all the time and silent, somebody without a name from 1 s on, who speaks; one face is unknown."""
    anna, other = (replace(face(track_id=i), person_id=i) for i in (1, 2))
    unknown = face(track_id=3)
    moments = [
        replace(m, faces=(anna,) if m.time_s < 1 else (anna, other, unknown), speaker_id=None if m.time_s < 1 else 2)
        for m in course([("happy", 10), ("sad", 11)])
    ]
    happy = scores("happy", 0.83)
    people = (
        Person(
            1, "Anna", ((0.0, 2.0),), (), {"happy": 2.0}, happy, {"face": scores("happy", 0.83, "face")}, b"\xff\xd8"
        ),
        Person(2, "", ((1.0, 2.0),), ((1.2, 1.8),), {"happy": 1.0}, happy, {"voice": scores("sad", 0.6, "voice")}),
    )
    said = Line("I see", 1.2, 1.8, speaker="B", emotion=scores("sad", 0.5, "text"), person_id=2)
    return replace(timeline(*moments, duration_s=2.0), people=people, lines=(said,))


def test_people_survive_their_document_and_keep_to_the_schema():
    document = json.loads(json.dumps(two_people().to_json()))
    jsonschema.validate(document, SCHEMA)
    back = Timeline.from_json(document)
    assert back.to_json() == document
    assert [(p.title, p.thumbnail, p.spoke) for p in back.people] == [
        ("Anna", b"\xff\xd8", ()),
        ("Person 2", b"", ((1.2, 1.8),)),
    ]
    assert [f.person_id for f in back.moments[-1].faces] == [1, 2, None]
    assert (back.lines[0].emotion.label, back.lines[0].person_id, back.moments[-1].speaker_id) == ("sad", 2, 2)


def test_segments_tell_who_is_seen_and_who_speaks():
    first, second = two_people().to_json()["segments"]
    assert (first["people"], first["speakers"]) == ([1], [])
    assert (second["people"], second["speakers"]) == ([1, 2], [2])


def test_somebody_who_is_heard_and_not_seen_is_in_the_document():
    heard = replace(moment(0.5, "sad", ("voice",)), speaker_id=OUT_OF_VIEW)
    document = timeline(heard, duration_s=0.5).to_json()
    jsonschema.validate(document, SCHEMA)
    assert document["moments"][0]["speaker_id"] == 0
    assert document["people"] == []


def test_a_document_of_version_1_is_read_and_written_as_version_2():
    document = Timeline.from_json(OLD).to_json()
    jsonschema.validate(document, SCHEMA)
    assert document["schema"] == "emofuse/2"
    assert document["people"] == []
    assert document["summary"]["share_of_time"] == {"sad": 0.4}  # one moment alone stands for so long
    assert document["moments"][0]["faces"][0]["track_id"] == 4
    assert document["lines"][0] == OLD["lines"][0] | {"person_id": None, "label": None, "probabilities": None}


def test_shares_are_the_lengths_of_the_segments():
    segments = [Segment(0, 1, "sad", 0.5), Segment(1, 3.5, "happy", 0.6), Segment(5, 5.5, "sad", 0.9)]
    assert list(share_of_time(segments).items()) == [("happy", 2.5), ("sad", 1.5)]


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", 0), ("id", None), ("spoke", [[1]]), ("thumbnail", "https://host/a.jpg"), ("summary", {}), ("seen", 3)],
)
def test_a_damaged_person_is_refused_in_one_line(key, value):
    document = json.loads(json.dumps(two_people().to_json()))
    document["people"][0][key] = value
    with pytest.raises(UsageError, match="not a whole emofuse/2 document"):
        Timeline.from_json(document)


def test_two_people_cannot_have_one_id():
    with pytest.raises(ValueError, match="one id"):
        replace(two_people(), people=(Person(1), Person(1)))
