"""Splits of conversations: no dialogue in two parts, and what is said of the speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from emofuse.errors import CorpusError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.splits.protocols import is_leaky, make_split
from emofuse.research.feature_sets.store import find_feature_set

LABELS = ("calm", "angry", "sad")


def talk(sizes: Sequence[int]) -> Manifest:
    """Return a manifest of dialogues of so many turns, in which two of three speakers take turns."""
    clips = tuple(
        Clip(Path(f"corpus/d{d:02}_{turn:02}.wav"), LABELS[turn % 3], f"s{(d + turn % 2) % 3}", dialogue=f"d{d:02}")
        for d, size in enumerate(sizes)
        for turn in range(size)
    )
    return Manifest("made", LABELS, clips, "none")


@pytest.mark.parametrize(("protocol", "n_valid"), [("dialogue-5fold", 2), ("dialogue-3fold", 8), ("dialogue-5fold", 0)])
def test_no_dialogue_is_in_two_parts(protocol: str, n_valid: int) -> None:
    sizes = [3 + i * 7 % 20 for i in range(41)]
    manifest = talk(sizes)
    split = make_split(protocol, manifest, n_valid)
    assert sorted(i for fold in split.folds for i in fold.test) == list(range(len(manifest)))
    for fold in split.folds:
        inside = [{manifest.clips[i].dialogue for i in part} for part in (fold.train, fold.valid, fold.test)]
        assert sum(map(len, inside)) == len(set.union(*inside)) == 41
        assert sorted([*fold.train, *fold.valid, *fold.test]) == list(range(len(manifest)))
        assert len(inside[1]) == round(n_valid / 20 * (len(inside[0]) + len(inside[1])))
    tested = [len(fold.test) for fold in split.folds]
    assert max(tested) - min(tested) <= 3
    assert make_split(protocol, manifest, n_valid) == split


def test_a_split_by_dialogues_says_who_validates_and_that_speakers_are_known() -> None:
    split = make_split("dialogue-5fold", talk([6] * 20), 2)
    assert split.description == (
        "5 folds of whole dialogues, none of which is in two parts of a fold; in each, 2 in 20 other dialogues "
        "validate; LEAKY: speakers of a test part are in training or validation too"
    )
    alone = Manifest("made", LABELS, tuple(replace(c, speaker=c.dialogue) for c in talk([6] * 20)), "")
    assert "LEAKY" not in make_split("dialogue-5fold", alone, 2).description
    assert make_split("dialogue-2fold", talk([6] * 4), 1).folds[0].valid  # at least one


def test_dialogues_that_make_no_folds_are_refused() -> None:
    with pytest.raises(CorpusError, match="4 dialogues cannot make 5 folds"):
        make_split("dialogue-5fold", talk([3] * 4), 1)
    silent = Manifest("made", ("sad",), (Clip(Path("a"), "sad", "s1"), Clip(Path("b"), "sad", "s2")), "")
    with pytest.raises(CorpusError, match="2 of 2 clips of made name no dialogue"):
        make_split("dialogue-2fold", silent, 0)
    with pytest.raises(CorpusError, match=r"fold 1: no dialogue is left to train on .fewer than 20 may validate"):
        make_split("dialogue-2fold", talk([3] * 4), 20)


@pytest.mark.corpus
def test_the_sessions_of_iemocap_validate_inside_those_that_train(corpora: Path) -> None:
    manifest = find_feature_set("iemocap", corpora).manifest
    split = make_split("session", manifest, 2)
    assert [fold.name for fold in split.folds] == ["1", "2", "3", "4", "5"]
    for number, fold in enumerate(split.folds):
        train, valid, test = (
            sorted({manifest.clips[i].speaker for i in part}) for part in (fold.train, fold.valid, fold.test)
        )
        assert test == [f"iemocap-{letter}0{number + 1}" for letter in "FM"]
        assert valid == [f"iemocap-{letter}0{(number + 1) % 5 + 1}" for letter in "FM"]
        assert sorted([*train, *valid, *test]) == manifest.speakers
    assert not is_leaky(split, manifest)


@pytest.mark.corpus
def test_melds_dialogues_are_kept_whole_and_its_speakers_known(corpora: Path) -> None:
    manifest = find_feature_set("meld", corpora).manifest
    split = make_split("dialogue-5fold", manifest, 2)
    assert [len(fold.test) for fold in split.folds] == [744, 744, 744, 744, 743]
    for fold in split.folds:
        inside = [{manifest.clips[i].dialogue for i in part} for part in (fold.train, fold.valid, fold.test)]
        assert sum(map(len, inside)) == len(set.union(*inside)) == 394
        assert 200 < len(fold.valid) < 400
    assert "LEAKY" in split.description
