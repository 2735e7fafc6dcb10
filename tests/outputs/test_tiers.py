"""Tiers: the same rules for the fused answer, each modality and each person."""

import pytest

from emofuse.outputs.tiers import emotion_tiers, faces, length_s
from emofuse.types import Moment
from make_timelines import TIMELINES, course, face, moment, scores, timeline


def test_the_fused_tier_is_the_timelines_segments():
    for name, whole in TIMELINES.items():
        assert list(emotion_tiers(whole)[0].segments) == whole.segments(), name


def test_modalities_and_people_have_their_own_labels():
    def at(i):
        said = {"face": scores("happy", 0.8, "face"), "voice": scores("sad", 0.6, "voice")}
        return Moment(
            i / 10, scores("happy", 0.7), said, (face(label="angry", track_id=3), face(label=None, track_id=5))
        )

    rows = {row.name: row for row in emotion_tiers(timeline(*(at(i) for i in range(20)), duration_s=2.0))}
    assert list(rows) == ["fused", "face", "voice", "person 3"]
    assert [(s.label, s.confidence) for s in rows["voice"].segments] == [("sad", pytest.approx(0.6))]
    assert [s.label for s in rows["person 3"].segments] == ["angry"]
    assert rows["face"].curve[-1] == (1.9, pytest.approx(0.8))


def test_somebody_who_is_seen_for_a_while_stands_where_they_were():
    moments = [moment(i / 10, "happy", faces=(face(track_id=1),) if 30 <= i < 50 else ()) for i in range(100)]
    whole = timeline(*moments, duration_s=10.0)
    person = emotion_tiers(whole)[-1]
    assert faces(whole) == {1: (30, 49)}
    assert [(s.start_s, s.end_s) for s in person.segments] == [(pytest.approx(2.9), pytest.approx(4.9))]


def test_length_is_all_of_the_recording_and_all_that_was_said():
    assert length_s(TIMELINES["empty"], emotion_tiers(TIMELINES["empty"])) == 0
    for duration_s, length in ((7.0, 7.0), (None, 1.9)):
        whole = timeline(*course([("happy", 20)]), duration_s=duration_s)
        assert length_s(whole, emotion_tiers(whole)) == pytest.approx(length)
