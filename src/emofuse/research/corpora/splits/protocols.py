"""Splits of a manifest into parts to train on, to select by and to test, by the names of protocols, or from a file."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from emofuse.errors import CorpusError, UsageError
from emofuse.formatting import pluralise
from emofuse.reading import file_hash, is_file
from emofuse.research.corpora.manifest import Manifest
from emofuse.research.corpora.splits.file import Parts, read_split_file
from emofuse.research.corpora.splits.folds import Fold, Split, is_leaky, missing_emotions
from emofuse.research.corpora.splits.makers import (
    check_n_folds,
    dialogue_k_fold,
    group_k_fold,
    groups_by,
    leave_one_group_out,
    random_k_fold,
    validation,
)

__all__ = ["PROTOCOLS", "Fold", "Split", "is_leaky", "make_split", "missing_emotions", "names_a_file", "read_split"]

PROTOCOLS: Final = ("actor-6fold", "actor-5fold", "loso", "session", "dialogue-5fold", "random-6fold")
_K_FOLD: Final = re.compile(r"(actor|dialogue|random)-(\d{1,9})fold")


def make_split(protocol: str, manifest: Manifest, n_valid: int, seed: int = 0) -> Split:
    """Make a split by the name of a protocol, or from a split file.

    actor-6fold     the sorted speakers cut into 6 runs, each tested once: with RAVDESS's 24 actors the published
                    protocol, tested on 1-4, 5-8, ..., 21-24. Any number of folds: actor-4fold
    loso            leave one speaker out
    session         leave one session out
    dialogue-5fold  whole dialogues in 5 folds of about equal size. It is LEAKY if speakers are in several dialogues, as
                    in MELD, whose leading characters are in nearly all
    random-6fold    clips drawn with `seed`, each emotion spread evenly: LEAKY, the model knows the test speakers

    The n_valid speakers after those of the test part, wrapping around, are used for validation; in a random split, as
    many clips as n_valid speakers have; in one by dialogues, n_valid of every 20. Neighbours in RAVDESS are a man and
    a woman, so an even n_valid is balanced.

    Args:
        protocol: A name of PROTOCOLS, with any number of folds, or the path of a CSV.
        manifest: The clips.
        n_valid: The number of validation speakers; 0 for none.
        seed: Of a random split.

    Returns:
        The split.

    Raises:
        UsageError: No protocol has the name.
        CorpusError: A fold has no speaker left for training or validation, or no training clip of an emotion.

    Example:
        >>> from emofuse.research.corpora.manifest import Clip
        >>> clips = tuple(Clip(Path(f"{who}.wav"), "happy", who) for who in ("anna", "ben", "cleo"))
        >>> [fold.test for fold in make_split("loso", Manifest("m", ("happy",), clips, ""), n_valid=1).folds]
        [(0,), (1,), (2,)]
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
                f"fold {fold.name} of {protocol}: there are no validation speakers, and {n_valid} are wanted",
                "name clips of part valid, or ask for 0 speakers",
            )
        missing = missing_emotions(fold, manifest)
        if missing:
            raise CorpusError(f"fold {fold.name} of {protocol}: no clip of {', '.join(missing)} is left to train on")
    return split


def names_a_file(protocol: str) -> bool:
    """Return whether a protocol is the path of a split file.

    Args:
        protocol: As `--protocol` takes it.

    Returns:
        Whether it is no name of a protocol, and ends in .csv or is a file.

    Example:
        >>> names_a_file("theirs.csv"), names_a_file("actor-4fold")
        (True, False)
    """
    is_name = protocol in PROTOCOLS or _K_FOLD.fullmatch(protocol) is not None
    return not is_name and (protocol.lower().endswith(".csv") or is_file(protocol))


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
    Other columns are ignored. Emotions may be missing from a part: `make_split` refuses that.

    Args:
        path: The CSV.
        manifest: The clips.
        n_valid: The number of validation speakers, if the file has no parts.

    Returns:
        The split.

    Raises:
        UsageError: The file does not exist.
        CorpusError: The file does not fit the manifest.

    Example:
        >>> import tempfile
        >>> from emofuse.research.corpora.manifest import Clip
        >>> clips = tuple(Clip(Path(f"{who}.wav"), "happy", who) for who in ("anna", "ben"))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     table = Path(folder) / "split.csv"
        ...     _ = table.write_text("\\n".join(("speaker,fold", "anna,1", "ben,2")))
        ...     [fold.test for fold in read_split(table, Manifest("m", ("happy",), clips, ""), n_valid=0).folds]
        [(0,), (1,)]
    """
    file = Path(path)
    table = read_split_file(file, manifest)
    if isinstance(table, Parts):
        folds = tuple(
            Fold(name, tuple(parts.get("train", ())), tuple(parts.get("valid", ())), tuple(parts.get("test", ())))
            for name, parts in table.folds.items()
        )
        how = "; parts as the file has them"
    else:
        folds = leave_one_group_out(list(table.folds.items()), manifest, n_valid)
        how = validation(n_valid)
    digest = file_hash(file)[:12]
    text = f"{pluralise(len(folds), 'fold')} of {file.name} (sha256 {digest}){how}"
    return _described(str(path), text, folds, manifest)


def _described(protocol: str, text: str, folds: tuple[Fold, ...], manifest: Manifest) -> Split:
    split = Split(protocol, text, folds)
    if "LEAKY" in text or not is_leaky(split, manifest):
        return split
    return replace(split, description=f"{text}; LEAKY: speakers of a test part are in training or validation too")


def _protocol(name: str, manifest: Manifest, n_valid: int, seed: int) -> tuple[tuple[Fold, ...], str]:
    """Return the folds of a named protocol, and how they were made."""
    k_fold = _K_FOLD.fullmatch(name)
    if k_fold is not None and k_fold[1] == "random":
        return random_k_fold(manifest, check_n_folds(name, int(k_fold[2]), len(manifest), "clips"), n_valid, seed)
    if k_fold is not None and k_fold[1] == "dialogue":
        return dialogue_k_fold(manifest, name, int(k_fold[2]), n_valid)
    if k_fold is not None:
        groups, text = group_k_fold(name, manifest, int(k_fold[2]))
    elif name == "loso":
        groups = groups_by("speaker", manifest)
        text = f"{pluralise(len(groups), 'fold')}, in each of which one speaker is tested (leave one speaker out)"
    elif name == "session":
        groups = groups_by("session", manifest)
        text = f"{pluralise(len(groups), 'fold')}, in each of which one session is tested (leave one session out)"
    else:
        near = get_close_matches(name, PROTOCOLS, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"there is no split {name!r}",
            f"did you mean {near!r}? allowed: {', '.join(PROTOCOLS)}, or a CSV file",
        )
    return leave_one_group_out(groups, manifest, n_valid), text + validation(n_valid)
