"""One corpus against another: trained on the whole of some, tested on the whole of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from emofuse.config import VoiceDataSettings
from emofuse.corpora.relabel import join, relabel, shared_labels
from emofuse.corpora.splits import Fold, Split, is_leaky, missing_emotions
from emofuse.errors import CorpusError, UsageError
from emofuse.training.jobs import Hook, SpeechData, decode, find_corpus
from emofuse.wording import counted

CROSS_LABELS: Final = "basic-7"  # on whose shared part corpora are compared


def across_corpora(
    settings: VoiceDataSettings,
    train_on: Sequence[str],
    test_on: Sequence[str],
    data: Path | None,
    hook: Hook | None = None,
) -> tuple[SpeechData, Split]:
    """Prepare one fold that trains on whole corpora and tests on others, under the labels that all of them have.

    The first `valid_speakers` speakers of each training corpus validate. Raises UsageError when a corpus, or the
    sound of a clip, is on both sides, and CorpusError when too few speakers are left to train on.
    """
    both = set(train_on) & set(test_on)
    if both:
        raise UsageError(f"{', '.join(sorted(both))} is to be trained on and tested on")
    corpora = [find_corpus(name, data) for name in (*train_on, *test_on)]
    labels = shared_labels(corpora, CROSS_LABELS)
    mapped = [relabel(corpus, CROSS_LABELS, labels) for corpus in corpora]
    names = (
        " and ".join(part.manifest.name for part in mapped[: len(train_on)]),
        " and ".join(part.manifest.name for part in mapped[len(train_on) :]),
    )
    manifest = replace(join([part.manifest for part in mapped]), name=f"{names[1]}, trained on {names[0]}")
    speech = decode(
        settings,
        manifest,
        n_folded=len(manifest),
        label_map={old: new for part in mapped for old, new in part.label_map.items()},
        left_out=sum((part.left_out for part in mapped), Counter()),
        hook=hook,
    )
    trained = [part.manifest for part in mapped[: len(train_on)]]
    validating = {name for corpus in trained for name in corpus.speakers[: settings.valid_speakers]}
    n_trained = sum(len(corpus) for corpus in trained)
    by_part: dict[bool, list[int]] = {True: [], False: []}
    for i in range(n_trained):
        by_part[manifest.clips[i].speaker in validating].append(i)
    if not by_part[False]:
        raise CorpusError(f"no speaker of {names[0]} is left to train on", "lower data.valid_speakers")
    fold = Fold("cross-corpus", tuple(by_part[False]), tuple(by_part[True]), tuple(range(n_trained, len(manifest))))
    _check_apart(speech, fold, names)
    description = f"cross-corpus: trained on {names[0]}, tested on all of {names[1]}, on the labels that they share"
    split = Split("cross-corpus", description, (fold,))
    if is_leaky(split, manifest):
        split = replace(split, description=f"{description}; LEAKY: speakers of the test part are in training too")
    return speech, split


def _check_apart(speech: SpeechData, fold: Fold, names: tuple[str, str]) -> None:
    heard = {speech.digests[i] for i in (*fold.train, *fold.valid)}
    twice = [speech.manifest.clips[i].path for i in fold.test if speech.digests[i] in heard]
    if twice:
        raise UsageError(
            f"{counted(len(twice), 'clip')} of {names[1]} would be trained on and tested on, the first is {twice[0]}"
        )
    missing = missing_emotions(fold, speech.manifest)
    if missing:
        raise CorpusError(f"no clip of {', '.join(missing)} is left to train on in {names[0]}")
