"""The words: from what was said up to a time to scores, and how far those can be trusted."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from emofuse.card import ModelCard
from emofuse.inference.bundle import Bundle
from emofuse.inference.classifier import CalibratedClassifier
from emofuse.inference.embeddings import EmbeddingLog
from emofuse.inference.hub_text import LazyHubTextModel
from emofuse.inference.modalities.base import (
    NO_NETWORK,
    NO_TRANSCRIPT,
    NOTHING_SAID,
    UNREADABLE,
    UNREADABLE_IN_ANY,
    Modality,
    StreamContext,
    TextScorer,
)
from emofuse.inference.network import OnnxNetwork
from emofuse.preprocessing.language import ENGLISH, can_read, guess_language, is_surely
from emofuse.preprocessing.measures import measure_text
from emofuse.preprocessing.spelling import Speller
from emofuse.preprocessing.tokens import as_spoken, encode, has_letters, has_words, is_stretched, split_words, stack
from emofuse.provenance import ModelFile, model_file
from emofuse.timeline import LEAST_WEIGHT, SourceInfo, pool_scores
from emofuse.transcripts.sentences import cut_line, split_sentences
from emofuse.types import AudioBlock, Frame, Line, Scores

ENOUGH_KNOWN: Final = 0.8  # of the words; more of them add nothing to the quality
LEAST_KNOWN: Final = 0.35  # fewer are of no language that the network can read
ENOUGH_WORDS: Final = 4  # shorter sentences mean many things
_AT_ONCE: Final = 256  # words that a network is asked about together
_LEAST_S: Final = 1e-3  # for which a piece without length counts


def languages_of(card: ModelCard) -> tuple[str, ...]:
    """Return the ISO 639 codes of the languages that a text network knows."""
    return card.input.languages or (ENGLISH,)


def knows_enough(text: str, known: float, languages: tuple[str, ...]) -> bool:
    """Whether a text can be scored by a network of some languages that knows so much of its words.

    A text of whose words it knows less than LEAST_KNOWN is answered where its small words are of a language that the
    network knows, unless that is English, whose words do not change much.
    """
    return known >= LEAST_KNOWN or guess_language(text) in set(languages) - {ENGLISH}


def readable_part(text: str, languages: tuple[str, ...]) -> str:
    """Return the sentences of a text that are in one of some languages.

    Args:
        text: A few sentences.
        languages: ISO 639 codes.

    Returns:
        Where the text as a whole may be in one of the languages, all but the sentences that are not; else those alone
        that surely are, and not in the language of the whole. Empty where there is none.

    Example:
        >>> readable_part("I am so happy today. Das ist wunderbar.", ("en",)), readable_part("Was ist das?", ("en",))
        ('I am so happy today.', '')
    """
    sentences = split_sentences(text)
    if can_read(text, languages):
        readable = [sentence for sentence in sentences if can_read(sentence, languages)]
        return text if len(readable) == len(sentences) else " ".join(readable)
    other = guess_language(text)
    return " ".join(sentence for sentence in sentences if is_surely(sentence, languages, other))


class ReadText(NamedTuple):
    """What a network read of a text.

    text: the sentences that are in a language that it knows; share: of all words, those in them. tokens: the numbers of
    these (1, T, ...); logits: (1, C); both as the words were meant. known: the share of all words that it knows as they
    are written.
    """

    text: str
    share: float
    tokens: NDArray[np.int64]
    logits: NDArray[np.float32]
    known: float


class TextReader:
    """Runs a text network, to which misspelt English words are given as they were meant."""

    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        is_of_words = network.card.input.units == "words" and languages_of(network.card) == (ENGLISH,)
        self._speller = Speller(self._knows) if is_of_words else None

    def read(self, text: str) -> ReadText | None:
        """Run the network on the sentences of a text that it can read; None where it can read none."""
        languages = languages_of(self._network.card)
        part = readable_part(text, languages)
        if not has_letters(part):
            return None
        share = 1.0 if part == text else _n_words(part) / _n_words(text)
        if self._speller is not None and is_stretched(part):
            part = self._speller.respell(part)
        tokens, logits, known = self._run(part)
        if not knows_enough(part, known, languages):
            return None
        meant = part if self._speller is None or known == 1 else self._speller.respell(part)
        if meant != part:
            tokens, logits, _ = self._run(meant)
        return ReadText(part, share, tokens, logits, known * share)

    def _run(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        tokens = self._network.read(text)[None]
        logits, known = self._network.logits_and_known(tokens)
        return tokens, logits, float(known[0])

    def _knows(self, words: Sequence[str]) -> list[bool]:
        starts = range(0, len(words), _AT_ONCE)
        parts = [stack([encode(word) for word in words[start : start + _AT_ONCE]]) for start in starts]
        return [bool(known) for part in parts for known in self._network.logits_and_known(part)[1]]


class TextPredictor:
    """Scores a sentence or two in a language that its network knows.

    The quality falls with the share of words that the network does not know, and is lower for sentences of under
    ENOUGH_WORDS words. Sentences in another language are left out: their words count as unknown, and since they may
    show any emotion, the probabilities are the nearer to even the more words are left out. log: takes the embedding of
    each, where somebody wants them.
    """

    log: EmbeddingLog | None = None

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.manifest.modalities["text"]
        self._model = CalibratedClassifier(bundle.networks["text"], bundle.labels, settings, bundle.head is not None)
        self.languages = languages_of(self._model.network.card)
        self._reader = TextReader(self._model.network)

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s.

        Returns:
            The scores; None where there is no letter in the text, or where it is in no language that it knows.
        """
        read = self._reader.read(text)
        if read is None:
            return None
        part, share, tokens, logits, known = read
        if self.log is not None:
            self.log.add("text", self._model.network, (tokens,), start_s, end_s)
        probabilities, covered = self._model.calibrate(logits)
        quality = float(covered[0]) * min(1.0, known / ENOUGH_KNOWN) * _length_quality(part)
        measures = {**measure_text(text, known), "energy": float(self._model.energy(logits)[0])}
        embedded = self._model.network.embeddings(tokens)[0] if self._model.embeds else None
        return Scores(
            "text",
            self._model.labels,
            share * probabilities[0] + (1 - share) / len(self._model.labels),
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
        self._model = CalibratedClassifier(own, bundle.labels, bundle.manifest.modalities["text"])
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
    return float(np.sqrt(min(1.0, _n_words(text) / ENOUGH_WORDS)))


def _n_words(text: str) -> int:
    return sum(word[0].isalnum() for word in split_words(text))


def text_scorer(bundle: Bundle) -> TextScorer | None:
    """Return what scores text in a bundle, None where nothing does; a model of the Hub comes before a network."""
    hub = bundle.manifest.hub_text
    if hub is not None:
        return LazyHubTextModel(hub.model, bundle.labels, hub.temperature, bundle.device)
    if "text" in bundle.own:
        return OwnTextPredictor(bundle)
    return TextPredictor(bundle) if "text" in bundle.networks else None


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece of a line that is known beforehand. n_line: of which line; is_scored: whether `scores` were asked for."""

    line: Line
    n_line: int
    scores: Scores | None = None
    is_scored: bool = False


class TranscriptScorer:
    """Keeps what is said, and tells what it adds up to at a time.

    Lines that are known beforehand, as those of a recording are, count from their own start to their end. Lines that
    are pushed while they are spoken, by a recogniser that listens along, come late: each counts from its end on, less
    and less, for window_s. Each line is cut into pieces (`cut_line`), and every piece is scored once.
    """

    def __init__(self, scorer: TextScorer | None, window_s: float, lines: Iterable[Line] | None = None) -> None:
        """lines: those that are known beforehand; None where there is no transcript, though lines may still come."""
        self._scorer = scorer
        self._window_s = window_s
        self._lines = tuple(lines or ())
        pieces = [_Piece(piece, n) for n, line in enumerate(self._lines) for piece in cut_line(line)]
        self._known = sorted(pieces, key=lambda piece: piece.line.start_s) if scorer is not None else []
        self._n_begun = 0  # of the known pieces
        self._current: list[_Piece] = []  # begun, and not over at the latest moment
        self._asked_s = -math.inf
        self._pending: list[Line] = []  # of the pushed, the next to end is the last: popped in no time
        self._said: deque[Scores] = deque()
        self._unread_s = -math.inf  # when words ended that could not be scored
        self._has_transcript = lines is not None

    def push(self, line: Line) -> None:
        """Take a line; one that ended long ago is never scored."""
        self._has_transcript = True
        if self._scorer is None:
            return
        for piece in cut_line(line):
            insort(self._pending, piece, key=_latest_first)

    def score(self, time_s: float) -> Scores | None:
        """Pool what was said since the moment before, up to `time_s`; None for nothing. Times come in their order."""
        since_s, self._asked_s = self._asked_s, time_s
        weighed = [*self._known_scores(since_s, time_s), *self._pushed_scores(time_s)]
        if not weighed:
            return None
        weights = [weight for _, weight in weighed]
        return pool_scores([scores for scores, _ in weighed], "text", weights, weights)

    def scored_lines(self) -> tuple[Line, ...]:
        """Return the lines that were known beforehand, with what each is scored."""
        of_line: dict[int, list[_Piece]] = {}
        for piece in self._known:
            of_line.setdefault(piece.n_line, []).append(piece)
        return tuple(self._with_emotion(line, of_line.get(n, [])) for n, line in enumerate(self._lines))

    def absence_reason(self, time_s: float) -> str:
        """Return why there are no scores at a time."""
        if not self._has_transcript:
            return NO_TRANSCRIPT
        if self._scorer is None:
            return NO_NETWORK
        if time_s - self._unread_s >= self._window_s:
            return NOTHING_SAID
        knows_many = isinstance(self._scorer, TextPredictor) and len(self._scorer.languages) > 1
        return UNREADABLE_IN_ANY if knows_many else UNREADABLE

    def _known_scores(self, since_s: float, time_s: float) -> list[tuple[Scores, float]]:
        """Return the scores of the known pieces that are said in between, each with its weight."""
        while self._n_begun < len(self._known) and self._known[self._n_begun].line.start_s < time_s:
            self._current.append(self._known[self._n_begun])
            self._n_begun += 1
        found = []
        for piece in self._current:
            common_s = min(piece.line.end_s, time_s) - max(piece.line.start_s, since_s)
            scores = self._scores_of(piece) if common_s > 0 or piece.line.start_s >= since_s else None
            if scores is not None:
                found.append((scores, max(scores.quality, LEAST_WEIGHT) * max(common_s, _LEAST_S)))
        self._current = [piece for piece in self._current if piece.line.end_s > time_s]
        return found

    def _pushed_scores(self, time_s: float) -> list[tuple[Scores, float]]:
        """Return the scores of the pushed pieces that ended within window_s, each counting less with its age."""
        while self._pending and self._pending[-1].end_s <= time_s:
            piece = self._pending.pop()
            scores = self._score_text(piece) if time_s - piece.end_s < self._window_s else None
            if scores is not None:
                self._said.append(scores)
        self._said = deque(scores for scores in self._said if time_s - scores.end_s < self._window_s)
        aged = [replace(s, quality=s.quality * (1 - (time_s - s.end_s) / self._window_s)) for s in self._said]
        return [(scores, max(scores.quality, LEAST_WEIGHT)) for scores in aged]

    def _scores_of(self, piece: _Piece) -> Scores | None:
        if not piece.is_scored:
            piece.scores, piece.is_scored = self._score_text(piece.line), True
        return piece.scores

    def _score_text(self, piece: Line) -> Scores | None:
        if self._scorer is None:
            return None
        text = as_spoken(piece.text)
        scores = self._scorer.score(text, piece.start_s, piece.end_s)
        if scores is None and has_letters(text):
            self._unread_s = max(self._unread_s, piece.end_s)
        return scores

    def _with_emotion(self, line: Line, pieces: Iterable[_Piece]) -> Line:
        scored = [scores for piece in pieces if (scores := self._scores_of(piece)) is not None]
        if not scored:
            return line
        weights = [max(s.quality, LEAST_WEIGHT) * max(s.end_s - s.start_s, _LEAST_S) for s in scored]
        return replace(line, emotion=pool_scores(scored, "text", weights, weights))


def _latest_first(piece: Line) -> float:
    return -piece.end_s


class TextModality(Modality):
    """The words: of a transcript, or as they are pushed."""

    name = "text"
    is_always_listed = True

    def __init__(self, context: StreamContext) -> None:
        super().__init__(context)
        self._scorer = context.scorer or text_scorer(context.bundle)
        if isinstance(self._scorer, TextPredictor):
            self._scorer.log = context.log
        self._transcript = TranscriptScorer(self._scorer, context.settings.text_window_s, context.lines)
        self.has_model = self._scorer is not None
        is_own = isinstance(self._scorer, TextPredictor | OwnTextPredictor)
        self.is_of_bundle = context.scorer is None and (is_own or not self.has_model)

    @classmethod
    def is_in(cls, bundle: Bundle) -> bool:
        """Whether there may be words: always, as they may come with what scores them."""
        return True

    def push(self, packet: Frame | AudioBlock | Line) -> None:
        """Take a line."""
        if isinstance(packet, Line):
            self._transcript.push(packet)

    def scores(self, time_s: float) -> Scores | None:
        """Pool what was said since the moment before."""
        return self._transcript.score(time_s)

    def absence_reason(self, time_s: float) -> str:
        """Return whether there is no transcript, or nothing in it that can be scored."""
        return self._transcript.absence_reason(time_s)

    @classmethod
    def summary_reason(cls, reasons: Sequence[str], source: SourceInfo, *, has_model: bool) -> str:
        """See Modality."""
        unread = [why for why in reasons if why in (UNREADABLE, UNREADABLE_IN_ANY)]
        return unread[0] if unread else reasons[-1] if reasons else NO_TRANSCRIPT

    def score_lines(self, lines: tuple[Line, ...]) -> tuple[Line, ...]:
        """Return the lines of the transcript, each with its scores."""
        return self._transcript.scored_lines()

    def models(self) -> tuple[ModelFile, ...]:
        """Return the file of what scores the words."""
        if isinstance(self._scorer, TextPredictor):
            return super().models()
        return () if self._scorer is None else (model_file(self.name, self._scorer),)
