"""Who speaks: whose mouth moves while speech is heard.

A face is carried upright to one size, so that what changes from picture to picture around the mouth is speech, and what
changes around the eyes and the brow is the head, the light and the noise: the one is held against the other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.face import FaceCrops
from emofuse.types import OUT_OF_VIEW, Face

WINDOW_S: Final = 1.0  # over which movement is measured: a few syllables
SPEECH_SHARE: Final = 0.3  # of a hop that must be speech
MOVES: Final = 1.6  # times as much change at the mouth as above it: it speaks
STILL: Final = 1.15  # less is not speech; what is between is speech only beside somebody who is still
AHEAD: Final = 1.25  # times as much movement as the next: who speaks is clear
_LONGEST_STEP_S: Final = 0.25  # between two pictures that are compared
_LEAST_PX: Final = 24.0  # of a face
_MOUTH: Final = (slice(30, 46), slice(12, 36))  # of the 48 x 48 crop
_ABOVE: Final = (slice(6, 26), slice(8, 40))
_FLOOR: Final = 0.02  # of contrast: what changes less is noise


@dataclass(slots=True)
class _Mouth:
    """What is kept of one track. steps: time, change at the mouth, change above it."""

    crop: NDArray[np.float32]
    time_s: float
    steps: deque[tuple[float, float, float]] = field(default_factory=deque)


class MouthWatcher:
    """Measures how much each mouth of one video moves. Pictures come in the order of time."""

    def __init__(self) -> None:
        self._mouths: dict[int, _Mouth] = {}

    def push(self, crops: FaceCrops, faces: Sequence[Face], time_s: float) -> None:
        """Take a picture and its faces, which are followed."""
        for face in faces:
            if face.track_id is None or face.size_px < _LEAST_PX:
                continue
            crop = _even(crops.of(face))
            mouth = self._mouths.get(face.track_id)
            if mouth is None:
                self._mouths[face.track_id] = _Mouth(crop, time_s)
                continue
            if 0 < time_s - mouth.time_s <= _LONGEST_STEP_S:
                change = np.abs(crop - mouth.crop)
                mouth.steps.append((time_s, float(change[_MOUTH].mean()), float(change[_ABOVE].mean())))
            mouth.crop, mouth.time_s = crop, time_s
        for track_id, mouth in list(self._mouths.items()):
            while mouth.steps and mouth.steps[0][0] < time_s - 2 * WINDOW_S:
                mouth.steps.popleft()
            if mouth.time_s < time_s - 2 * WINDOW_S:
                del self._mouths[track_id]

    def movement(self, track_id: int, time_s: float) -> float | None:
        """Return how many times as much the mouth changes as what is above it, up to a time; None where it was not
        seen for long enough."""
        mouth = self._mouths.get(track_id)
        steps = [] if mouth is None else [s for s in mouth.steps if time_s - WINDOW_S < s[0] <= time_s + 1e-6]
        if len(steps) < 3:
            return None
        below, above = (float(np.mean([step[i] for step in steps])) for i in (1, 2))
        return below / max(above, _FLOOR)

    def speaker(self, track_ids: Iterable[int], time_s: float) -> int | None:
        """Return whose track it is that speaks, where somebody does; OUT_OF_VIEW where nobody's mouth moves, None where
        that cannot be told."""
        found = {i: self.movement(i, time_s) for i in track_ids}
        known = sorted(((moved, i) for i, moved in found.items() if moved is not None), reverse=True)
        if not found:
            return OUT_OF_VIEW
        if len(known) < len(found):
            return None
        if known[0][0] < STILL:
            return OUT_OF_VIEW
        if len(known) == 1:
            return known[0][1] if known[0][0] >= MOVES else None
        return known[0][1] if known[0][0] >= AHEAD * known[1][0] else None


def _even(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return a crop of zero mean and unit contrast, so that light does not count."""
    values = crop.astype(np.float32)
    values -= values.mean()
    values /= max(float(values.std()), 1.0)
    return values
