"""Steadies the answers of a stream, so that labels do not flicker, and counts how often they change."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from emofuse.settings import Settings
from emofuse.types import Face, Moment, Scores

_FORGET_S: Final = 2.0  # after so long without an answer the next one stands for itself


class SmoothingSettings(Settings):
    """How answers are steadied.

    Attributes:
        time_constant_s: Of the running mean of probabilities, in seconds.
        persistence: How many times as likely the label of a moment ago is to stand as another, so that another must be
            so much likelier to replace it.

    Raises:
        UsageError: A value is not allowed.

    Example:
        >>> SmoothingSettings(time_constant_s=1.0).persistence
        1.5
    """

    time_constant_s: float = Field(0.5, gt=0, le=60)
    persistence: float = Field(1.5, ge=1, le=100)


class Smoother:
    """Steadies the fused answer and that of every face, moment by moment, from what came before alone.

    A running mean of the probabilities, then hysteresis: they are weighed by a prior that the label before persists.
    So the label is always the most probable one of what is returned. What each modality said is left as it was.
    """

    def __init__(self, settings: SmoothingSettings | None = None) -> None:
        self._settings = settings or SmoothingSettings()
        self._fused = _Running(self._settings)
        self._faces: dict[int, _Running] = {}

    def push(self, moment: Moment) -> Moment:
        """Take the next moment, and return it steadied."""
        fused = None if moment.fused is None else self._fused.push(moment.fused, moment.time_s)
        for track_id, emotion in _emotions(moment.faces):
            if track_id not in self._faces:
                self._faces[track_id] = _Running(self._settings)
            self._faces[track_id].push(emotion, moment.time_s)
        gone = [i for i, running in self._faces.items() if moment.time_s - running.time_s > _FORGET_S]
        for track_id in gone:
            del self._faces[track_id]
        return replace(moment, fused=fused, faces=self._dressed(moment.faces))

    def apply_to_view(self, view: Moment) -> Moment:
        """Return what is shown between moments (`Analyzer.view`) with the latest steadied answers."""
        fused = None if view.fused is None else self._fused.latest
        return replace(view, fused=fused or view.fused, faces=self._dressed(view.faces))

    def _dressed(self, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        latest = {i: running.latest for i, running in self._faces.items()}
        return tuple(
            face if face.emotion is None else replace(face, emotion=latest.get(_id(face)) or face.emotion)
            for face in faces
        )


class LabelChanges:
    """Counts how often the fused label of a stream changes."""

    def __init__(self) -> None:
        self._label: str | None = None
        self._first_s = self._last_s = math.nan
        self.n_changes = 0

    def push(self, moment: Moment) -> None:
        """Take the next moment; one without an answer changes nothing."""
        if moment.fused is None:
            return
        if math.isnan(self._first_s):
            self._first_s = moment.time_s
        self._last_s = moment.time_s
        label = moment.fused.label
        self.n_changes += self._label is not None and label != self._label
        self._label = label

    @property
    def per_minute(self) -> float:
        """Changes in a minute of the stream, from its first answer to its last; 0 before there are two."""
        length_s = self._last_s - self._first_s
        return 60 * self.n_changes / length_s if length_s > 0 else 0.0


@dataclass(slots=True)
class _Running:
    """The running mean of one series of scores, and the label that it holds on to."""

    settings: SmoothingSettings
    mean: NDArray[np.float64] | None = None
    held: int | None = None
    time_s: float = -math.inf
    latest: Scores | None = None

    def push(self, scores: Scores, time_s: float) -> Scores:
        elapsed_s = time_s - self.time_s
        if self.mean is None or not 0 <= elapsed_s <= _FORGET_S:
            self.mean, self.held = scores.probabilities.astype(np.float64), None
        else:
            gain = 1 - math.exp(-elapsed_s / self.settings.time_constant_s)
            self.mean = self.mean + gain * (scores.probabilities - self.mean)
        weighed = self.mean.copy()
        if self.held is not None:
            weighed[self.held] *= self.settings.persistence
        self.held, self.time_s = int(weighed.argmax()), time_s
        steadied = (weighed / weighed.sum()).astype(np.float32)
        certainty = scores.certainty and scores.certainty.at(float(steadied.max()))
        self.latest = replace(scores, probabilities=steadied, certainty=certainty)
        return self.latest


def _emotions(faces: tuple[Face, ...]) -> Iterator[tuple[int, Scores]]:
    for face in faces:
        if face.track_id is not None and face.emotion is not None:
            yield face.track_id, face.emotion


def _id(face: Face) -> int:
    return -1 if face.track_id is None else face.track_id
