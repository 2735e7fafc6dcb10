"""Draws of utterances that match an experiment's counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import relabel
from emofuse.research.corpora.splits.folds import Fold, Split
from emofuse.research.corpora.splits.protocols import make_split
from emofuse.research.corpora.splits.subsample import proportional_counts, stratified_subsample
from emofuse.research.feature_sets.store import find_feature_set


@pytest.fixture
def manifest() -> Manifest:
    """Return 6 speakers with 12 clips that are sad and 4 that are happy each."""
    clips = tuple(
        Clip(Path(f"{speaker}_{i}"), "sad" if i < 12 else "happy", f"s{speaker}")
        for speaker in range(6)
        for i in range(16)
    )
    return Manifest("made", ("happy", "sad"), clips, "")


def per_fold(manifest: Manifest, split: Split, drawn: tuple[int, ...]) -> list[Counter[str]]:
    return [Counter(manifest.clips[i].emotion for i in set(fold.test) & set(drawn)) for fold in split.folds]


def test_each_fold_has_the_counts_that_are_wanted(manifest: Manifest) -> None:
    split = make_split("actor-3fold", manifest, 1)
    wanted = [{"sad": 3, "happy": 8}, {"sad": 24}, {"happy": 1}]
    drawn = stratified_subsample(manifest, split, wanted, seed=3)
    assert list(drawn) == sorted(set(drawn))
    assert per_fold(manifest, split, drawn) == wanted
    assert stratified_subsample(manifest, split, wanted, seed=3) == drawn
    assert stratified_subsample(manifest, split, wanted, seed=4) != drawn


def test_folds_of_what_is_drawn_have_the_same_speakers(manifest: Manifest) -> None:
    split = make_split("actor-3fold", manifest, 1)
    drawn = stratified_subsample(manifest, split, proportional_counts(manifest, split, 50), seed=0)
    smaller = replace(manifest, clips=tuple(manifest.clips[i] for i in drawn))
    for fold, other in zip(split.folds, make_split("actor-3fold", smaller, 1).folds, strict=True):
        assert {manifest.clips[i].speaker for i in fold.test} == {smaller.clips[i].speaker for i in other.test}


@pytest.mark.parametrize("size", [1, 7, 50, 95, 96])
def test_proportions_are_the_corpus_own_to_within_one(manifest: Manifest, size: int) -> None:
    split = make_split("actor-4fold", manifest, 1)
    counts = proportional_counts(manifest, split, size)
    assert sum(count.total() for count in counts) == size
    for fold, count in zip(split.folds, counts, strict=True):
        there = Counter(manifest.clips[i].emotion for i in fold.test)
        assert all(abs(count[emotion] - size * n / len(manifest)) < 1 for emotion, n in there.items())


def test_what_is_not_there_is_not_drawn(manifest: Manifest) -> None:
    split = make_split("actor-3fold", manifest, 1)
    with pytest.raises(UsageError, match="fold 2 tests 8 clips of happy, and 9 should be drawn"):
        stratified_subsample(manifest, split, [{}, {"happy": 9}, {}])
    with pytest.raises(UsageError, match="fold 1 tests 0 clips of calm"):
        stratified_subsample(manifest, split, [{"calm": 1}, {}, {}])
    with pytest.raises(UsageError, match="counts of 1 folds do not fit 3 of actor-3fold"):
        stratified_subsample(manifest, split, [{}])
    with pytest.raises(UsageError, match="97 utterances cannot be drawn from 96"):
        proportional_counts(manifest, split, 97)
    again = Split("own", "", (Fold("1", (2, 3), (), (0, 1)), Fold("2", (2, 3), (), (1,))))
    with pytest.raises(CorpusError, match="own tests a clip in two folds"):
        stratified_subsample(manifest, again, [{}, {}])


@pytest.mark.corpus
def test_the_reference_protocol(corpora: Path) -> None:
    manifest = relabel(find_feature_set("iemocap", corpora).manifest, "iemocap-4-hap").manifest
    split = make_split("actor-5fold", manifest, 2)
    counts = proportional_counts(manifest, split, 1336)
    draws = {stratified_subsample(manifest, split, counts, seed) for seed in range(10)}
    assert len(draws) == 10
    for drawn in draws:
        assert len(drawn) == 1336
        smaller = replace(manifest, clips=tuple(manifest.clips[i] for i in drawn))
        assert len(smaller.speakers) == 10
        assert smaller.counts() == {"neutral": 508, "angry": 329, "sad": 323, "happy": 176}
