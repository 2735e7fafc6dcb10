"""Splits of a manifest into parts to train on, to select by and to test: by speaker, session, file, or at random."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from emofuse.corpora.manifest import Manifest
from emofuse.corpora.split_file import Parts, by_number, read_split_file
from emofuse.errors import CorpusError, UsageError
from emofuse.wording import counted

PROTOCOLS: Final = ("actor-6fold", "actor-5fold", "loso", "session", "random-6fold")
_K_FOLD: Final = re.compile(r"(actor|random)-(\d+)fold")
_Group = tuple[str, Sequence[int]]  # a fold's name, and the indices of the clips that it tests


@dataclass(frozen=True, slots=True)
class Fold:
    """Indices into a manifest's clips, in order; no clip is in two parts (checked), train and test hold some."""

    name: str
    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]

    def __post_init__(self) -> None:
        if len({*self.train, *self.valid, *self.test}) != len(self.train) + len(self.valid) + len(self.test):
            raise CorpusError(f"fold {self.name}: a clip is in two parts")
        for part, clips in (("train", self.train), ("test", self.test)):
            if not clips:
                raise CorpusError(f"fold {self.name}: its {part} part holds no clip")


@dataclass(frozen=True, slots=True)
class Split:
    """The folds of a protocol. description says, for a stamp, how they were made, and LEAKY where they leak."""

    protocol: str
    description: str
    folds: tuple[Fold, ...]

    def __post_init__(self) -> None:
        if not self.folds:
            raise CorpusError(f"{self.protocol} makes no fold: there are no clips")


def make_split(protocol: str, manifest: Manifest, n_valid: int, seed: int = 0) -> Split:
    """Make the split that a name of PROTOCOLS, or the path of a split file, stands for.

    actor-6fold   the sorted speakers cut into 6 runs, each tested once: with RAVDESS's 24 actors the published
                  protocol, tested on 1-4, 5-8, ..., 21-24. Any number of folds: actor-4fold
    loso          leave one speaker out
    session       leave one session out
    random-6fold  clips drawn with `seed`, each emotion spread evenly: LEAKY, the model knows the test speakers

    The n_valid speakers who come next after those of the test part, going round, validate; of a random split, as
    many clips as n_valid speakers have. In RAVDESS neighbours are a man and a woman, so an even n_valid is
    balanced.
    Raises UsageError for an unknown name, and CorpusError, naming the fold, when no speaker is left to train on
    or to validate, and when an emotion is missing from a train part.
    """
    if n_valid < 0:
        raise UsageError(f"{n_valid} speakers cannot validate", "0 or more")
    if names_a_file(protocol):
        split = read_split(protocol, manifest, n_valid)
    else:
        folds, text = _protocol(protocol, manifest, n_valid, seed)
        split = _described(protocol, text, folds, manifest)
    for fold in split.folds:
        if n_valid and not fold.valid:
            raise CorpusError(
                f"fold {fold.name} of {protocol}: nobody validates, and {n_valid} speakers should",
                "name clips of part valid, or ask for 0 speakers",
            )
        missing = missing_emotions(fold, manifest)
        if missing:
            raise CorpusError(f"fold {fold.name} of {protocol}: no clip of {', '.join(missing)} is left to train on")
    return split


def names_a_file(protocol: str) -> bool:
    """Say whether `protocol` is to be read as the path of a split file."""
    is_name = protocol in PROTOCOLS or _K_FOLD.fullmatch(protocol) is not None
    return not is_name and (protocol.lower().endswith(".csv") or Path(protocol).is_file())


def read_split(path: str | Path, manifest: Manifest, n_valid: int) -> Split:
    """Read folds from a CSV (comma, semicolon or tab) that names every clip of the manifest.

    Its key is the first that it has of the columns
        path      a clip's path (from here or from the CSV's folder), the end of it, its file name or its stem
        speaker   all clips of that speaker
        session   all clips of that session
    and beside it stands one of the columns, or both
        fold      alone: each value is a fold, which tests these clips. n_valid speakers of the next folds, going
                  round, validate; they are in neither the test nor the train part
        part      train, valid (val, dev, validation) or test; taken as it stands, and n_valid is not used.
                  Together with fold: the part in that fold, so that each fold names every clip
    Other columns are passed over. Emotions may be missing from a part: `make_split` refuses that.
    Raises UsageError when there is no such file, else CorpusError.
    """
    file = Path(path)
    table = read_split_file(file, manifest)
    if isinstance(table, Parts):
        names = ("train", "valid", "test")
        folds = tuple(Fold(name, *(tuple(parts.get(p, ())) for p in names)) for name, parts in table.folds.items())
        how = "; parts as the file has them"
    else:
        folds = _test_in_turn(list(table.folds.items()), manifest, n_valid)
        how = _validation(n_valid)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    text = f"{counted(len(folds), 'fold')} of {file.name} (sha256 {digest}){how}"
    return _described(str(path), text, folds, manifest)


