"""Recordings of one person: what they have in common is taken out, the answers are made anew, and outputs say so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.adaptation import PersonBaseline
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.pipeline import Pipeline
from emofuse.inference.same_person import adapt_to_person
from emofuse.people import Person
from emofuse.provenance import Provenance
from emofuse.timeline import Timeline
from emofuse.types import Scores
from make_timelines import face, moment, timeline

ANSWERS = AnswerMaker({"face": 1.0, "voice": 1.0, "text": 1.0}, "logarithmic")


def leaning(label: str, modality: str = "voice") -> Scores:
    """Return scores of somebody who always sounds angry: anger first, and close to it what they show."""
    values = np.full(len(BASE), 0.02, np.float32)
    values[BASE.index("angry")], values[BASE.index(label)] = 0.50, 0.40
    return Scores(modality, BASE, values / values.sum(), 0.0, 0.0)


def recording(label: str, text: str | None = None) -> Timeline:
    by_modality = {"voice": leaning(label)} | ({} if text is None else {"text": leaning(text, "text")})
    seen = replace(face(label=None), emotion=leaning(label, "face"), person_id=1)
    one = replace(moment(3.0, None), by_modality=by_modality, faces=(seen,), fused=leaning(label, "fused"))
    made = replace(timeline(one, duration_s=3.0), provenance=Provenance.now("0", "call", settings={"mode": "queue"}))
    return replace(made, people=(Person(1, seen=((0.0, 3.0),), summary=leaning(label)),))


SHOWN = ["happy", "sad", "neutral", "fearful", "happy", "sad"] * 5


def test_what_a_person_always_shows_is_taken_out() -> None:
    given = [recording(label) for label in SHOWN]
    assert all(one.summary.by_modality["voice"].label == "angry" for one in given)
    adapted = adapt_to_person(given, ANSWERS)
    assert [one.summary.fused.label for one in adapted] == SHOWN
    assert [one.moments[0].fused.label for one in adapted] == SHOWN
    baseline = PersonBaseline(len(BASE))
    for one in given:
        baseline.add(one.summary.by_modality["voice"].evidence)
    np.testing.assert_allclose(
        adapted[0].moments[0].by_modality["voice"].probabilities, baseline.correct(leaning("happy").evidence), atol=1e-6
    )


def test_words_are_left_as_they_are() -> None:
    adapted = adapt_to_person([recording(label, "disgust") for label in SHOWN], ANSWERS)
    np.testing.assert_array_equal(
        adapted[0].moments[0].by_modality["text"].probabilities, leaning("disgust", "text").probabilities
    )


def test_faces_and_people_follow_and_every_output_says_so(tmp_path: Path) -> None:
    adapted = adapt_to_person([recording(label) for label in SHOWN], ANSWERS)[1]
    # the face was no modality of these moments, so there is nothing to take out of it
    assert adapted.moments[0].faces[0].emotion.label == "angry"
    assert adapted.people[0].by_modality["face"].label == "angry"
    assert adapted.provenance.settings["same_person"] == {"recordings": 30, "utterances_voice": 30.0, "halfway": 10.0}
    for suffix in ("json", "html", "eaf", "vtt", "TextGrid"):
        adapted.save(tmp_path / f"x.{suffix}")
        assert "same_person" in (tmp_path / f"x.{suffix}").read_text()


def test_one_recording_keeps_its_label_and_a_long_one_counts_as_many() -> None:
    (alone,) = adapt_to_person([recording("happy")], ANSWERS)
    assert alone.summary.fused.label == "angry"
    long = replace(recording("happy"), source=replace(recording("happy").source, duration_s=300.0))
    assert adapt_to_person([long], ANSWERS)[0].provenance.settings["same_person"]["utterances_voice"] == 100.0


def test_a_pipeline_adapts_what_it_is_given(clip_mp4: Path) -> None:
    pipeline = Pipeline.load()
    plain = pipeline(clip_mp4)
    adapted = pipeline([clip_mp4, clip_mp4], same_person=True)
    assert adapted[0].provenance.settings["same_person"]["recordings"] == 2
    before, after = (one.summary.by_modality["face"].probabilities for one in (plain, adapted[0]))
    assert after.argmax() == before.argmax() and after.max() < before.max()
    assert pipeline(clip_mp4, same_person=True).provenance.settings["same_person"]["recordings"] == 1
    with pytest.raises(UsageError, match="same_person: 3"):
        pipeline(clip_mp4, same_person=3)  # type: ignore[typeddict-item]
