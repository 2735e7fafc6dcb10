"""Ways to make folds: by speaker, session or dialogue, or at random."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from emofuse.errors import CorpusError, UsageError
from emofuse.formatting import pluralise
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.file import by_number
from emofuse.research.corpora.splits.folds import Fold

Group = tuple[str, Sequence[int]]  # a fold's name, and the indices of the clips that it tests
VALID_OF: Final = 20  # so many of a split by dialogues are the n_valid counted among


def check_n_folds(name: str, wanted: int, available: int, of: str) -> int:
    """Return how many folds are wanted. Raises UsageError for fewer than two, CorpusError where `of` do not suffice."""
    if wanted < 2:
        raise UsageError(f"a split into {wanted} cannot be tested: {name}", "2 folds or more")
    if available < wanted:
        raise CorpusError(f"{available} {of} cannot make {wanted} folds", "choose fewer folds")
    return wanted


def group_k_fold(name: str, manifest: Manifest, wanted: int) -> tuple[list[Group], str]:
    """Cut the sorted speakers into runs, as `np.array_split` does; say which speakers they are."""
    clips_of = dict(groups_by("speaker", manifest))
    n_folds = check_n_folds(name, wanted, len(clips_of), "speakers")
    # np.array_split makes the first folds longer by one where they do not divide evenly
    bounds = np.cumsum([0, *(len(run) for run in np.array_split(np.arange(len(clips_of)), n_folds))]).tolist()
    runs = [sorted(clips_of)[start:end] for start, end in pairwise(bounds)]
    groups: list[Group] = [(str(i), sorted(c for s in run for c in clips_of[s])) for i, run in enumerate(runs, start=1)]
    first, *_, last = (f"{run[0]} to {run[-1]}" if len(run) > 1 else run[0] for run in runs)
    dots = "..., " if n_folds > 2 else ""
    return groups, f"{n_folds} folds over speakers (test: {first}, {dots}{last})"


def groups_by(field: Literal["speaker", "session", "dialogue"], manifest: Manifest) -> list[Group]:
    """Return speakers, sessions or dialogues, sorted, with their clips. Raises CorpusError where a clip has none."""
    groups: dict[str, list[int]] = {}
    for index, clip in enumerate(manifest.clips):
        groups.setdefault(getattr(clip, field), []).append(index)
    if "" in groups:
        raise CorpusError(
            f"{len(groups[''])} of {len(manifest)} clips of {manifest.name} name no {field}",
            f"choose a split that is not made by {field}",
        )
    return sorted(groups.items(), key=None if field == "speaker" else lambda group: by_number(group[0]))


def leave_one_group_out(groups: Sequence[Group], manifest: Manifest, n_valid: int) -> tuple[Fold, ...]:
    """Test one group after the other; the next n_valid speakers of the groups after it, going round, validate."""
    speaker = [clip.speaker for clip in manifest.clips]
    folds = []
    for number, (name, test) in enumerate(groups):
        tested = {speaker[i] for i in test}
        after = [*groups[number + 1 :], *groups[:number]]
        waiting = (s for _, clips in after for s in sorted({speaker[i] for i in clips}))
        others = [s for s in dict.fromkeys(waiting) if s and s not in tested]
        if len(others) < n_valid:
            raise CorpusError(
                f"fold {name}: {n_valid} speakers should validate, and {len(others)} are left beside those tested",
                "hold out fewer speakers",
            )
        validating = set(others[:n_valid])
        rest = [i for _, clips in after for i in clips]
        valid = sorted(i for i in rest if speaker[i] in validating)
        train = sorted(i for i in rest if speaker[i] not in validating)
        if not train:
            raise CorpusError(f"fold {name}: no speaker is left to train on", "hold out fewer speakers")
        folds.append(Fold(name, tuple(train), tuple(valid), tuple(test)))
    return tuple(folds)


def dialogue_k_fold(manifest: Manifest, name: str, wanted: int, n_valid: int) -> tuple[tuple[Fold, ...], str]:
    """Deal whole dialogues out, the longest first, each to the fold that has the fewest clips; say how it was done.

    So does scikit-learn's GroupKFold. n_valid in 20 of the dialogues that are not tested validate, at least one: they
    are taken evenly from long to short.
    """
    dialogues = sorted(groups_by("dialogue", manifest), key=lambda group: (-len(group[1]), group[0]))
    n_folds = check_n_folds(name, wanted, len(dialogues), "dialogues")
    fold_of: list[int] = []
    sizes = [0] * n_folds
    for _, clips in dialogues:
        fold_of.append(sizes.index(min(sizes)))
        sizes[fold_of[-1]] += len(clips)
    folds = []
    for k in range(n_folds):
        rest = [clips for (_, clips), fold in zip(dialogues, fold_of, strict=True) if fold != k]
        n = max(1, round(n_valid * len(rest) / VALID_OF)) if n_valid else 0
        if n >= len(rest):
            raise CorpusError(f"fold {k + 1}: no dialogue is left to train on", f"fewer than {VALID_OF} may validate")
        chosen = {int((j + 0.5) * len(rest) / n) for j in range(n)}
        train, valid = (
            tuple(sorted(i for at, clips in enumerate(rest) if (at in chosen) is held_out for i in clips))
            for held_out in (False, True)
        )
        test = sorted(i for (_, clips), fold in zip(dialogues, fold_of, strict=True) if fold == k for i in clips)
        folds.append(Fold(str(k + 1), train, valid, tuple(test)))
    how = f"; in each, {n_valid} in {VALID_OF} other dialogues validate" if n_valid else validation(0)
    return tuple(folds), f"{n_folds} folds of whole dialogues, none of which is in two parts of a fold{how}"


def random_k_fold(manifest: Manifest, n_folds: int, n_valid: int, seed: int) -> tuple[tuple[Fold, ...], str]:
    """Deal shuffled clips out to the folds, one emotion after the other; evenly from the rest, some validate."""
    shuffled = np.random.default_rng(seed).permutation(len(manifest)).tolist()
    order = sorted(shuffled, key=lambda i: manifest.clips[i].emotion)
    n = round(n_valid * len(manifest) / len(manifest.speakers))
    folds = []
    for k in range(n_folds):
        rest = [clip for at, clip in enumerate(order) if at % n_folds != k]
        if len(rest) <= n:
            raise CorpusError(f"fold {k + 1}: no speaker is left to train on", "hold out fewer speakers")
        valid = {rest[int((j + 0.5) * len(rest) / n)] for j in range(n)}
        train = sorted(set(rest) - valid)
        folds.append(Fold(str(k + 1), tuple(train), tuple(sorted(valid)), tuple(sorted(order[k::n_folds]))))
    drawn = f"; in each, {n} other clips validate" if n else validation(0)
    return tuple(
        folds
    ), f"{n_folds} folds of clips drawn at random (seed {seed}){drawn}; LEAKY: the model knows the test speakers"


def validation(n_valid: int) -> str:
    """Say, as the end of a description, who validates."""
    if n_valid == 0:
        return "; nobody validates"
    return f"; in each, {pluralise(n_valid, 'other speaker')} validate{'s' if n_valid == 1 else ''}"
