"""One training set of several text corpora, without any sentence that one of them tests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emofuse.research.corpora.texts import LabelledText, Texts, text_key


@dataclass(frozen=True, slots=True)
class TextUnion:
    """What several corpora come to: labelled sentences to train on and to watch, and sentences without a label.

    held_out: the `text_key` of each sentence of a test or dev part.
    """

    train: tuple[LabelledText, ...]
    dev: tuple[LabelledText, ...]
    unlabelled: tuple[LabelledText, ...]
    held_out: frozenset[str] = frozenset()


def join_texts(corpora: Sequence[Texts], held_out: Sequence[Texts] = (), times: Sequence[int] = ()) -> TextUnion:
    """Join the train and dev parts of corpora.

    Args:
        corpora: What is trained on and watched.
        held_out: Corpora whose test and dev parts count too when sentences are dropped.
        times: How often each sentence of each of `corpora` is in `train`; none given: once.

    Returns:
        No sentence of `train` or `unlabelled` stands, but for capitals and marks, in a test or dev part, and none of
        `dev` in a test part.
    """
    both = [*corpora, *held_out]
    tested = {text_key(one.text) for corpus in both for one in corpus.of_part("test")}
    watched = {text_key(one.text) for corpus in both for one in corpus.of_part("dev")}
    train, dev, unlabelled = [], [], dict[str, LabelledText]()
    counts = times or [1] * len(corpora)
    for one, count in ((one, n) for corpus, n in zip(corpora, counts, strict=True) for one in corpus.texts):
        key = text_key(one.text)
        if not key or key in tested:
            continue
        if one.part == "dev" and one.is_labelled:
            dev.append(one)
        elif one.part == "train" and key not in watched:
            if one.is_labelled:
                train += [one] * count
            else:
                unlabelled.setdefault(key, one)
    labelled = {text_key(one.text) for one in train}
    new = tuple(one for key, one in unlabelled.items() if key not in labelled)
    return TextUnion(tuple(train), tuple(dev), new, frozenset(tested | watched))
