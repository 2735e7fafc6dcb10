"""Folds: no speaker in two parts, everyone tested once, and the published RAVDESS protocol."""

from __future__ import annotations

import pytest

from emofuse.corpora.splits import Fold, consecutive_folds
from emofuse.errors import CorpusError

ACTORS = [f"ravdess-{i:02}" for i in range(1, 25)]


def numbers(speakers: tuple[str, ...]) -> list[int]:
    return [int(speaker.rpartition("-")[2]) for speaker in speakers]


@pytest.mark.parametrize(("n_speakers", "n_folds", "n_valid"), [(24, 6, 2), (24, 6, 0), (10, 5, 3), (4, 2, 1)])
def test_every_speaker_is_tested_once_and_in_one_part_of_a_fold(n_speakers: int, n_folds: int, n_valid: int) -> None:
    speakers = [f"s{i:02}" for i in range(n_speakers)]
    folds = consecutive_folds(speakers, n_folds, n_valid)
    assert len(folds) == n_folds
    assert sorted(s for fold in folds for s in fold.test) == speakers
    for fold in folds:
        assert len(fold.valid) == n_valid
        assert sorted([*fold.train, *fold.valid, *fold.test]) == speakers  # so nobody is twice


def test_the_ravdess_protocol() -> None:
    folds = consecutive_folds(ACTORS, 6, 2)
    assert [numbers(fold.test) for fold in folds] == [list(range(i, i + 4)) for i in (1, 5, 9, 13, 17, 21)]
    assert [numbers(fold.valid) for fold in folds] == [[5, 6], [9, 10], [13, 14], [17, 18], [21, 22], [1, 2]]
    assert numbers(folds[0].train) == list(range(7, 25))
    assert numbers(folds[5].train) == list(range(3, 21))


def test_the_validating_pair_is_a_man_and_a_woman() -> None:
    for fold in consecutive_folds(ACTORS, 6, 2):
        assert sorted(number % 2 for number in numbers(fold.valid)) == [0, 1]


def test_the_order_given_does_not_matter() -> None:
    assert consecutive_folds(ACTORS[::-1], 6, 2) == consecutive_folds(ACTORS, 6, 2)


@pytest.mark.parametrize(
    ("n_speakers", "n_folds", "n_valid"),
    [(24, 5, 2), (24, 1, 2), (24, 0, 2), (0, 2, 0), (4, 2, 2), (3, 6, 0)],
)
def test_speakers_that_cannot_be_folded_so_are_refused(n_speakers: int, n_folds: int, n_valid: int) -> None:
    with pytest.raises(CorpusError, match=f"{n_speakers} speakers cannot make {n_folds} folds with {n_valid}"):
        consecutive_folds([f"s{i:02}" for i in range(n_speakers)], n_folds, n_valid)


@pytest.mark.parametrize(
    ("train", "valid", "test"), [(("a",), (), ("a",)), (("a",), ("a",), ("b",)), (("a",), ("b",), ("b",))]
)
def test_a_speaker_in_two_parts_is_refused(
    train: tuple[str, ...], valid: tuple[str, ...], test: tuple[str, ...]
) -> None:
    with pytest.raises(CorpusError, match="a speaker is in two parts"):
        Fold(train, valid, test)


@pytest.mark.parametrize(("train", "test"), [((), ("a",)), (("a",), ())])
def test_a_fold_needs_training_and_test_speakers(train: tuple[str, ...], test: tuple[str, ...]) -> None:
    with pytest.raises(CorpusError, match="no training or no test speakers"):
        Fold(train, ("v",), test)
