"""Draws as many utterances of a corpus as a published experiment had, to be tested as it was."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from emofuse.errors import CorpusError, UsageError
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.folds import Split


def proportional_counts(manifest: Manifest, split: Split, size: int) -> tuple[Counter[str], ...]:
    """Spread `size` utterances over the folds' test parts and their emotions as the corpus has them.

    Of the reference protocol the size is known, and that four emotions and five folds of speakers make it up, but not
    how many of each a fold tests. The corpus's own proportions stand in for that, by the method of largest remainders.
    Returns for each fold how many utterances of each emotion. Raises UsageError where there are fewer than `size`.
    """
    there = _tested(manifest, split)
    total = sum(len(clips) for clips in there.values())
    if not 0 < size <= total:
        raise UsageError(f"{size} utterances cannot be drawn from {total}", f"1 to {total}")
    share = {key: size * len(clips) / total for key, clips in there.items()}
    taken = {key: int(part) for key, part in share.items()}
    by_remainder = sorted(share, key=lambda key: (taken[key] - share[key], key))
    for key in by_remainder[: size - sum(taken.values())]:
        taken[key] += 1
    return tuple(
        Counter({emotion: n for (fold, emotion), n in taken.items() if fold == number})
        for number in range(len(split.folds))
    )


def stratified_subsample(
    manifest: Manifest, split: Split, counts: Sequence[Mapping[str, int]], seed: int = 0
) -> tuple[int, ...]:
    """Draw utterances, so that each fold's test part has these counts by emotion.

    split: of the whole manifest, each clip tested once; the same protocol on what is drawn has the same speakers in
    each fold, as long as each of them has an utterance left. counts: one for each fold.
    Returns indices of the manifest's clips, in order. Raises UsageError where a fold has fewer of an emotion.
    """
    if len(counts) != len(split.folds):
        raise UsageError(f"counts of {len(counts)} folds do not fit {len(split.folds)} of {split.protocol}")
    there = _tested(manifest, split)
    rng = np.random.default_rng(seed)
    drawn: list[int] = []
    for number, (fold, wanted) in enumerate(zip(split.folds, counts, strict=True)):
        for emotion in sorted(wanted):
            clips = there.get((number, emotion), [])
            if wanted[emotion] > len(clips):
                raise UsageError(
                    f"fold {fold.name} tests {len(clips)} clips of {emotion}, and {wanted[emotion]} should be drawn"
                )
            drawn += rng.choice(clips, wanted[emotion], replace=False).tolist()
    return tuple(sorted(drawn))


def _tested(manifest: Manifest, split: Split) -> dict[tuple[int, str], list[int]]:
    """Return fold and emotion → the clips of it that the fold tests. Raises CorpusError where one is tested twice."""
    tested: dict[tuple[int, str], list[int]] = defaultdict(list)
    for number, fold in enumerate(split.folds):
        for index in fold.test:
            tested[number, manifest.clips[index].emotion].append(index)
    indices = [index for clips in tested.values() for index in clips]
    if len(indices) != len(set(indices)):
        raise CorpusError(f"{split.protocol} tests a clip in two folds", "draw from a split that tests each once")
    return dict(tested)
