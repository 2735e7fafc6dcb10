"""Films that are made of portraits: who is in them, what they show when, and what is made of their pictures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from emofuse.emotions import FERPLUS
from emofuse.research.corpora.readers.portraits import Portraits

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import measure_face_films as module

NEUTRAL, HAPPY, SAD = (FERPLUS.index(name) for name in ("neutral", "happiness", "sadness"))
LEVEL = {NEUTRAL: 40, HAPPY: 200, SAD: 120}


@pytest.fixture(scope="module")
def faces() -> Portraits:
    """Three people; the last has no neutral picture. Each picture is as bright as its emotion's level."""
    rows = [(person, label) for person in "ab" for label in (NEUTRAL, HAPPY, SAD)] + [("c", HAPPY)]
    images = np.stack([np.full((140, 140, 3), LEVEL[label], np.uint8) for _, label in rows])
    truth = np.array([label for _, label in rows], dtype=np.int64)
    people = tuple(person for person, _ in rows)
    return Portraits(images, np.eye(8, dtype=np.float32)[truth], truth, people, people)


@pytest.mark.parametrize("size_px", [48, 96])
def test_a_film_goes_from_neutral_to_an_expression_and_back(faces: Portraits, size_px: int) -> None:
    films = module.expressive(faces, size_px)
    assert films.pictures.shape == (6, 12, size_px, size_px)
    assert sorted(zip(films.people, films.truth.tolist(), strict=True)) == sorted(
        (person, label) for person in "ab" for label in (NEUTRAL, HAPPY, SAD)
    )
    happy = films.pictures[films.truth.tolist().index(HAPPY)].mean(axis=(1, 2))
    assert happy[[0, 3, 10, 11]] == pytest.approx(40, abs=8)
    assert happy[6] > 40 + 0.6 * 160  # seven tenths of the expression at least, and five hundredths of the light


@pytest.mark.parametrize("size_px", [48, 96])
def test_a_neutral_speaker_moves_the_mouth_alone(faces: Portraits, size_px: int) -> None:
    films = module.speaking(faces, size_px)
    assert films.people == ("a", "b") and not films.truth.any()
    assert films.pictures[:, :, : 20 * size_px // 48].mean() == pytest.approx(40, abs=4)
    assert films.pictures[:, :, 42 * size_px // 48 :].mean(axis=(2, 3)).max() > 80


def test_answers_are_of_the_least_neutral_pictures() -> None:
    pictures = np.full((1, 12, 7), 0.02, np.float32)
    pictures[0, :, 0] = 0.88
    pictures[0, 5] = [0.1, 0.8, 0.02, 0.02, 0.02, 0.02, 0.02]
    assert module.answers(pictures, 1 / 12)[0].argmax() == 1
    assert module.answers(pictures, 1.0)[0] == pytest.approx(pictures[0].mean(axis=0))
