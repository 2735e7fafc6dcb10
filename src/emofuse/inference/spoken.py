"""What was said up to a time, scored: the text of a moment."""

from __future__ import annotations

import math
from bisect import insort
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from emofuse.features.text import drop_sounds, has_letters
from emofuse.inference.bundle import Bundle
from emofuse.inference.hub_text import LateHubText
from emofuse.inference.reasons import NO_NETWORK, NO_TRANSCRIPT, NOTHING_SAID, UNREADABLE
from emofuse.inference.text_predictor import TextPredictor
from emofuse.timeline import LEAST_WEIGHT, pool_scores
from emofuse.transcripts.sentences import cut_line
from emofuse.types import Line, Scores


class TextScorer(Protocol):
    """Scores a sentence or two: a bundle's text network, or a model from the Hub."""

    def score(self, text: str, start_s: float, end_s: float) -> Scores | None:
        """Score what was said from start_s to end_s; None where there is nothing in it to go by."""


def text_scorer(bundle: Bundle) -> TextScorer | None:
    """Return what scores text in a bundle, None where nothing does; a model of the Hub comes before a network."""
    hub = bundle.manifest.hub_text
    if hub is not None:
        return LateHubText(hub.model, bundle.labels, hub.temperature, bundle.device)
    return TextPredictor(bundle) if "text" in bundle.networks else None


def fusion_weights(bundle: Bundle, scorer: TextScorer | None) -> dict[str, float]:
    """Return the say of each modality; text has one of 1 where it is scored and the bundle has no network for it."""
    return {**({} if scorer is None else {"text": 1.0}), **bundle.weights}


class SpokenWords:
    """Keeps lines until they have been said, and the scores of what was said in the last window_s.

    Lines may come at any time and in any order: known beforehand from a transcript, or late from a recogniser that
    listens along. Each is cut into pieces (`cut_line`) and a piece counts from the end of its last word on.
    """

    def __init__(self, scorer: TextScorer | None, window_s: float, lines: Iterable[Line] | None = None) -> None:
        """lines: those that are known beforehand; None where there is no transcript, though lines may still come."""
        self._scorer = scorer
        self._window_s = window_s
        self._pending: list[Line] = []  # the next to end is the last: popped in no time
        self._said: deque[Scores] = deque()
        self._unread_s = -math.inf  # when words ended that could not be scored
        self._has_transcript = lines is not None
        if scorer is not None:
            pieces = (piece for line in lines or () for piece in cut_line(line))
            self._pending = sorted(pieces, key=_latest_first)  # insorted one by one, each would move all others

    def push(self, line: Line) -> None:
        """Take a line; one that ended long ago is never scored."""
        self._has_transcript = True
        if self._scorer is None:
            return
        for piece in cut_line(line):
            insort(self._pending, piece, key=_latest_first)

    def score(self, time_s: float) -> Scores | None:
        """Pool what ended within window_s up to `time_s`, each piece counting less with its age; None for nothing."""
        while self._pending and self._pending[-1].end_s <= time_s:
            piece = self._pending.pop()
            if self._scorer is not None and time_s - piece.end_s < self._window_s:
                text = drop_sounds(piece.text)
                scores = self._scorer.score(text, piece.start_s, piece.end_s)
                if scores is not None:
                    self._said.append(scores)
                elif has_letters(text):
                    self._unread_s = piece.end_s
        recent = deque(scores for scores in self._said if time_s - scores.end_s < self._window_s)
        self._said = recent
        if not recent:
            return None
        aged = [replace(s, quality=s.quality * (1 - (time_s - s.end_s) / self._window_s)) for s in recent]
        weights = [max(s.quality, LEAST_WEIGHT) for s in aged]
        return pool_scores(aged, "text", weights, weights)

    def why_not(self, time_s: float) -> str:
        """Say why there are no scores at a time."""
        if not self._has_transcript:
            return NO_TRANSCRIPT
        if self._scorer is None:
            return NO_NETWORK
        return UNREADABLE if time_s - self._unread_s < self._window_s else NOTHING_SAID


def _latest_first(piece: Line) -> float:
    return -piece.end_s
