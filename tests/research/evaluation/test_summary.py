"""From predictions to a report's numbers, each worked out in another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from emofuse.research.evaluation.scores.predictions import Predictions
from emofuse.research.evaluation.scores.summary import Summary, summarise
from make_reports import predictions
from reference_metrics import bootstrap_interval, unweighted_average_recall

FOLDS = ["1", "2", "3", "4", "5", "6"]


@pytest.fixture(scope="module")
def found() -> Predictions:
    """Return three seeds' predictions of 1,440 clips."""
    return predictions()


@pytest.fixture(scope="module")
def summary(found: Predictions) -> Summary:
    """Return their summary."""
    return summarise(found, FOLDS)


def test_a_metric_is_the_mean_over_seeds_of_all_folds_together(found: Predictions, summary: Summary) -> None:
    assert [m.name for m in summary.metrics] == ["UAR", "accuracy", "macro F1", "micro F1", "weighted F1"]
    expected = {
        "UAR": [balanced_accuracy_score(found.truth, guess) for guess in found.guesses],
        "accuracy": [np.mean(found.truth == guess) for guess in found.guesses],
        "macro F1": [f1_score(found.truth, guess, average="macro") for guess in found.guesses],
        "micro F1": [f1_score(found.truth, guess, average="micro") for guess in found.guesses],
        "weighted F1": [f1_score(found.truth, guess, average="weighted") for guess in found.guesses],
    }
    for metric in summary.metrics:
        assert metric.by_seed == pytest.approx(expected[metric.name])
        assert metric.value == pytest.approx(np.mean(expected[metric.name]))
        assert metric.deviation_seeds == pytest.approx(np.std(expected[metric.name], ddof=1))


def test_a_fold_has_the_score_of_its_own_clips_in_the_order_asked_for(found: Predictions, summary: Summary) -> None:
    in_fold = {name: np.array(found.folds) == name for name in FOLDS}
    expected = [
        np.mean([balanced_accuracy_score(found.truth[mask], guess[mask]) for guess in found.guesses])
        for mask in in_fold.values()
    ]
    assert summary.metrics[0].by_fold == pytest.approx(expected)
    assert summary.metrics[0].deviation_folds == pytest.approx(np.std(expected, ddof=1))
    turned = summarise(found, FOLDS[::-1])
    assert turned.metrics[0].by_fold == pytest.approx(expected[::-1])


def test_the_interval_is_the_bootstrap_over_speakers(found: Predictions) -> None:
    one = replace(found, seeds=(1,), log_probabilities=found.log_probabilities[:1])
    metric = summarise(one, FOLDS).metrics[0]
    expected = bootstrap_interval(unweighted_average_recall, one.truth, one.guesses[0], one.speakers)
    assert metric.interval_95 == pytest.approx(expected)
    assert metric.deviation_seeds == 0.0
    assert len(metric.by_seed) == 1


def test_the_interval_of_seeds_holds_their_mean(summary: Summary) -> None:
    for metric in summary.metrics:
        low, high = metric.interval_95
        assert low < metric.value < high
        assert 0.02 < high - low < 0.15  # 24 speakers, not 4,320 clips


def test_classes_and_confusion_are_means_over_seeds(found: Predictions, summary: Summary) -> None:
    labels = range(8)
    parts = [precision_recall_fscore_support(found.truth, g, labels=labels, zero_division=0) for g in found.guesses]
    precision, recall, f1, n = np.mean(parts, axis=0)
    assert [c.label for c in summary.per_class] == list(found.labels)
    assert [c.n for c in summary.per_class] == n.tolist() == [96, *[192] * 7]
    assert [c.precision for c in summary.per_class] == pytest.approx(precision)
    assert [c.recall for c in summary.per_class] == pytest.approx(recall)
    assert [c.f1 for c in summary.per_class] == pytest.approx(f1)
    counts = np.mean([confusion_matrix(found.truth, guess, labels=labels) for guess in found.guesses], axis=0)
    assert np.array(summary.confusion) == pytest.approx(counts)


def test_sexes_and_speakers_have_their_own_scores(found: Predictions, summary: Summary) -> None:
    assert [(g.group, g.n) for g in summary.by_sex] == [("female", 720), ("male", 720)]
    assert [g.group for g in summary.by_speaker] == sorted(set(found.speakers))
    mask = np.array(found.speakers) == "ravdess-07"
    seventh = summary.by_speaker[6]
    assert (seventh.group, seventh.n) == ("ravdess-07", 60)
    assert seventh.accuracy == pytest.approx(np.mean(found.guesses[:, mask] == found.truth[mask]))
    uars = [balanced_accuracy_score(found.truth[mask], guess[mask]) for guess in found.guesses]
    assert seventh.uar == pytest.approx(np.mean(uars))


def tiny(speakers: tuple[str, ...], sexes: tuple[str, ...]) -> Predictions:
    logs = np.log(np.array([[[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]]]))
    return Predictions(
        clips=("a", "b", "c", "d"),
        speakers=speakers,
        sexes=sexes,
        folds=("x",) * 4,
        labels=("neutral", "happy", "sad"),
        seeds=(0,),
        truth=np.array([0, 1, 1, 0]),
        log_probabilities=logs.astype(np.float32),
    )


def test_by_hand_with_a_class_that_does_not_occur() -> None:
    summary = summarise(tiny(("s", "s", "t", "t"), ("male", "male", "unknown", "unknown")), ["x"])
    uar, accuracy, macro, micro, weighted = summary.metrics
    assert (uar.value, accuracy.value, micro.value) == (3 / 4, 3 / 4, 3 / 4)
    assert macro.value == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert weighted.value == pytest.approx((2 * 4 / 5 + 2 * 2 / 3) / 4)
    assert uar.by_fold == (3 / 4,)
    assert uar.deviation_folds == 0.0
    assert summary.confusion == ((2, 0, 0), (1, 1, 0), (0, 0, 0))
    assert [(c.n, c.recall, c.precision) for c in summary.per_class] == [
        (2, 1, pytest.approx(2 / 3)),
        (2, 0.5, 1),
        (0, 0, 0),
    ]
    assert [(g.group, g.n, g.accuracy) for g in summary.by_sex] == [("male", 2, 0.5), ("unknown", 2, 1.0)]


def test_unknown_sexes_are_not_a_group() -> None:
    assert summarise(tiny(("s", "s", "t", "t"), ("unknown",) * 4), ["x"]).by_sex == ()


def test_one_speaker_gives_no_interval_for_others() -> None:
    summary = summarise(tiny(("s",) * 4, ("male",) * 4), ["x"])
    assert {m.interval_95 for m in summary.metrics} == {(0.0, 1.0)}


@pytest.mark.parametrize("names", [[], ["1"], ["x", "y"], ["x", "x"]])
def test_other_folds_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"the predictions are of folds \['x'\]"):
        summarise(tiny(("s",) * 4, ("male",) * 4), names)
