"""The last seconds of the person in front: crops of one face, from which a clip network's frames are taken by time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.card import InputSpec
from emofuse.preprocessing.face import face_quality
from emofuse.preprocessing.face_clip import BLACK, LandmarkSmoother, crop_clip_face, gather_frames
from emofuse.types import CLIP_RATE_HZ, Face

LOST_S: Final = 1.0  # a face that is out of sight for longer is gone
_PRESENCE_S: Final = 0.5  # time constant of the average that says who is in front
_CLEARLY: Final = 2.0  # times as present as the person in front, and another takes their place
_DETAIL: Final = 8  # crops kept for each one that is taken, where they are far apart
_EARLY_S: Final = 0.002  # containers round their time stamps to the millisecond


class MainFaceSelector:
    """Chooses whom a clip network watches: whose face is the largest and most present.

    That is the largest area, averaged over the last half second with 0 where the face is not seen. So a face that
    flickers keeps its place, a passer-by does not take it, and after a cut the new face soon has it.
    """

    def __init__(self) -> None:
        self.track_id: int | None = None
        self._presence: dict[int, float] = {}  # mean area in square pixels
        self._time_s: float | None = None
        self._seen_s = -math.inf

    def update(self, faces: Sequence[Face], time_s: float) -> Face | None:
        """Take the tracked faces of the next picture; return that of the person in front, None while not seen."""
        elapsed_s = math.inf if self._time_s is None else max(time_s - self._time_s, 0.0)
        gain = 1.0 - math.exp(-elapsed_s / _PRESENCE_S)
        self._time_s = time_s
        shown = {face.track_id: face for face in faces if face.track_id is not None}
        faded = {i: (1.0 - gain) * presence for i, presence in self._presence.items()}
        self._presence = {i: presence for i, presence in faded.items() if presence > 1.0 or i in shown}
        for i, face in shown.items():
            self._presence[i] = self._presence.get(i, 0.0) + gain * face.size_px**2
        self._choose(shown, time_s)
        if self.track_id is None or self.track_id not in shown:
            return None
        self._seen_s = time_s
        return shown[self.track_id]

    def _choose(self, shown: dict[int, Face], time_s: float) -> None:
        if self.track_id not in shown and time_s - self._seen_s > LOST_S + 1e-6:
            self.track_id = None
        if not shown:
            return
        best = max(shown, key=lambda i: (self._presence[i], shown[i].size_px))
        if self.track_id is None or self._presence[best] > _CLEARLY * self._presence.get(self.track_id, 0.0):
            self.track_id = best


@dataclass(frozen=True, slots=True, eq=False)
class ClipWindow:
    """What a clip network sees at one time. frames: (T, H, W, 3) uint8 RGB, the first n_real of which are not black.

    start_s: since when there are pictures in it. quality in [0, 1]: the share of the time in which the face was
    found, times how good it was to see.
    """

    frames: NDArray[np.uint8]
    n_real: int
    start_s: float
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class _Crop:
    """A face at a time. stands_s: the time since the picture before, for which it stands. quality: None where the face
    was not found, and this is the place where it was last."""

    image: NDArray[np.uint8]
    time_s: float
    stands_s: float
    quality: float | None


class ClipBuffer:
    """The crops of the person in front, at most CLIP_RATE_HZ a second and no more seconds than an answer needs."""

    def __init__(self, spec: InputSpec) -> None:
        assert spec.n_frames is not None and spec.size_px is not None and spec.margin is not None
        self._spec, self._n_frames, self._size_px, self._margin = spec, spec.n_frames, spec.size_px, spec.margin
        self._period_s = max(1.0 / CLIP_RATE_HZ, spec.step_s / _DETAIL)
        self._front = MainFaceSelector()
        self._steady = LandmarkSmoother()
        self._place: Face | None = None  # where the person in front was last
        self._crops: deque[_Crop] = deque()
        self._latest_s: float | None = None  # of the pictures that were due
        self._due_s = -math.inf

    @property
    def front_id(self) -> int | None:
        """The track of the person in front, None where there is nobody."""
        return self._front.track_id

    def push(self, image: NDArray[np.uint8], faces: Sequence[Face], time_s: float) -> bool:
        """Take the next picture, (H, W, 3) uint8 RGB, with its tracked faces. Returns whether it begins the buffer."""
        if self._latest_s is not None and time_s < self._latest_s - LOST_S:
            self._restart()
        before = self._front.track_id
        face = self._front.update(faces, time_s)
        if self._front.track_id != before:
            self._crops.clear()
            self._steady, self._place = LandmarkSmoother(), None
        if face is not None:
            self._place = self._steady.update(face, time_s)
        if time_s < self._due_s - _EARLY_S:
            return False
        stands_s = self._period_s if self._latest_s is None else min(time_s - self._latest_s, LOST_S)
        self._due_s = max(self._due_s + self._period_s, time_s)
        self._latest_s = time_s
        if self._place is None:
            return False
        crop = crop_clip_face(image, self._place, self._size_px, self._margin)
        quality = None if face is None else face_quality(face)
        self._crops.append(_Crop(crop, time_s, max(stands_s, 0.0), quality))
        while self._crops[0].time_s < time_s - self._spec.span_s:
            self._crops.popleft()
        return len(self._crops) == 1

    def window(self, time_s: float) -> ClipWindow | None:
        """Take the frames of an answer at `time_s`; None where the person in front is gone or there is none.

        They are what `choose_frames` chooses of a clip that ends at `time_s`, by time instead of by number: the crop
        nearest to each time. The times of "uniform" are the middles of n_frames equal parts of the window; those of
        the others end at the newest crop. While the face is lost the picture is cropped where it was last, as in
        training. Where the person has not been there for so long, "first" has black frames at the end, the others
        repeat the oldest crop.
        """
        if self._crops and time_s - self._crops[-1].time_s > LOST_S + 1e-6:
            self._crops.clear()
        if not self._crops:
            return None
        step_s = self._spec.step_s
        newest_s = time_s - step_s / 2 if self._spec.sampling == "uniform" else self._crops[-1].time_s
        wanted = newest_s - step_s * np.arange(self._n_frames - 1, -1, -1)
        times = np.array([crop.time_s for crop in self._crops])
        if self._spec.sampling == "first":
            wanted = wanted[wanted > times[0] - step_s / 2]
        nearest = np.searchsorted((times[1:] + times[:-1]) / 2, wanted - 1e-9)
        order = np.full(self._n_frames, BLACK)
        order[: len(nearest)] = np.arange(len(nearest))
        frames = gather_frames(np.stack([self._crops[i].image for i in nearest]), order)
        start_s = min(float(times[nearest[0]]), time_s)
        return ClipWindow(frames, len(nearest), start_s, self._quality(time_s))

    def _quality(self, time_s: float) -> float:
        since_s = time_s - self._spec.span_s
        found = [
            (crop.stands_s, crop.quality) for crop in self._crops if crop.quality is not None and crop.time_s > since_s
        ]
        if not found:
            return 0.0
        share = min(1.0, sum(stands_s for stands_s, _ in found) / self._spec.span_s)
        return share * float(np.mean([quality for _, quality in found]))

    def _restart(self) -> None:
        """Forget everything: the stream's clock went back."""
        self._front, self._steady, self._place = MainFaceSelector(), LandmarkSmoother(), None
        self._crops.clear()
        self._latest_s, self._due_s = None, -math.inf
