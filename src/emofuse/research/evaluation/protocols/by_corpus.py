"""Several corpora as one: each left out in turn, or folds over the speakers of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

import numpy as np

from emofuse.errors import CorpusError, UsageError
from emofuse.formatting import pluralise
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.readers.emogator import BURST
from emofuse.research.corpora.relabel import join, relabel
from emofuse.research.corpora.splits.folds import Fold, Split, is_leaky
from emofuse.research.evaluation.protocols.folds import FoldResult
from emofuse.research.recipes.recipe import Recipe
from emofuse.research.tasks.registry import utterance_task
from emofuse.research.tasks.utterances import Corpora, Hook, Utterances
from emofuse.research.training.fit import load_weights
from emofuse.research.training.jobs import decode_utterances

LEAVE_ONE_OUT: Final = "leave-one-corpus-out"
ALL_CORPORA: Final = "all-corpora"
PROTOCOLS: Final = (LEAVE_ONE_OUT, ALL_CORPORA)
N_FOLDS: Final = 5
EMOTIONAL_TEXT: Final = "emotional text"  # in a style: the words alone tell the emotion


def read_by_corpus(
    recipe: Recipe, protocol: str, data: Path | None, hook: Hook | None = None
) -> tuple[Utterances, Split]:
    """Decode a recipe's corpora as one and split them by a protocol of PROTOCOLS.

    leave-one-corpus-out: a fold for each corpus of speech, which trains on all others and tests on the whole of it, by
    the labels that both have; lines whose words tell the emotion are not tested where the corpus has others. The last
    `valid_speakers` speakers of each training corpus validate.

    all-corpora: folds over the speakers of every corpus of speech, so that one network learns from all.

    Bursts without words are trained on and never tested, and so is what the recipe's network knows before: the corpora
    of an earlier training that it goes on from, the first corpus, where an encoder is narrowed by its sound, and those
    of which nothing but the sound is used.

    Raises:
        UsageError: There are fewer than two corpora of speech.
        CorpusError: A corpus has too few speakers, or no clip with a label of the recipe.
    """
    task, names = utterance_task(recipe), recipe.data.train_on
    manifests, feature_sets = task.find(recipe, names, data)
    parts = [relabel(manifest, task.label_set(recipe)) for manifest in manifests]
    joined = join(parts)
    sizes = tuple(len(part.manifest) for part in parts)
    corpora = Corpora(joined, joined.manifest, feature_sets=feature_sets, sizes=sizes)
    groups = [range(start, end) for start, end in pairwise(accumulate((0, *sizes)))]
    known = _known_before(recipe)
    is_tested = [
        name not in known and task.is_tested(name) and not _is_of_bursts(part.manifest)
        for name, part in zip(names, parts, strict=True)
    ]
    if not any(is_tested):
        raise UsageError(f"recipe {recipe.name!r} has no corpus that could be tested", "name others in --train")
    make = _leave_one_out if protocol == LEAVE_ONE_OUT else _over_all_speakers
    split = make([part.manifest for part in parts], groups, is_tested, task.n_validating(recipe), task.group)
    if protocol == LEAVE_ONE_OUT:
        tested = [name for name, is_one in zip(names, is_tested, strict=True) if is_one]
        folds = (replace(fold, left_out=(name,)) for fold, name in zip(split.folds, tested, strict=True))
        split = replace(split, folds=tuple(folds))
    if is_leaky(split, joined.manifest):
        raise CorpusError("a speaker is in two of the corpora", "name each corpus once")
    return decode_utterances(recipe, corpora, hook), split


def _known_before(recipe: Recipe) -> tuple[str, ...]:
    """Return the corpora that what all folds share was made of: those of an earlier training that a recipe's network
    goes on from, the first one, where an encoder was narrowed by its sound, and those of sound alone."""
    first = recipe.data.train_on[:1] if recipe.model.knows_first_corpus else ()
    own = (*first, *recipe.data.unlabelled)
    if not recipe.model.start_checkpoint:
        return own
    earlier = load_weights(recipe.model.start_checkpoint)[1]
    return (*own, *earlier.data.train_on, *_known_before(earlier))


def _leave_one_out(
    manifests: Sequence[Manifest], groups: Sequence[range], is_tested: Sequence[bool], n_valid: int, unit: str
) -> Split:
    validating = [set(manifest.speakers[len(manifest.speakers) - n_valid :]) for manifest in manifests]
    folds = []
    for k, manifest in enumerate(manifests):
        if not is_tested[k]:
            continue
        others = [j for j in range(len(manifests)) if j != k]
        if not others:
            raise UsageError(f"{manifest.name} alone cannot be left out", "name two corpora in --train")
        train: list[int] = []
        valid: list[int] = []
        for j in others:
            for i, clip in zip(groups[j], manifests[j], strict=True):
                (valid if clip.speaker in validating[j] and not _is_of_bursts(manifests[j]) else train).append(i)
        known = {clip.emotion for j in others for clip in manifests[j]}
        labels = tuple(label for label in manifest.labels if label in known & {clip.emotion for clip in manifest})
        test = _tested(manifest, groups[k], labels)
        folds.append(Fold(manifest.name, tuple(train), tuple(valid), test, labels))
    names = ", ".join(fold.name for fold in folds)
    return Split(
        LEAVE_ONE_OUT,
        f"each corpus left out in turn ({names}): trained on all others, of each of which "
        f"{pluralise(n_valid, unit)} validate, tested on the whole of it by the labels that both have",
        tuple(folds),
        by_corpus=True,
    )


def _tested(manifest: Manifest, group: range, labels: tuple[str, ...]) -> tuple[int, ...]:
    """Return the clips of a left-out corpus that are tested."""
    tells = [EMOTIONAL_TEXT in clip.style for clip in manifest]
    return tuple(
        i
        for i, clip, tells_all in zip(group, manifest, tells, strict=True)
        if clip.emotion in labels and not (tells_all and not all(tells))
    )


def _over_all_speakers(
    manifests: Sequence[Manifest], groups: Sequence[range], is_tested: Sequence[bool], n_valid: int, unit: str
) -> Split:
    tested: list[list[int]] = [[] for _ in range(N_FOLDS)]
    validated: list[list[int]] = [[] for _ in range(N_FOLDS)]
    for number, (manifest, group) in enumerate(zip(manifests, groups, strict=True)):
        if not is_tested[number]:
            continue
        fold_of = {speaker: (n + number) % N_FOLDS for n, speaker in enumerate(manifest.speakers)}
        for fold in range(N_FOLDS):
            others = [speaker for speaker in manifest.speakers if fold_of[speaker] == (fold + 1) % N_FOLDS]
            chosen = set(others[:n_valid])
            validated[fold] += [i for i, clip in zip(group, manifest, strict=True) if clip.speaker in chosen]
        for i, clip in zip(group, manifest, strict=True):
            tested[fold_of[clip.speaker]].append(i)
    everything = {i for group in groups for i in group}
    folds = tuple(
        Fold(str(k + 1), tuple(sorted(everything - {*test, *valid})), tuple(valid), tuple(test))
        for k, (test, valid) in enumerate(zip(tested, validated, strict=True))
    )
    names = ", ".join(manifest.name for manifest in manifests)
    return Split(
        ALL_CORPORA,
        f"{N_FOLDS} folds over the {unit}s of every corpus ({names}); in each, "
        f"{pluralise(n_valid, f'other {unit}')} of each corpus at most validate",
        folds,
    )


def _is_of_bursts(manifest: Manifest) -> bool:
    return all(clip.style == BURST for clip in manifest)


def calibrate_by_others(results: Sequence[FoldResult], data: Utterances, split: Split) -> list[FoldResult]:
    """Have every fold's temperature fitted on what the other folds were tested on, not on its validation speakers.

    These are of the rooms that it was trained on, where a network is more often right than it will be elsewhere.
    """
    n = len(split.folds)
    calibrated = []
    for place, result in enumerate(results):
        first = place - place % n  # of the same seed
        others = [k for k in range(n) if k != place % n]
        calibrated.append(
            replace(
                result,
                valid=np.concatenate([results[first + k].test for k in others]),
                valid_truth=np.concatenate([data.truth(split.folds[k].test) for k in others]),
            )
        )
    return calibrated
