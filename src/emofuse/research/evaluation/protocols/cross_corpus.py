"""One corpus against another: trained on the whole of some, tested on the whole of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from emofuse.errors import CorpusError, UsageError
from emofuse.formatting import pluralise
from emofuse.research.corpora.relabel import join, relabel, shared_labels
from emofuse.research.corpora.splits.protocols import Fold, Split, is_leaky, missing_emotions
from emofuse.research.feature_sets.store import FeatureSet
from emofuse.research.recipes.data import FeatureDataSettings
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.registry import utterance_task
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances
from emofuse.research.training.jobs import decode_utterances

CROSS_LABELS: Final = "basic-7"  # on whose shared part corpora are compared


def across_corpora(
    recipe: Recipe, test_on: Sequence[str], data: Path | None, hook: Hook | None = None
) -> tuple[Utterances, Split]:
    """Prepare one fold that trains on all of a recipe's corpora and tests on others, under the labels they share.

    Feature sets meet in the modalities that they share too. The first `valid_speakers` speakers of each training corpus
    validate. Raises UsageError when a corpus, or the sound of a clip, is on both sides, or nothing is shared, and
    CorpusError when too few speakers are left to train on.
    """
    task = utterance_task(recipe)
    train_on = recipe.data.train_on
    both = set(train_on) & set(test_on)
    if both:
        raise UsageError(f"{', '.join(sorted(both))} is to be trained on and tested on")
    corpora, feature_sets = task.find(recipe, (*train_on, *test_on), data)
    if feature_sets:
        settings = cast(FeatureDataSettings, recipe.data)
        wanted = settings.modalities
        shared = settings.model_copy(update={"modalities": shared_modalities(feature_sets, wanted)})
        recipe = recipe.model_copy(update={"data": shared})
    labels = shared_labels(corpora, CROSS_LABELS)
    mapped = [relabel(corpus, CROSS_LABELS, labels) for corpus in corpora]
    trained = [part.manifest for part in mapped[: len(train_on)]]
    names = (
        " and ".join(manifest.name for manifest in trained),
        " and ".join(part.manifest.name for part in mapped[len(train_on) :]),
    )
    joined = join(mapped)
    manifest = replace(joined.manifest, name=f"{names[1]}, trained on {names[0]}")
    sizes = tuple(len(part.manifest) for part in mapped)
    read = Corpora(replace(joined, manifest=manifest), manifest, feature_sets=feature_sets, sizes=sizes)
    utterances = decode_utterances(recipe, read, hook)
    validating = {name for corpus in trained for name in corpus.speakers[: task.n_validating(recipe)]}
    own = range(sum(len(corpus) for corpus in trained))
    train = tuple(i for i in own if manifest.clips[i].speaker not in validating)
    valid = tuple(i for i in own if manifest.clips[i].speaker in validating)
    if not train:
        raise CorpusError(f"no speaker of {names[0]} is left to train on", "lower data.valid_speakers")
    fold = Fold("cross-corpus", train, valid, tuple(range(len(own), len(manifest))))
    description = f"cross-corpus: trained on {names[0]}, tested on all of {names[1]}, on the labels that they share"
    if feature_sets:
        description += _met_before(utterances, fold)
    else:
        _check_apart(utterances, fold, names)
    _check_emotions(utterances, fold, names)
    split = Split("cross-corpus", description, (fold,))
    if is_leaky(split, manifest):
        split = replace(split, description=f"{description}; LEAKY: speakers of the test part are in training too")
    return utterances, split


def shared_modalities(sets: Sequence[FeatureSet], wanted: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the modalities that all feature sets have with as many features: all such, or those `wanted`.

    Raises UsageError, saying what each set has, where there is none, and where one that is wanted is not shared.
    """
    shared = [name for name, n in sets[0].dims.items() if all(one.dims.get(name) == n for one in sets)]
    missing = [name for name in wanted if name not in shared]
    if missing or not shared:
        has = "; ".join(
            f"{one.manifest.name} has {', '.join(f'{n} {name}' for name, n in one.dims.items())}" for one in sets
        )
        raise UsageError(f"the corpora do not share {missing[0] if missing else 'any'} features", has)
    return tuple(name for name in shared if not wanted or name in wanted)


def _check_apart(utterances: Utterances, fold: Fold, names: tuple[str, str]) -> None:
    heard = {utterances.digests[i] for i in (*fold.train, *fold.valid)}
    twice = [utterances.manifest.clips[i].path for i in fold.test if utterances.digests[i] in heard]
    if twice:
        raise UsageError(
            f"{pluralise(len(twice), 'clip')} of {names[1]} would be trained on and tested on, the first is {twice[0]}"
        )


def _met_before(utterances: Utterances, fold: Fold) -> str:
    """Say how many utterances are tested whose features are those of one that was trained on: people say the same
    words, and an encoder of words knows nothing else of them."""
    known = {utterances.digests[i] for i in (*fold.train, *fold.valid)}
    n = sum(utterances.digests[i] in known for i in fold.test)
    if not n:
        return ""
    return f"; {n:,} of {pluralise(len(fold.test), 'utterance')} that are tested have the features of one trained on"


def _check_emotions(utterances: Utterances, fold: Fold, names: tuple[str, str]) -> None:
    missing = missing_emotions(fold, utterances.manifest)
    if missing:
        raise CorpusError(f"no clip of {', '.join(missing)} is left to train on in {names[0]}")
