"""Temperatures, priors and weights are found again where they are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.emotions import BASE
from emofuse.errors import UsageError
from emofuse.research.evaluation.fusion.bundle_fit import (
    Calibration,
    Examples,
    check_calibration,
    check_weights,
    fit_calibration,
    fit_weights,
    gather,
    neutral_mean,
    put_together,
    read_examples,
    split,
)
from emofuse.research.evaluation.scores.predictions import Predictions, write_predictions

FLAT = Calibration(1.0, np.full(3, 1 / 3))


def examples(
    n: int,
    temperature: float,
    prior: list[float],
    seed: int = 0,
    separation: float = 2.0,
    present: tuple[int, ...] = (),
) -> Examples:
    """Draw the logits of a network that is `temperature` times too sure and answers with a prior before it sees."""
    random = np.random.default_rng(seed)
    there = present or (0, 1, 2)
    truth = np.asarray(random.choice(there, n), dtype=np.int64)
    # the exact evidence of a Gaussian at one of three places
    seen = separation * np.eye(3)[truth] + random.normal(size=(n, 3))
    evidence = separation * seen
    logits = temperature * (evidence + np.log(prior))
    return Examples(f"corpus {seed}", logits, np.eye(3), np.isin(np.arange(3), there), truth)


def test_the_temperature_and_the_prior_are_found_again() -> None:
    prior = [0.6, 0.3, 0.1]
    found = fit_calibration([examples(6000, 2.0, prior), examples(6000, 2.0, prior, seed=1)])
    assert found.temperature == pytest.approx(2.0, rel=0.06)
    np.testing.assert_allclose(found.prior, prior, atol=0.04)


def test_a_flat_prior_stays_flat_and_the_temperature_is_fitted() -> None:
    alike = [1 / 3, 1 / 3, 1 / 3]
    found = fit_calibration([examples(6000, 2.0, alike)], is_flat=True)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    skewed = fit_calibration([examples(6000, 2.0, [0.7, 0.2, 0.1])], is_flat=True)
    np.testing.assert_allclose(skewed.prior, alike)


def test_a_label_that_a_corpus_does_not_have_is_not_counted_wrong_there() -> None:
    prior = [0.6, 0.3, 0.1]
    both = [examples(6000, 1.0, prior, present=(0, 1)), examples(6000, 1.0, prior, seed=1, present=(1, 2))]
    found = fit_calibration(both)
    np.testing.assert_allclose(found.prior, prior, atol=0.05)
    evidence = found.evidence(both[0])
    assert (evidence[:, 2] == 0).all()
    np.testing.assert_allclose(evidence.sum(axis=1), 1.0)


def test_a_prior_needs_evidence() -> None:
    few = fit_calibration([examples(6, 1.0, [0.9, 0.05, 0.05], separation=0.1)])
    assert few.prior.max() < 0.9


def test_the_error_that_is_shown_is_of_data_that_nothing_was_fitted_on() -> None:
    corpora = [examples(2000, 3.0, [0.5, 0.3, 0.2], seed=s) for s in range(3)]
    checks = check_calibration("face", corpora, FLAT, seed=1)
    assert [check.name for check in checks] == ["corpus 0", "corpus 1", "corpus 2"]
    assert all(check.after < 0.03 < check.before and check.n == 2000 for check in checks)
    (alone,) = check_calibration("face", corpora[:1], FLAT, seed=1)
    assert alone.n == 1000 and alone.after < 0.04 < alone.before


def one_of(evidence: NDArray[np.float64], truth: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return evidence, truth


def test_a_modality_that_says_nothing_gets_a_small_weight_and_fusing_the_others_gains() -> None:
    corpora = {
        "face": [examples(3000, 1.0, [1, 1, 1], seed=1, separation=1.2)],
        "voice": [examples(3000, 1.0, [1, 1, 1], seed=2, separation=1.2)],
        "text": [examples(3000, 4.0, [1, 1, 1], seed=3, separation=0.0)],
    }
    noise = np.random.default_rng(4).normal(size=(3000, 3))
    broken = Examples("noise", noise, np.eye(3), np.ones(3, bool), corpora["text"][0].truth)
    evidence = gather({**corpora, "text": [broken]}, dict.fromkeys(corpora, FLAT))
    first, second = split(evidence, seed=1)
    weights = fit_weights(put_together(first, seed=1))
    assert weights["face"] > 0.85 and weights["voice"] > 0.85 and weights["text"] < 0.2
    scores = {names: (fused, alone) for names, fused, alone in check_weights(put_together(second, seed=2), weights)}
    fused, alone = scores["face", "voice"]
    assert fused > alone + 0.05
    assert scores["face", "voice", "text"][0] > alone


def test_emotions_that_a_modality_has_no_example_of_are_left_out() -> None:
    evidence = {
        "face": one_of(np.eye(3)[[0, 1, 2]], np.array([0, 1, 2])),
        "voice": one_of(np.eye(3)[[0, 2, 2]], np.array([0, 2, 2])),
    }
    drawn, truth = put_together(evidence, seed=1, n_drawn=5)
    assert truth.tolist() == [0] * 5 + [2] * 5
    assert all((probabilities.argmax(axis=1) == truth).all() for probabilities in drawn.values())


def test_predictions_are_carried_to_the_labels_of_the_bundle(tmp_path: Path) -> None:
    p = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.2, 0.6, 0.1], [0.1, 0.1, 0.1, 0.7]])
    own = ("calm", "neutral", "happy", "boredom")
    clips = tuple("abc")
    made = Predictions(clips, clips, clips, clips, own, (1,), np.array([0, 2, 3]), np.log(p)[None].astype(np.float32))
    (tmp_path / "emodb").mkdir()
    write_predictions(made, tmp_path / "emodb" / "predictions.csv")
    found = read_examples(tmp_path / "emodb" / "predictions.csv", BASE)
    assert (found.name, found.truth.tolist(), found.present.tolist()) == ("emodb", [0, 1], [True, True, *[False] * 5])
    np.testing.assert_allclose(
        Calibration(1.0, np.full(7, 1 / 7)).evidence(found)[0, :2], [0.8 / 0.9, 0.1 / 0.9], atol=1e-3
    )
    all_bored = np.zeros(3, np.int64)
    write_predictions(replace(made, labels=("boredom", *own[1:3], "sad"), truth=all_bored), tmp_path / "bored.csv")
    with pytest.raises(UsageError, match="no prediction of a label of the bundle"):
        read_examples(tmp_path / "bored.csv", BASE)


def test_what_neutral_people_are_answered_is_a_mean_over_corpora() -> None:
    corpora = [examples(4000, 1.0, [1 / 3] * 3, seed=0), examples(400, 1.0, [1 / 3] * 3, seed=1, separation=1.0)]
    without = examples(100, 1.0, [1 / 3] * 3, seed=2, present=(0, 2))
    labels = ("happy", "neutral", "sad")
    found = neutral_mean([*corpora, without], FLAT, labels)
    each = [np.log(FLAT.evidence(one)[one.truth == 1]).mean(axis=0) for one in corpora]
    np.testing.assert_allclose(found, (each[0] + each[1]) / 2)
    assert found.argmax() == 1
    assert neutral_mean([without], FLAT, labels) is None
    assert neutral_mean(corpora, FLAT, ("happy", "calm", "sad")) is None
