"""Scores against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, precision_score

from emofuse.inference.network import softmax
from emofuse.research.evaluation.scores.metrics import (
    METRICS,
    confusion_counts,
    confusions_by_group,
    expected_calibration_error,
    f1s_of,
    fit_temperature,
    precisions_of,
    recalls_of,
    resampled,
    uar_of,
)
from reference_metrics import accuracy, bootstrap_interval, score, unweighted_average_recall

# class 0: 3 of 4 right, class 1: 1 of 2, class 2: none of 1, class 3 does not occur but is guessed once
TRUTH = np.array([0, 0, 0, 0, 1, 1, 2])
GUESS = np.array([0, 0, 0, 1, 1, 3, 0])


def test_scores_by_hand() -> None:
    scored = score(TRUTH, GUESS, 4)
    assert scored.n == 7
    assert scored.accuracy == pytest.approx(4 / 7)
    assert scored.recalls == pytest.approx((3 / 4, 1 / 2, 0, 0))
    assert scored.uar == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)  # over the classes that occur
    # F1 is 2 TP / (2 TP + FP + FN)
    assert scored.macro_f1 == pytest.approx((6 / 8 + 2 / 4 + 0) / 3)


def test_rows_of_the_confusion_are_the_truth() -> None:
    confusion = score(TRUTH, GUESS, 4).confusion
    assert confusion.tolist() == [[3, 1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert confusion.dtype == np.int64


def test_all_ways_to_a_score_agree() -> None:
    random = np.random.default_rng(0)
    truth, guess = random.integers(0, 5, 300), random.integers(0, 5, 300)
    scored = score(truth, guess, 6)
    assert accuracy(truth, guess) == pytest.approx(scored.accuracy)
    assert unweighted_average_recall(truth, guess) == pytest.approx(scored.uar)
    assert accuracy(TRUTH, GUESS) == pytest.approx(4 / 7)
    assert unweighted_average_recall(TRUTH, GUESS) == pytest.approx(5 / 12)


def test_every_metric_is_that_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    truth, guess = random.integers(0, 5, 400), random.integers(0, 5, 400)
    confusion = confusion_counts(truth, guess, 5)
    assert confusion.tolist() == confusion_matrix(truth, guess).tolist()
    assert {name: float(metric(confusion)) for name, metric in METRICS.items()} == pytest.approx(
        {
            "UAR": balanced_accuracy_score(truth, guess),
            "accuracy": accuracy_score(truth, guess),
            "macro F1": f1_score(truth, guess, average="macro"),
            "micro F1": f1_score(truth, guess, average="micro"),
            "weighted F1": f1_score(truth, guess, average="weighted"),
        }
    )
    assert precisions_of(confusion) == pytest.approx(precision_score(truth, guess, average=None))
    assert f1s_of(confusion) == pytest.approx(f1_score(truth, guess, average=None))


def test_a_class_that_is_never_there_or_never_said_scores_nothing() -> None:
    confusion = np.array([[3, 0, 1], [2, 0, 0], [0, 0, 0]])
    assert recalls_of(confusion).tolist() == [3 / 4, 0, 0]
    assert precisions_of(confusion).tolist() == [3 / 5, 0, 0]
    assert f1s_of(confusion) == pytest.approx([6 / 9, 0, 0])
    assert float(uar_of(confusion)) == pytest.approx(3 / 8)  # over the two classes that occur
    assert [float(metric(np.zeros((3, 3)))) for metric in METRICS.values()] == [0.0] * 5


def test_metrics_of_many_confusions_at_once_are_those_of_each() -> None:
    many = np.random.default_rng(2).integers(0, 9, (4, 3, 5, 5))
    for metric in METRICS.values():
        expected = [[float(metric(many[i, j])) for j in range(3)] for i in range(4)]
        assert metric(many) == pytest.approx(np.array(expected))


def test_confusions_by_group_are_those_of_its_members() -> None:
    random = np.random.default_rng(3)
    truth, guesses = random.integers(0, 3, 60), random.integers(0, 3, (2, 60))
    groups = random.choice(["b", "a", "c"], 60)
    counts = confusions_by_group(truth, guesses, groups.tolist(), 3)
    assert counts.shape == (2, 3, 3, 3)
    for seed in range(2):
        for i, name in enumerate("abc"):
            inside = groups == name
            expected = confusion_counts(truth[inside], guesses[seed, inside], 3)
            assert counts[seed, i].tolist() == expected.tolist()


def test_the_quick_draws_are_those_of_the_plain_interval() -> None:
    random = np.random.default_rng(4)
    truth = random.integers(0, 4, 500)
    guess = np.where(random.random(500) < 0.5, truth, random.integers(0, 4, 500))
    groups = random.choice([f"s{i}" for i in range(9)], 500).tolist()
    drawn = resampled(uar_of, confusions_by_group(truth, guess[None], groups, 4), n_draws=1200, seed=7)
    assert drawn.shape == (1200,)
    expected = bootstrap_interval(unweighted_average_recall, truth, guess, groups, n_draws=1200, seed=7)
    assert tuple(np.percentile(drawn, [2.5, 97.5])) == pytest.approx(expected)


def test_unweighted_recall_does_not_reward_the_majority_class() -> None:
    truth = np.array([0] * 98 + [1] * 2)
    guess = np.zeros(100, dtype=np.int64)
    assert accuracy(truth, guess) == 0.98
    assert unweighted_average_recall(truth, guess) == 0.5


def test_the_interval_is_that_of_a_share() -> None:
    truth = np.zeros(400, dtype=np.int64)
    guess = np.array([0] * 280 + [1] * 120)
    low, high = bootstrap_interval(accuracy, truth, guess)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert (low, high) == pytest.approx((0.7 - half, 0.7 + half), abs=0.008)


def test_the_interval_is_seeded() -> None:
    first = bootstrap_interval(accuracy, TRUTH, GUESS, n_draws=50, seed=1)
    assert bootstrap_interval(accuracy, TRUTH, GUESS, n_draws=50, seed=1) == first
    assert bootstrap_interval(accuracy, TRUTH, GUESS, n_draws=50, seed=2) != first


def test_an_interval_covers_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth = np.zeros(200, dtype=np.int64)
    n_covered = 0
    for _ in range(100):
        guess = (random.random(200) > 0.6).astype(np.int64)
        low, high = bootstrap_interval(accuracy, truth, guess, n_draws=200)
        n_covered += low <= 0.6 <= high
    assert 88 <= n_covered <= 100


def test_whole_groups_are_drawn() -> None:
    """Where each speaker is all right or all wrong, a draw is a number of speakers out of four."""
    groups = [name for name in "abcd" for _ in range(25)]
    truth = np.zeros(100, dtype=np.int64)
    guess = np.array([0] * 50 + [1] * 50)
    seen: set[float] = set()

    def watched(truth: np.ndarray, guess: np.ndarray) -> float:
        seen.add(accuracy(truth, guess))
        return accuracy(truth, guess)

    low, high = bootstrap_interval(watched, truth, guess, groups, n_draws=400)
    assert seen == {0.0, 0.25, 0.5, 0.75, 1.0}
    assert (low, high) == (0.0, 1.0)
    alone = bootstrap_interval(accuracy, truth, guess)
    assert alone[1] - alone[0] < 0.25  # four speakers know far less than a hundred clips


def test_groups_of_several_sizes_are_drawn_whole() -> None:
    groups = ["a", "b", "a", "b", "b"]
    index = np.arange(5)
    drawn: set[tuple[int, ...]] = set()

    def watched(truth: np.ndarray, guess: np.ndarray) -> float:
        assert (truth == guess).all()
        drawn.add(tuple(sorted(truth.tolist())))
        return 0.0

    bootstrap_interval(watched, index, index, groups, n_draws=50)
    assert drawn == {(0, 0, 2, 2), (0, 1, 2, 3, 4), (1, 1, 3, 3, 4, 4)}


def test_the_calibration_error_by_hand() -> None:
    # bins of a half: (0.6, 0.8, 0.9), of which two are right, and (0.4), which is right
    probabilities = np.array([[0.6, 0.4, 0], [0.1, 0.8, 0.1], [0.05, 0.05, 0.9], [0.4, 0.3, 0.3]], dtype=np.float32)
    truth = np.array([0, 1, 0, 0])
    expected = 3 / 4 * abs((0.6 + 0.8 + 0.9) / 3 - 2 / 3) + 1 / 4 * abs(0.4 - 1)
    assert expected_calibration_error(probabilities, truth, n_bins=2) == pytest.approx(expected, abs=1e-6)


def test_being_sure_and_right_is_calibrated_and_sure_and_wrong_is_not() -> None:
    sure = np.eye(3, dtype=np.float32)[[0, 1, 2]]
    assert expected_calibration_error(sure, np.array([0, 1, 2])) == 0.0
    assert expected_calibration_error(sure, np.array([1, 2, 0])) == 1.0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(temperature: float) -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (20_000, 5))
    # Gumbel noise draws from the softmax
    truth = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    found = fit_temperature((logits * temperature).astype(np.float32), truth)
    assert found == pytest.approx(temperature, rel=0.05)


def test_the_temperature_calibrates() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(0, 1, (5_000, 4))
    truth = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    over_sure = (3 * logits).astype(np.float32)
    before = expected_calibration_error(softmax(over_sure), truth)
    after = expected_calibration_error(softmax(over_sure, fit_temperature(over_sure, truth)), truth)
    assert before > 0.2
    assert after < 0.03
