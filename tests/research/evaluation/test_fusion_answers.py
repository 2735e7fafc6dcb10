"""Answers of several draws: counted together, by whom and where; silence is the commonest class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emofuse.research.evaluation.fusion.answers import ScoredClips, by_fold, by_unit, confusions, ensemble_correct
from emofuse.research.evaluation.scores.metrics import METRICS
from emofuse.research.evaluation.scores.predictions import Predictions

FIRST = ScoredClips(np.array([0, 1, 2, 1]), ("x", "x", "y", "y"), ("1", "1", "2", "2"), ("s", "i", "s", "i"), 1, 3)
SECOND = ScoredClips(np.array([2, 0]), ("z", "y"), ("2", "1"), ("s", "s"), 1, 3)


def test_silence_counts_as_the_commonest_class() -> None:
    predicted = np.log(np.array([[[0.2, 0.2, 0.6], [1 / 3] * 3, [0.5, 0.4, 0.1], [0.1, 0.8, 0.1]]]))
    assert FIRST.answers(predicted.astype(np.float32)).tolist() == [[2, 1, 0, 1]]


def test_draws_are_counted_over_the_groups_of_all() -> None:
    answers = [np.array([[0, 1, 2, 0], [0, 0, 2, 1]]), np.array([[2, 2]])]
    counts = by_unit([FIRST, SECOND], answers)
    assert counts.shape == (3, 3, 3, 3)  # two seeds of the first draw and one of the second; x, y, z
    assert counts.sum(axis=(2, 3)).tolist() == [[2, 2, 0], [2, 2, 0], [0, 1, 1]]
    assert METRICS["accuracy"](counts.sum(axis=1)).tolist() == pytest.approx([3 / 4, 3 / 4, 1 / 2])
    assert by_fold([FIRST, SECOND], answers, ["2", "1"]).sum(axis=(2, 3)).tolist() == [[2, 2], [2, 2], [1, 1]]
    some = [np.asarray(draw.styles) == "i" for draw in (FIRST, SECOND)]
    chosen = confusions([FIRST, SECOND], answers, [draw.groups for draw in (FIRST, SECOND)], some)
    assert chosen.sum(axis=(1, 2, 3)).tolist() == [2, 2, 0]


def test_a_vote_is_over_the_draws_that_a_clip_is_in() -> None:
    logs = np.log(np.array([[[0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.4, 0.1, 0.5], [0.9, 0.05, 0.05]]]))
    first = Predictions(
        ("a", "b", "c", "d"),
        FIRST.groups,
        ("f",) * 4,
        FIRST.folds,
        ("p", "q", "r"),
        (1,),
        FIRST.truth,
        logs.astype("f4"),
    )
    assert ensemble_correct([first], [FIRST]) == {"a": True, "b": True, "c": True, "d": False}
    second = replace(
        first,
        **{k: getattr(first, k)[:2] for k in ("speakers", "sexes", "folds")},
        clips=("c", "e"),
        truth=SECOND.truth,
        log_probabilities=np.log(np.array([[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]], dtype="f4")),
    )
    assert ensemble_correct([first, second], [FIRST, SECOND]) == {
        "a": True,
        "b": True,
        "c": False,
        "d": False,
        "e": False,
    }
