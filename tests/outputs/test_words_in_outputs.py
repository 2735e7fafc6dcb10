"""What was said, and who says it, in every format that has a place for it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from emofuse.outputs.elan import write_eaf
from emofuse.outputs.marks import UNKNOWN, origin
from emofuse.outputs.subtitles import write_srt, write_vtt
from emofuse.outputs.textgrid import write_textgrid
from emofuse.outputs.tiers import emotion_tiers, words_tiers
from emofuse.people import Person
from emofuse.recordings.words import _is_result
from emofuse.transcripts import read_transcript
from make_timelines import conversation, face, moment, timeline


def test_lines_have_a_tier_for_each_speaker_and_people_have_their_names():
    whole = conversation()
    assert [(tier.name, len(tier.lines)) for tier in words_tiers(whole)] == [
        ("words of Anna", 1),
        ("words of Person 1", 1),
        ("words of B", 1),
    ]
    assert [row.name for row in emotion_tiers(whole)] == ["fused", "face", "person 1", "Anna"]


def test_two_of_one_name_have_lanes_of_their_own():
    faces = tuple(replace(face(track_id=i), person_id=i) for i in (1, 2, 3))
    people = (Person(1, "Anna"), Person(2, "Anna"), Person(3, "fused"))
    both = replace(timeline(moment(0.5, "sad", faces=faces)), people=people)
    assert [row.name for row in emotion_tiers(both)] == ["fused", "face", "Anna", "Anna (2)", "fused (2)"]


def test_a_face_of_nobody_known_is_in_no_lane():
    faces = (replace(face(track_id=1), person_id=1), face(track_id=2))
    known = replace(timeline(moment(0.5, "sad", faces=faces)), people=(Person(1),))
    assert [row.name for row in emotion_tiers(known)] == ["fused", "face", "person 1"]


def test_subtitles_have_the_answer_before_what_is_said_and_alone_where_nothing_is(tmp_path: Path):
    write_srt(conversation(), tmp_path / "a.srt")
    cues = [cue.split("\n")[1:] for cue in (tmp_path / "a.srt").read_text(encoding="utf-8").strip().split("\n\n")]
    assert cues == [
        ["00:00:00,200 --> 00:00:01,000", "[happy]\u00a0Anna: I am so glad <3"],
        ["00:00:02,000 --> 00:00:02,900", "[sad]\u00a0Person 1: That is -> sad."],
        ["00:00:02,800 --> 00:00:03,200", "[sad]\u00a0B: Who is there?"],
    ]
    write_srt(replace(conversation(), lines=conversation().lines[:1]), tmp_path / "b.srt")
    assert (tmp_path / "b.srt").read_text(encoding="utf-8").endswith("00:00:01,900 --> 00:00:04,000\nsad 70 %\n\n")


def test_our_subtitles_are_known_again_and_no_transcript_of_another_is_taken_for_ours(tmp_path: Path):
    write_srt(conversation(), tmp_path / "a.srt")
    write_vtt(conversation(), tmp_path / "a.vtt")
    for name in ("srt", "vtt"):
        assert origin(name, tmp_path / f"a.{name}") == UNKNOWN
        assert _is_result(tmp_path / f"a.{name}")
    theirs = tmp_path / "theirs.srt"
    theirs.write_text("1\n00:00:00,200 --> 00:00:01,000\n[Anna] I am so glad\n\n", encoding="utf-8")
    assert origin("srt", theirs) is None and not _is_result(theirs)
    assert len(read_transcript(theirs, 4.0).lines) == 1


def test_elan_has_the_words_without_overlaps(tmp_path: Path):
    twice = conversation()
    overlapping = replace(twice, lines=tuple(replace(line, speaker="", person_id=None) for line in twice.lines))
    write_eaf(overlapping, tmp_path / "a.eaf")
    root = ElementTree.parse(tmp_path / "a.eaf").getroot()
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE", "")) for s in root.iter("TIME_SLOT")}
    (tier,) = (t for t in root.iter("TIER") if t.get("TIER_ID") == "words")
    spoken = [
        (slots[a.get("TIME_SLOT_REF1")], slots[a.get("TIME_SLOT_REF2")], a.findtext("ANNOTATION_VALUE"))
        for a in tier.iter("ALIGNABLE_ANNOTATION")
    ]
    assert [times[:2] for times in spoken] == [(200, 1000), (2000, 2900), (2900, 3200)]
    assert spoken[0][2] == "I am so glad <3"
    types = {t.get("LINGUISTIC_TYPE_ID"): t.attrib for t in root.iter("LINGUISTIC_TYPE")}
    assert "CONTROLLED_VOCABULARY_REF" not in types["words"]
    counted = next(p.text for p in root.iter("PROPERTY") if p.get("NAME") == "lastUsedAnnotationId")
    assert int(counted or 0) == sum(1 for _ in root.iter("ANNOTATION"))


def test_a_textgrid_has_a_tier_for_each_speaker(tmp_path: Path):
    write_textgrid(conversation(), tmp_path / "a.TextGrid")
    text = (tmp_path / "a.TextGrid").read_text(encoding="utf-8")
    for name in ("words of Anna", "words of Person 1", "words of B"):
        assert f'name = "{name}"' in text
    assert 'text = "I am so glad <3"' in text and 'text = "That is --> sad."' in text


@pytest.mark.parametrize("key", ["person_id", "label", "speaker"])
def test_json_has_the_lines_with_their_speaker_and_scores(key: str):
    first, second, third = json.loads(json.dumps(conversation().to_json()))["lines"]
    found = [line.get(key) for line in (first, second, third)]
    assert (
        found
        == {
            "person_id": [2, 1, None],
            "label": ["happy", None, None],
            "speaker": ["A", None, "B"],
        }[key]
    )
