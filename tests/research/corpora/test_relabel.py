"""One set of labels for several corpora: what each emotion becomes, what is left out, and that it is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from emofuse.emotions import BASE, EMODB, LABEL_SETS, RAVDESS
from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.manifest import Clip, Manifest
from emofuse.research.corpora.relabel import Relabelled, join, relabel, shared_labels


def made(name: str, emotions: Sequence[str], licence: str = "free") -> Manifest:
    clips = tuple(Clip(Path(f"{name}-{i}.wav"), emotion, f"{name}-{i % 2}") for i, emotion in enumerate(emotions))
    skipped = ((Path(f"{name}.txt"), "not one of .wav"),)
    return Manifest(name, tuple(dict.fromkeys(emotions)), clips, licence, skipped)


def test_emotions_become_those_of_the_set() -> None:
    corpus = made("EMO-DB", ["anger", "neutral", "happiness", "anger"])
    found = relabel(corpus, "ravdess-8")
    assert [clip.emotion for clip in found.manifest] == ["angry", "neutral", "happy", "angry"]
    assert found.manifest.labels == RAVDESS
    assert found.label_map == {"anger": "angry", "happiness": "happy", "neutral": "neutral"}
    assert found.left_out == {}
    assert [clip.path for clip in found.manifest] == [clip.path for clip in corpus]
    assert (found.manifest.name, found.manifest.licence) == ("EMO-DB", "free")
    assert found.manifest.skipped == corpus.skipped
    assert corpus.clips[0].emotion == "anger"  # the corpus's own stays


def test_what_has_no_counterpart_is_left_out_and_counted() -> None:
    found = relabel(made("EMO-DB", ["boredom", "anger", "boredom", "disgust", "neutral"]), "iemocap-4")
    assert [clip.emotion for clip in found.manifest] == ["angry", "neutral"]
    assert found.left_out == {"boredom": 2, "disgust": 1}
    assert found.label_map == {"anger": "angry", "boredom": None, "disgust": None, "neutral": "neutral"}


def test_calm_is_neutral_where_a_set_has_no_calm_of_its_own() -> None:
    corpus = made("RAVDESS", ["calm", "neutral", "sad"])
    assert [clip.emotion for clip in relabel(corpus, "ravdess-8").manifest] == ["calm", "neutral", "sad"]
    assert [clip.emotion for clip in relabel(corpus, "basic-7").manifest] == ["neutral", "neutral", "sad"]
    assert relabel(corpus, "ravdess-7").left_out == {"neutral": 1}


def test_some_labels_of_a_set_alone() -> None:
    found = relabel(made("RAVDESS", ["calm", "sad", "angry", "sad"]), "basic-7", ("sad", "neutral"))
    assert found.manifest.labels == ("sad", "neutral")
    assert [clip.emotion for clip in found.manifest] == ["neutral", "sad", "sad"]
    assert found.left_out == {"angry": 1}
    assert found.label_map == {"angry": None, "calm": "neutral", "sad": "sad"}


def test_a_corpus_that_has_none_of_the_labels_is_refused() -> None:
    with pytest.raises(CorpusError, match="EMO-DB has no clip with a label of 'ravdess-8': neutral, calm"):
        relabel(made("EMO-DB", ["boredom"] * 3), "ravdess-8")


def test_an_emotion_that_no_table_knows_is_named_with_its_corpus() -> None:
    for corpora in ([made("mine", ["sad", "cross"])], [made("RAVDESS", ["sad"]), made("mine", ["sad", "cross"])]):
        with pytest.raises(CorpusError, match="mine: the label 'cross' cannot be mapped to basic-7") as caught:
            if len(corpora) > 1:
                shared_labels(corpora, "basic-7")
            else:
                relabel(corpora[0], "basic-7")
        assert "happiness" in caught.value.hint


def test_a_set_that_there_is_none_of_is_said() -> None:
    with pytest.raises(UsageError, match="no label set 'ravdess-9'"):
        relabel(made("RAVDESS", ["sad"]), "ravdess-9", ("sad",))


@pytest.mark.parametrize("name", LABEL_SETS)
def test_a_set_maps_onto_itself(name: str) -> None:
    found = relabel(made("all", LABEL_SETS[name]), name)
    assert tuple(clip.emotion for clip in found.manifest) == LABEL_SETS[name]
    assert not found.left_out


def test_shared_labels_are_those_that_occur_everywhere_in_the_order_of_the_set() -> None:
    ravdess, emodb = made("RAVDESS", RAVDESS), made("EMO-DB", EMODB)
    assert shared_labels([ravdess, emodb], "basic-7") == tuple(label for label in BASE if label != "surprised")
    few = made("few", ["sadness", "calm", "boredom"])  # what it could have and has not does not count
    assert shared_labels([few, ravdess, emodb], "basic-7") == ("neutral", "sad")
    assert shared_labels([emodb], "basic-7") == shared_labels([emodb, emodb], "basic-7")


@pytest.mark.parametrize("emotions", [["boredom"], ["sad"], ["sad", "boredom"]])
def test_fewer_than_two_shared_labels_are_refused(emotions: list[str]) -> None:
    with pytest.raises(CorpusError, match="RAVDESS and few share fewer than two labels of 'basic-7'"):
        shared_labels([made("RAVDESS", RAVDESS), made("few", emotions)], "basic-7")


def test_corpora_are_put_one_after_the_other() -> None:
    one, two = made("one", ["sad", "angry"]), made("two", ["sad", "angry", "sad"], licence="bought")
    first = Relabelled(one, {"sad": "sad", "angry": "angry"}, Counter(bored=2))
    second = Relabelled(two, {"sadness": "sad", "anger": "angry"}, Counter(bored=1, cross=4))
    joined = join([first, second])
    both = joined.manifest
    assert both.clips == one.clips + two.clips
    assert (both.name, both.labels, both.licence) == ("one + two", ("sad", "angry"), "free; bought")
    assert both.skipped == one.skipped + two.skipped
    assert joined.label_map == {"sad": "sad", "angry": "angry", "sadness": "sad", "anger": "angry"}
    assert joined.left_out == {"bored": 3, "cross": 4}
    assert join([first, first]).manifest.licence == "free"
    assert join([first]) == first
