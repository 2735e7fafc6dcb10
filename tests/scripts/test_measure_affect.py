"""Valence and arousal of a voice beside people's ratings."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import measure_affect as module


@pytest.fixture
def voices() -> module.Voices:
    """Four speakers of twelve recordings each, whose ratings follow the probabilities but for the last speaker's."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(7), 48)
    speakers = np.repeat(np.array(["a", "b", "c", "d"]), 12)
    rated = probabilities @ np.linspace(-1, 1, 14).reshape(7, 2)
    rated[speakers == "d"] *= -1
    ratings = rated[:, None] + np.array([-0.1, 0.0, 0.1])[None, :, None]
    return module.Voices(probabilities, rated, ratings, speakers)


def test_a_table_of_ratings_is_read_from_minus_one_to_one(tmp_path: Path) -> None:
    path = tmp_path / "annotations.csv"
    path.write_text(
        "file,a1_A,a1_V,a1_D,a1_cat,a2_A,a2_V,a2_D,a2_cat,a3_A,a3_V,a3_D,a3_cat,gt_emotion\n"
        "DK_001_A_1.wav,4.0,1.5,4.5,A,3.0,2.5,5.0,A,5.0,1.0,4.5,A,A\n",
        encoding="utf-8",
    )
    ratings = module.read_ratings(path)
    assert ratings["DK_001_A_1"].tolist() == [[-0.75, 0.5], [-0.25, 0.0], [-1.0, 1.0]]


def test_a_rule_is_fitted_to_the_other_speakers_alone(voices: module.Voices) -> None:
    fitted = module.fit_by_speaker(voices)
    others = voices.speakers != "d"
    assert np.corrcoef(fitted[~others, 0], voices.derived[~others, 0])[0, 1] < -0.9  # its own ratings were not seen
    assert np.corrcoef(fitted[others, 0], voices.derived[others, 0])[0, 1] > 0.5


def test_what_is_rated_agrees_with_itself_and_raters_less_with_each_other(voices: module.Voices) -> None:
    rated = voices.ratings.mean(axis=1)
    assert module._line(rated[:, 0], rated[:, 0], voices.speakers) == (
        "concordance 1.00 (1.00 to 1.00), correlation 1.00 (1.00 to 1.00)"
    )
    assert module._raters_line(voices.ratings[:, :, 0], voices.speakers).startswith("concordance 0.79 (0.72 to 0.82)")
