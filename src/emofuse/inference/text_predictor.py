"""From what was said to calibrated scores over a bundle's labels, and how far they can be trusted."""

from __future__ import annotations

from typing import Final

import numpy as np

from emofuse.card import ModelCard
from emofuse.inference.bundle import Bundle
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.predictors import Calibrated
from emofuse.preprocessing.language import ENGLISH, can_read, guess_language
from emofuse.preprocessing.measures import measure_text
from emofuse.preprocessing.tokens import has_letters, has_words, split_words
from emofuse.provenance import ModelFile
from emofuse.types import Scores

ENOUGH_KNOWN: Final = 0.8  # of the words; more of them add nothing to the quality
LEAST_KNOWN: Final = 0.35  # fewer are of no language that the network can read
ENOUGH_WORDS: Final = 4  # shorter sentences mean many things


def languages_of(card: ModelCard) -> tuple[str, ...]:
    """Return the ISO 639 codes of the languages that a text network knows."""
    return card.input.languages or (ENGLISH,)


def knows_enough(text: str, known: float, languages: tuple[str, ...]) -> bool:
    """Whether a text can be scored by a network of some languages that knows so much of its words.

    A text of whose words it knows less than LEAST_KNOWN is answered where its small words are of a language that the
    network knows, unless that is English, whose words do not change much.
    """
    return known >= LEAST_KNOWN or guess_language(text) in set(languages) - {ENGLISH}


class TextPredictor:
    """Scores a sentence or two in a language that its network knows.

    The quality falls with the share of words that the network does not know, and is lower for sentences of under
    ENOUGH_WORDS words. log: takes the embedding of each, where somebody wants them.
    """

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["text"]
        self._model = Calibrated(bundle.networks["text"], bundle.labels, settings, bundle.head is not None)
        self.languages = languages_of(self._model.network.card)

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s.

        Returns:
            The scores; None where there is no letter in the text, or where it is in no language that it knows.
        """
        if not has_letters(text) or not can_read(text, self.languages):
            return None
        tokens = self._model.network.read(text)[None]
        logits, known = self._model.network.logits_and_known(tokens)
        if not knows_enough(text, float(known[0]), self.languages):
            return None
        if self.log is not None:
            self.log.add("text", self._model.network, (tokens,), start_s, end_s)
        probabilities, covered = self._model.calibrate(logits)
        quality = float(covered[0]) * min(1.0, float(known[0]) / ENOUGH_KNOWN) * _length_quality(text)
        measures = {**measure_text(text, float(known[0])), "energy": float(self._model.energy(logits)[0])}
        embedded = self._model.network.embeddings(tokens)[0] if self._model.embeds else None
        return Scores(
            "text",
            self._model.labels,
            probabilities[0],
            start_s,
            end_s,
            min(1.0, quality),
            measures,
            embedding=embedded,
        )


class OwnTextPredictor:
    """Scores a sentence or two, of any language, with a model of one's own."""

    def __init__(self, bundle: Bundle) -> None:
        own = bundle.own["text"]
        self._model = Calibrated(own, bundle.labels, bundle.manifest.modalities["text"])
        self._own = own
        self.model_file = ModelFile("text", own.source or own.name, own.sha256)

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is no letter or figure in it."""
        if not has_words(text):
            return None
        logits = self._own.logits([text])
        probabilities, covered = self._model.calibrate(logits)
        measures = {"energy": float(self._model.energy(logits)[0])}
        quality = min(1.0, float(covered[0]))
        return Scores("text", self._model.labels, probabilities[0], start_s, end_s, quality, measures)


def _length_quality(text: str) -> float:
    n_words = sum(word[0].isalnum() for word in split_words(text))
    return float(np.sqrt(min(1.0, n_words / ENOUGH_WORDS)))
