"""Feature sets across: they meet in the modalities that they have with as many features, and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.errors import UsageError
from emofuse.research.evaluation.protocols.cross_corpus import across_corpora, shared_modalities
from emofuse.research.feature_sets.store import read_feature_set
from emofuse.research.models.fusion.settings import EarlyFusionSettings
from emofuse.research.recipes.data import FeatureDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.features import FeatureData
from make_feature_corpus import write_feature_corpus


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the sets one and two, whose sounds have other features, and twin, which is as one."""
    place = tmp_path_factory.mktemp("sets")
    write_feature_corpus(place / "one", n=4)
    write_feature_corpus(place / "two", n=4, acoustic=5, seed=1)
    write_feature_corpus(place / "twin", n=4, seed=2)
    return place


def test_modalities_of_other_sizes_are_not_shared(sets: Path) -> None:
    one, two, twin = (read_feature_set(sets / name) for name in ("one", "two", "twin"))
    assert shared_modalities((one, two)) == ("lexical",)
    assert shared_modalities((one, twin)) == ("acoustic", "lexical")
    assert shared_modalities((one, twin), ("acoustic",)) == ("acoustic",)
    with pytest.raises(UsageError, match="do not share acoustic features") as caught:
        shared_modalities((one, two), ("acoustic",))
    assert "one has 3 acoustic, 4 lexical; two has 5 acoustic, 4 lexical" in caught.value.hint


def test_what_is_trained_on_one_set_is_tested_on_all_of_another(sets: Path) -> None:
    data = FeatureDataSettings(train_on=("one",))
    recipe = Recipe(name="r", data=data, model=EarlyFusionSettings())
    utterances, split = across_corpora(recipe, ("two",), sets)
    assert isinstance(utterances, FeatureData)
    assert utterances.dims == {"lexical": 4}
    (fold,) = split.folds
    assert (len(fold.train), len(fold.valid), len(fold.test)) == (16, 8, 24)
    trained = {utterances.manifest.clips[i].speaker for i in (*fold.train, *fold.valid)}
    assert not trained & {utterances.manifest.clips[i].speaker for i in fold.test}
    assert "have the features of one trained on" not in split.description
    assert utterances.labels == ("neutral", "happy", "sad", "angry")


def test_words_that_both_say_are_counted_and_are_no_leak(sets: Path, tmp_path: Path) -> None:
    again = write_feature_corpus(tmp_path / "again", n=4)  # the very features of one, of other speakers
    data = FeatureDataSettings(train_on=("one",), modalities=("lexical",))
    recipe = Recipe(name="r", data=data, model=EarlyFusionSettings())
    _, split = across_corpora(recipe, (str(again),), sets)
    assert "; 24 of 24 utterances that are tested have the features of one trained on" in split.description
