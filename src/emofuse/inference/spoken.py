"""What was said up to a time, scored: the text of a moment."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from emofuse.inference.bundle import Bundle
from emofuse.inference.hub_text import LateHubText
from emofuse.inference.reasons import NO_NETWORK, NO_TRANSCRIPT, NOTHING_SAID, UNREADABLE, UNREADABLE_IN_ANY
from emofuse.inference.text_predictor import OwnTextPredictor, TextPredictor
from emofuse.preprocessing.tokens import drop_sounds, has_letters
from emofuse.timeline import LEAST_WEIGHT, pool_scores
from emofuse.transcripts.sentences import cut_line
from emofuse.types import Line, Scores

_LEAST_S: Final = 1e-3  # for which a piece without length counts


class TextScorer(Protocol):
    """Scores a sentence or two: a bundle's text network, or a model from the Hub."""

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is nothing in it to go by."""


def text_scorer(bundle: Bundle) -> TextScorer | None:
    """Return what scores text in a bundle, None where nothing does; a model of the Hub comes before a network."""
    hub = bundle.manifest.hub_text
    if hub is not None:
        return LateHubText(hub.model, bundle.labels, hub.temperature, bundle.device)
    if "text" in bundle.own:
        return OwnTextPredictor(bundle)
    return TextPredictor(bundle) if "text" in bundle.networks else None


def fusion_weights(bundle: Bundle, scorer: TextScorer | None) -> dict[str, float]:
    """Return the say of each modality; text has one of 1 where it is scored and the bundle has no network for it."""
    return {**({} if scorer is None else {"text": 1.0}), **bundle.weights}


@dataclass(slots=True, eq=False)
class _Piece:
    """A piece of a line that is known beforehand. n_line: of which line; is_scored: whether `scores` were asked for."""

    line: Line
    n_line: int
    scores: Scores | None = None
    is_scored: bool = False


class SpokenWords:
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

    def why_not(self, time_s: float) -> str:
        """Say why there are no scores at a time."""
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
        text = drop_sounds(piece.text)
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
