"""A bundle's answers under conditions: which conditions, what is kept, and the pages about it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.inference.bundle import Bundle, load_bundle
from emofuse.inference.pipeline import Pipeline
from emofuse.research.corpora.manifest import Clip
from emofuse.research.evaluation.protocols import recordings
from emofuse.research.evaluation.protocols.conditions import CLEAN, CONDITIONS, Condition
from emofuse.research.evaluation.protocols.recordings import (
    Answers,
    Recording,
    answer,
    applicable,
    draw_alike,
    streams_of,
)
from emofuse.research.evaluation.reports.condition_report import (
    ConditionReport,
    condition_document,
    measure_conditions,
    write_condition_report,
)
from emofuse.research.evaluation.reports.document import to_markdown
from emofuse.timeline import Summary
from emofuse.types import Certainty, Scores


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle("base")


def films(path: Path, *people: str) -> list[Recording]:
    return [Recording(Clip(path, "happy", name, text="What a lovely day!"), f"{name}.mp4", "made") for name in people]


def named(name: str) -> Condition:
    return next(one for one in CONDITIONS if one.name == name)


def test_as_they_are_recordings_have_the_answers_of_a_pipeline(bundle: Bundle, clip_mp4: Path) -> None:
    found = answer(bundle, films(clip_mp4, "ann"))
    summary = Pipeline(bundle)(clip_mp4).summary
    assert summary.by_modality["voice"] is not None and summary.by_modality["face"] is not None
    np.testing.assert_allclose(found.probabilities["voice"][0], summary.by_modality["voice"].probabilities, atol=0.02)
    np.testing.assert_allclose(found.probabilities["face"][0], summary.by_modality["face"].probabilities, atol=1e-5)
    assert found.answered("text").all()  # its words are the manifest's
    assert found.guesses()[0] == BASE.index("happy")


def test_what_is_taken_away_has_no_answer(bundle: Bundle, clip_mp4: Path) -> None:
    for stream, modality in (("sound", "voice"), ("picture", "face"), ("words", "text")):
        found = answer(bundle, films(clip_mp4, "ann"), named(f"without {stream}"))
        assert not found.answered(modality).any()
        assert found.answered().all()
        assert sum(found.answered(m).all() for m in ("face", "voice", "text")) == 2


def test_only_what_recordings_have_is_spoilt(media_dir: Path, clip_mp4: Path, voice_wav: Path) -> None:
    assert streams_of(films(clip_mp4, "ann")) == {"sound", "picture", "film", "words"}
    wordless = [replace(one, clip=replace(one.clip, text="")) for one in films(voice_wav, "ann")]
    assert streams_of(wordless) == {"sound"}
    kinds = {one.kind for one in applicable(CONDITIONS, frozenset({"sound"}))}
    assert kinds == {"as it is", "sound"}
    still = [one.name for one in applicable(CONDITIONS, frozenset({"picture"}))]
    assert "surgical mask" in still and "5 pictures a second" not in still
    names = [one.name for one in applicable(CONDITIONS, frozenset({"picture", "film"}))]
    assert "5 pictures a second" in names
    assert "without picture" not in names and "sound 500 ms ahead" not in names
    assert len(applicable(CONDITIONS, streams_of(films(clip_mp4, "ann")))) == len(CONDITIONS)


def test_a_recording_without_an_answer_is_wrong_and_what_is_kept_has_an_interval(
    bundle: Bundle, clip_mp4: Path, tmp_path: Path
) -> None:
    conditions = (CLEAN, named("noise, 10 dB"), Condition("in the dark", "picture", picture=lambda p, _: 0 * p))
    wordless = [replace(one, clip=replace(one.clip, text="")) for one in films(clip_mp4, "ann", "ben")]
    report = measure_conditions(bundle, wordless, "emofuse robustness base --data made.csv", 1, conditions)
    assert [one.name for one in report.conditions] == ["as it is", "noise, 10 dB", "in the dark"]
    assert report.clean.kept == 1 and report.clean.kept_95 == (1, 1)
    dark = report.conditions[2]
    assert dark.by_modality["face"] == 0 < report.clean.by_modality["face"]
    assert report.stamp.leaky is None  # nothing is known of these people
    files = write_condition_report(report, tmp_path)
    assert {file.name for file in files} == {f"robustness.{kind}" for kind in ("json", "md", "html", "png")}
    assert ConditionReport.model_validate_json(files[0].read_text("utf-8")) == report
    page = (tmp_path / "robustness.md").read_text("utf-8")
    assert "noise, 10 dB" in page and "emofuse robustness base --data made.csv" in page
    assert write_condition_report(report, tmp_path) == files  # our own pages are written anew
    (tmp_path / "robustness.json").write_text("{}", "utf-8")
    with pytest.raises(UsageError, match="robustness"):
        write_condition_report(report, tmp_path)


def test_a_corpus_that_was_trained_on_is_told_in_red(bundle: Bundle, voice_wav: Path, clip_mp4: Path) -> None:
    known = [replace(one, corpus="EMO-DB") for one in films(clip_mp4, "ann")]
    report = measure_conditions(bundle, known, "emofuse robustness", 1, [CLEAN])
    assert report.stamp.leaky
    assert "LEAKY" in to_markdown(condition_document(report))


def test_babble_needs_other_people(bundle: Bundle, clip_mp4: Path) -> None:
    with pytest.raises(UsageError, match="other people"):
        answer(bundle, films(clip_mp4, "ann", "ann"), named("babble, 10 dB"))


def test_a_sample_has_all_emotions_and_people_alike() -> None:
    clips = [
        Recording(Clip(Path(f"{i}.wav"), emotion, speaker), f"{emotion}{speaker}{i}")
        for emotion, n in (("happy", 12), ("sad", 3))
        for i, speaker in zip(range(n), "abc" * 4, strict=False)
    ]
    drawn = draw_alike(clips, 6, seed=1)
    assert [one.clip.emotion for one in drawn].count("sad") == 3
    assert {one.clip.speaker for one in drawn if one.clip.emotion == "happy"} == {"a", "b", "c"}
    assert [one.name for one in drawn] == [one.name for one in draw_alike(clips, 6, seed=1)]
    assert len(draw_alike(clips, 99, seed=1)) == 15


def test_answers_that_are_not_there_are_no_confidence() -> None:
    p = np.array([[0.2, 0.8], [np.nan, np.nan]], np.float32)
    clips = tuple(Recording(Clip(Path("x"), "sad", s), s) for s in "ab")
    found = Answers(clips, ("happy", "sad"), np.array([1, 1]), {"fused": p})
    np.testing.assert_array_equal(found.guesses(), [1, 2])
    np.testing.assert_array_equal(found.answered(), [True, False])
    assert json.dumps(found.confidence()[0]) == json.dumps(float(np.float32(0.8)))


def test_answers_that_people_are_told_to_be_uncertain_are_counted(
    bundle: Bundle, voice_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([Certainty(0.2, "unsure", abstains=True), Certainty(0.9, "clear"), None])

    def analyse(*_: object) -> Summary:
        certainty = next(answers)
        p = np.full(len(BASE), 1 / len(BASE), np.float32)
        return Summary(Scores("fused", BASE, p, 0, 1, certainty=certainty) if certainty else None, {}, {})

    monkeypatch.setattr(recordings, "_analyse", analyse)
    report = measure_conditions(bundle, films(voice_wav, "ann", "ben", "eve"), "emofuse robustness", 1, [CLEAN])
    assert report.clean.answered == pytest.approx(2 / 3)
    assert report.clean.uncertain == pytest.approx(1 / 2)
