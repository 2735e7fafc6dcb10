"""A person's mean is taken out of predictions: by how much, and when not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emofuse.inference.adaptation import HALFWAY, PersonBaseline

ROWS = st.lists(
    st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda row: np.array(row) / sum(row)),
    min_size=1,
    max_size=8,
)


@given(ROWS)
def test_one_clip_that_alone_is_known_keeps_its_order(rows: list[np.ndarray]) -> None:
    person = PersonBaseline(4)
    person.add(rows[0])
    corrected = person.correct(rows[0])
    flattened = rows[0] ** (1 - 1 / (1 + HALFWAY))
    assert np.allclose(corrected, flattened / flattened.sum(), atol=1e-5)


@given(ROWS)
def test_rows_together_are_as_one_after_another(rows: list[np.ndarray]) -> None:
    together, singly = PersonBaseline(4), PersonBaseline(4)
    together.add(np.stack(rows))
    for row in reversed(rows):
        singly.add(row)
    assert np.allclose(together.correct(rows[0]), singly.correct(rows[0]), atol=1e-5)
    assert together.n_known == singly.n_known == len(rows)


def test_nothing_known_changes_nothing() -> None:
    given = np.array([0.7, 0.2, 0.1], np.float32)
    assert np.array_equal(PersonBaseline(3).correct(given), given)


def test_what_a_person_always_sounds_like_goes_away() -> None:
    """Somebody whose every clip is called angry first is told apart by what stands second."""
    bias = np.log([0.6, 0.2, 0.2])
    sharp = np.log(np.eye(3) * 0.3 + 0.2)
    clips = np.exp(bias + sharp)
    clips /= clips.sum(axis=1, keepdims=True)
    assert clips.argmax(axis=1).tolist() == [0, 0, 0]
    person = PersonBaseline(3)
    person.add(np.repeat(clips, 100, axis=0))
    assert person.correct(clips).argmax(axis=1).tolist() == [0, 1, 2]


def test_more_evidence_takes_more_out() -> None:
    left = []
    for n in (1, 3, 10, 1000):
        person = PersonBaseline(2)
        person.add(np.array([[0.8, 0.2]] * n))
        left.append(float(person.correct(np.array([0.8, 0.2]))[0]))
    assert left == sorted(left, reverse=True)
    assert left[-1] == pytest.approx(0.5, abs=0.01)


def test_with_a_reference_only_the_difference_goes() -> None:
    usual = np.log([0.7, 0.2, 0.1])
    same, other = PersonBaseline(3, usual), PersonBaseline(3, usual)
    same.add(np.array([[0.7, 0.2, 0.1]] * 50))
    other.add(np.array([[0.2, 0.7, 0.1]] * 50))
    neutral = np.array([0.2, 0.7, 0.1])
    assert same.correct(neutral) == pytest.approx(neutral, abs=1e-6)
    assert other.correct(neutral).argmax() == 0


def test_windows_of_one_utterance_count_once() -> None:
    windows = np.array([[0.9, 0.1], [0.7, 0.3]])
    person, whole = PersonBaseline(2), PersonBaseline(2)
    person.add(windows, weight=0.5)
    whole.add(np.sqrt(windows[0] * windows[1]))
    assert person.n_known == 1
    assert person.correct(windows) == pytest.approx(whole.correct(windows), abs=1e-6)


def test_a_label_ruled_out_once_does_not_decide() -> None:
    person = PersonBaseline(2)
    person.add(np.array([[1.0, 0.0]] + [[0.5, 0.5]] * 99))
    assert np.isfinite(person.correct(np.array([1.0, 0.0]))).all()
    assert person.correct(np.array([0.6, 0.4])).argmax() == 0


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 1, 2), ()])
def test_other_labels_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"\(2,\) or \(N, 2\)"):
        PersonBaseline(2).add(np.full(shape, 0.5))


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="halfway"):
        PersonBaseline(2, halfway=0)
    with pytest.raises(ValueError, match="reference"):
        PersonBaseline(2, np.zeros(3))
    with pytest.raises(ValueError, match="weight"):
        PersonBaseline(2).add(np.array([0.5, 0.5]), weight=-1)
