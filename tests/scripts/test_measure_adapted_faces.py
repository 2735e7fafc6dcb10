"""Faces adapted to the person: what is known of them is theirs, and takes out what sets them apart."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import measure_adapted_faces as module

N_PEOPLE = 3


@pytest.fixture(scope="module")
def answers() -> module.Answers:
    """Seven emotions of three people, each shown once; the network takes the second person to be rather sad always."""
    truth = np.tile(np.arange(7), N_PEOPLE)
    people = np.repeat(np.array(["a", "b", "c"]), 7)
    logits = 2.0 * np.eye(7)[truth]
    logits[people == "b", 3] += 3
    powers = np.exp(logits)
    return module.Answers((powers / powers.sum(axis=1, keepdims=True)).astype(np.float32), truth, people)


def _right(answers: module.Answers, given: np.ndarray, person: str) -> int:
    of_person = answers.people == person
    return int((given[of_person].argmax(axis=1) == answers.truth[of_person]).sum())


def test_what_a_person_always_shows_is_taken_out_where_all_of_them_is_known(answers: module.Answers) -> None:
    assert _right(answers, answers.probabilities, "b") == 1
    adapted = module.same_person(answers, None, seed=0)
    assert _right(answers, adapted, "b") > 4
    assert _right(answers, adapted, "a") == 7
    assert adapted.sum(axis=1) == pytest.approx(np.ones(21), abs=1e-5)


def test_a_picture_that_is_known_alone_keeps_its_label(answers: module.Answers) -> None:
    alone = module.same_person(answers, 1, seed=0)
    assert (alone.argmax(axis=1) == answers.probabilities.argmax(axis=1)).all()


def test_a_baseline_is_of_other_neutral_pictures_of_the_person(answers: module.Answers) -> None:
    assert not module.has_neutral(answers, 2).any()
    assert module.has_neutral(answers, 1).tolist() == [emotion != 0 for emotion in answers.truth]  # never its own
    adapted = module.baseline(answers, 1, seed=0)
    neutral = answers.truth == 0
    assert (adapted[neutral] == answers.probabilities[neutral]).all()
    assert adapted[answers.people == "b", 3][1:].sum() < answers.probabilities[answers.people == "b", 3][1:].sum()
