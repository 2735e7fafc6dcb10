"""Sound without a voice: what is made, and that a training gives all emotions alike for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emofuse.research.models.settings import WhisperVoiceSettings
from emofuse.research.tasks.activations import ActivationBatches, Activations
from emofuse.research.tasks.other_sound import other_sounds
from emofuse.research.tasks.speech import N_OTHER
from emofuse.research.training.jobs import load_utterances, utterance_job
from make_ravdess import tiny_recipe, write_ravdess


def test_sounds_are_of_one_length_differ_and_are_the_same_again() -> None:
    made, again = (other_sounds(20, 8_000, seed=3) for _ in range(2))
    assert all(np.array_equal(one, two) for one, two in zip(made, again, strict=True))
    assert {(one.dtype, one.shape) for one in made} == {(np.dtype(np.int16), (8_000,))}
    assert len({one.tobytes() for one in made}) == 20
    peaks = np.array([np.abs(one.astype(int)).max() for one in made])
    assert peaks.min() > 300 and 20_000 < peaks.max() < 32_767


def test_hum_and_chords_have_lines_and_noise_has_none() -> None:
    def flatness(sound: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2 + 1e-9
        return float(np.exp(np.log(power).mean()) / power.mean())

    hum, chord, _, noise, _ = (np.mean([flatness(one) for one in other_sounds(50, 16_000, 1)[k::5]]) for k in range(5))
    assert max(hum, chord) < 0.02 < noise


def test_what_is_beside_has_its_share_and_no_emotion() -> None:
    activations = Activations(torch.zeros(1, 12, 2), torch.zeros(1, 12, 0))
    batches = ActivationBatches(activations, [0, 1, 2, 3], np.eye(4, dtype=np.float32), np.array([1.0, 1, 1, 5]))
    both = batches.beside(range(4, 12), 0.25)
    assert both.weights is not None and batches.weights is not None
    np.testing.assert_allclose(both.weights[4:], 0.25 / 8)
    np.testing.assert_allclose(both.weights[:4], 0.75 * batches.weights / 8)
    _, targets = both.__getitems__([3, 4, 11])
    assert targets[0].tolist() == [0, 0, 0, 1]
    assert targets[1:].unique().tolist() == [0.25]


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_training_has_other_sounds_where_its_recipe_does(tmp_path: Path, share: float) -> None:
    model = WhisperVoiceSettings(pretrained=None, width=16, heads=2, hidden=8, taps=(1,))
    data = {"versions": 1, "as_recorded": 1, "balance_corpora": True, "other_sound": share}
    recipe = tiny_recipe(model, data, batch_size=6)
    clips = load_utterances(recipe, write_ravdess(tmp_path, range(1, 5)))
    job = utterance_job(recipe, clips, None)
    assert len(job.train) == len(clips.manifest) + (N_OTHER if share else 0)  # type: ignore[arg-type]
    assert job.class_prior is not None and float(job.class_prior.sum()) == pytest.approx(1)