def is_leaky(split: Split, manifest: Manifest) -> bool:
    """Say whether a speaker of some fold's test part is also in its train or valid part.

    Clips whose speaker is "" count as one speaker's: nobody can tell that they are not.
    """
    clips = manifest.clips
    return any(
        {clips[i].speaker for i in fold.test} & {clips[i].speaker for i in (*fold.train, *fold.valid)}
        for fold in split.folds
    )


def missing_emotions(fold: Fold, manifest: Manifest) -> list[str]:
    """List the emotions of the manifest's clips of which the fold's train part has none, in the labels' order."""
    known = {clip.emotion for clip in manifest}
    missing = known - {manifest.clips[i].emotion for i in fold.train}
    return [label for label in manifest.labels if label in missing]


def _described(protocol: str, text: str, folds: tuple[Fold, ...], manifest: Manifest) -> Split:
    split = Split(protocol, text, folds)
    if "LEAKY" in text or not is_leaky(split, manifest):
        return split
    return replace(split, description=f"{text}; LEAKY: speakers of a test part are in training or validation too")


def _protocol(name: str, manifest: Manifest, n_valid: int, seed: int) -> tuple[tuple[Fold, ...], str]:
    """Return the folds of a named protocol, and how they were made."""
    k_fold = _K_FOLD.fullmatch(name)
    if k_fold is not None and k_fold[1] == "random":
        return _at_random(manifest, _n_folds(name, int(k_fold[2]), len(manifest), "clips"), n_valid, seed)
    if k_fold is not None:
        groups, text = _speaker_groups(name, manifest, int(k_fold[2]))
    elif name == "loso":
        groups = _groups_by("speaker", manifest)
        text = f"{counted(len(groups), 'fold')}, in each of which one speaker is tested (leave one speaker out)"
    elif name == "session":
        groups = _groups_by("session", manifest)
        text = f"{counted(len(groups), 'fold')}, in each of which one session is tested (leave one session out)"
    else:
        near = get_close_matches(name, PROTOCOLS, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"there is no split {name!r}",
            f"did you mean {near!r}? allowed: {', '.join(PROTOCOLS)}, or a CSV file",
        )
    return _test_in_turn(groups, manifest, n_valid), text + _validation(n_valid)


def _n_folds(name: str, wanted: int, available: int, of: str) -> int:
    if wanted < 2:
        raise UsageError(f"a split into {wanted} cannot be tested: {name}", "2 folds or more")
    if available < wanted:
        raise CorpusError(f"{available} {of} cannot make {wanted} folds", "choose fewer folds")
    return wanted


def _speaker_groups(name: str, manifest: Manifest, wanted: int) -> tuple[list[_Group], str]:
    clips_of = dict(_groups_by("speaker", manifest))
    n_folds = _n_folds(name, wanted, len(clips_of), "speakers")
    # np.array_split makes the first folds longer by one where they do not divide evenly
    bounds = np.cumsum([0, *(len(run) for run in np.array_split(np.arange(len(clips_of)), n_folds))]).tolist()
    runs = [sorted(clips_of)[start:end] for start, end in pairwise(bounds)]
    groups: list[_Group] = [
        (str(i), sorted(c for s in run for c in clips_of[s])) for i, run in enumerate(runs, start=1)
    ]
    first, *_, last = (f"{run[0]} to {run[-1]}" if len(run) > 1 else run[0] for run in runs)
    dots = "..., " if n_folds > 2 else ""
    return groups, f"{n_folds} folds over speakers (test: {first}, {dots}{last})"


def _groups_by(field: str, manifest: Manifest) -> list[_Group]:
    """Return the speakers or sessions, sorted, with their clips. Raises CorpusError where a clip has none."""
    groups: dict[str, list[int]] = {}
    for index, clip in enumerate(manifest.clips):
        groups.setdefault(clip.speaker if field == "speaker" else clip.session, []).append(index)
    if "" in groups:
        raise CorpusError(
            f"{len(groups[''])} of {len(manifest)} clips of {manifest.name} name no {field}",
            f"choose a split that is not made by {field}",
        )
    return sorted(groups.items(), key=None if field == "speaker" else lambda group: by_number(group[0]))


def _test_in_turn(groups: Sequence[_Group], manifest: Manifest, n_valid: int) -> tuple[Fold, ...]:
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


def _at_random(manifest: Manifest, n_folds: int, n_valid: int, seed: int) -> tuple[tuple[Fold, ...], str]:
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
    drawn = f"; in each, {n} other clips validate" if n else _validation(0)
    return tuple(
        folds
    ), f"{n_folds} folds of clips drawn at random (seed {seed}){drawn}; LEAKY: the model knows the test speakers"


def _validation(n_valid: int) -> str:
    if n_valid == 0:
        return "; nobody validates"
    return f"; in each, {counted(n_valid, 'other speaker')} validate{'s' if n_valid == 1 else ''}"
