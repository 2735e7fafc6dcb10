"""What a face shows in a part of a film is what the film's answer has of it."""

from __future__ import annotations

import numpy as np
import pytest

from emofuse.emotions import BASE
from emofuse.inference.answers import AnswerMaker
from emofuse.inference.session import summarise
from emofuse.timeline import SourceInfo, strongest
from emofuse.types import Moment, Scores
from make_timelines import moment, scores, timeline

SOURCE = SourceInfo("film.mp4", 2.0, 640, 480, 25.0, has_audio=True, has_video=True)
FACE = AnswerMaker({"face": 1.0}, "linear")


def film(*labels: str, modality: str = "face") -> list[Moment]:
    return [moment(0.1 * i, label, (modality,)) for i, label in enumerate(labels, start=1)]


def test_a_film_is_what_its_least_neutral_fifth_shows() -> None:
    moments = film(*["neutral"] * 7, "sad", "sad", "neutral")
    face = summarise(moments, SOURCE, FACE).by_modality["face"]
    assert face is not None
    assert face.label == "sad" and face.confidence == pytest.approx(0.7)
    assert (face.start_s, face.end_s) == pytest.approx((0.8, 0.9))


def test_a_film_in_which_nothing_is_shown_is_neutral() -> None:
    face = summarise(film(*["neutral"] * 10), SOURCE, FACE).by_modality["face"]
    assert face is not None and face.label == "neutral" and face.confidence == pytest.approx(0.7)


def test_one_short_look_of_another_kind_does_not_decide() -> None:
    shown = ["neutral"] * 12 + ["sad"] * 3 + ["happy"]
    face = summarise(film(*shown), SOURCE, FACE).by_modality["face"]
    assert face is not None and face.label == "sad"  # 4 of 16 are looked at


def test_a_voice_is_averaged_over_all_of_it() -> None:
    found = summarise(
        film(*["neutral"] * 8, "sad", "sad", modality="voice"), SOURCE, AnswerMaker({"voice": 1}, "linear")
    )
    assert found.by_modality["voice"] is not None and found.by_modality["voice"].label == "neutral"


def test_a_part_of_a_film_is_summed_up_alike() -> None:
    moments = film(*["neutral"] * 7, "sad", "sad", "neutral", "happy", "happy")
    part = timeline(*moments, duration_s=1.2).between(0.0, 1.05)
    assert len(part.moments) == 10
    face = part.summary.by_modality["face"]
    assert face is not None and part.summary.fused is not None
    assert (face.label, part.summary.fused.label) == ("sad", "sad")


@pytest.mark.parametrize(("n", "n_kept"), [(1, 1), (5, 1), (6, 2), (10, 2), (11, 3)])
def test_a_fifth_is_rounded_up(n: int, n_kept: int) -> None:
    assert len(strongest([scores("sad")] * n)) == n_kept


def test_without_neutral_among_the_labels_all_count() -> None:
    labels = ("happy", "sad")
    assert len(strongest([Scores("face", labels, np.array([0.4, 0.6]), 0, 1)] * 9)) == 9
    assert "neutral" in BASE
