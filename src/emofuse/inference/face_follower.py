"""Finds the faces of some pictures of a video, and follows them through the others, which costs a tenth as much.

Between two detections a face is where its look is found again: its patch, as it was when the detector last saw it, is
searched for around the place where its motion leads (normalised cross-correlation; Lewis 1995, "Fast Normalized
Cross-Correlation"). Where that is in doubt, the detector is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.inference.detector import FaceDetector, PictureSkipper
from emofuse.inference.tracker import FaceTracker, face_appearance
from emofuse.types import Face

Image = NDArray[np.uint8]
Vector = NDArray[np.float64]

_PATCH: Final = 32  # cells across a face
_REACH: Final = 8  # cells that it may have moved beyond where its motion led: a quarter of its size
_LEAST_LIKENESS: Final = 0.85  # correlation under which it is not the same look
_EARLY_S: Final = 0.002  # containers round their time stamps to the millisecond


@dataclass(slots=True)
class _Followed:
    """A face between two detections. patch: (_PATCH, _PATCH) uint8, as it was detected; place: (2,) pixels, the middle
    of its box; speed: (2,) pixels a second."""

    face: Face
    patch: Image
    cell_px: float
    place: Vector
    speed: Vector

    def find(self, image: Image, dt_s: float) -> bool:
        """Move to where the face is in the next picture, dt_s later; False where that is in doubt."""
        expected = self.place + self.speed * dt_s
        height, width = image.shape[:2]
        if not (0 <= expected[0] < width and 0 <= expected[1] < height):
            return False
        around = _sampled(image, expected, self.cell_px, _PATCH + 2 * _REACH)
        likeness = cv2.matchTemplate(around, self.patch, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(likeness)
        last = 2 * _REACH
        if not best >= _LEAST_LIKENESS or not (0 < x < last and 0 < y < last):
            return False
        offset = np.array([_peak(likeness[y, x - 1 : x + 2]) + x, _peak(likeness[y - 1 : y + 2, x]) + y]) - _REACH
        place = expected + offset * self.cell_px
        if dt_s > 0:
            self.speed = (place - self.place) / dt_s
        self._move(place)
        return True

    def _move(self, place: Vector) -> None:
        step = (place - self.place).astype(np.float32)
        landmarks = None if self.face.landmarks is None else self.face.landmarks + step
        self.face = replace(self.face, box_xyxy=self.face.box_xyxy + np.tile(step, 2), landmarks=landmarks)
        self.place = place


class FaceFollower:
    """Gives the faces of every picture of one video, pushed in order, each with its number.

    The detector looks at a picture at a cut, where a followed face is in doubt (it does not look as it did, it nears
    another one, it has been lost or is new), and when the last detection is `detect_period_s` ago, so that a newcomer
    is seen no later. What is answered depends on the pictures so far and on nothing else.

    Args:
        detector: Finds the faces.
        detect_period_s: Seconds between two detections at most; 0 looks at every picture.
    """

    def __init__(self, detector: FaceDetector, detect_period_s: float = 0.0) -> None:
        self._detector = detector
        self._skip = detector.skip if isinstance(detector, PictureSkipper) else None
        self._period_s = detect_period_s
        self._tracker = FaceTracker()
        self._followed: list[_Followed] = []
        self._detected_s = -math.inf
        self._time_s = -math.inf
        self.n_detections = 0

    def push(self, image: Image, time_s: float, *, is_cut: bool = False) -> list[Face]:
        """Take the next picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: Its presentation time.
            is_cut: Whether it begins a shot, so that no face continues one that was seen before.

        Returns:
            Its faces, followed or detected, each with its track_id.
        """
        dt_s, self._time_s = time_s - self._time_s, time_s
        if is_cut:
            self._tracker.cut()
        if not is_cut and self._may_follow(time_s) and self._follow(image, dt_s):
            if self._skip is not None:
                self._skip()
            return self._tracker.update([followed.face for followed in self._followed], time_s)
        return self._detect(image, time_s)

    def _may_follow(self, time_s: float) -> bool:
        """Whether nothing but the pictures themselves asks for a detection."""
        is_recent = 0.0 <= time_s - self._detected_s < self._period_s - _EARLY_S
        return is_recent and self._tracker.is_settled and not _near(self._followed)

    def _follow(self, image: Image, dt_s: float) -> bool:
        """Find every face again; False where one of them is in doubt."""
        return all(followed.find(image, dt_s) for followed in self._followed) and not _near(self._followed)

    def _detect(self, image: Image, time_s: float) -> list[Face]:
        self.n_detections += 1
        self._detected_s = time_s
        found = self._detector.detect(image)
        looks = [face_appearance(image, face) for face in found]
        tracked = self._tracker.update(found, time_s, looks)
        speeds = {followed.face.track_id: followed.speed for followed in self._followed}
        self._followed = []
        if self._period_s > 0:
            self._followed = [_begun(image, face, speeds.get(face.track_id)) for face in tracked]
        return tracked


def _begun(image: Image, face: Face, speed: Vector | None) -> _Followed:
    box = face.box_xyxy.astype(np.float64)
    place, cell_px = (box[:2] + box[2:]) / 2, max(face.size_px, 1.0) / _PATCH
    patch = _sampled(image, place, cell_px, _PATCH)
    return _Followed(face, patch, cell_px, place, np.zeros(2) if speed is None else speed)


def _sampled(image: Image, middle: Vector, cell_px: float, n_cells: int) -> Image:
    """Return the green of a square around `middle`, in (n_cells, n_cells) cells of the mean of four pixels each; what
    lies outside the picture repeats its edge. Green is most of brightness, and needs no conversion."""
    places = (np.arange(2 * n_cells) + 0.5) / 2 - n_cells / 2
    columns, rows = (
        np.clip(np.rint(centre - 0.5 + places * cell_px).astype(np.intp), 0, size - 1)
        for centre, size in zip(middle, image.shape[1::-1], strict=True)
    )
    fine = image[..., 1][rows[:, None], columns]
    return np.asarray(cv2.resize(fine, (n_cells, n_cells), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _peak(three: NDArray[Any]) -> float:
    """Return where the parabola through three values has its top, from the middle one, in [-0.5, 0.5]."""
    before, middle, after = (float(value) for value in three)
    bend = before - 2 * middle + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _near(followed: Sequence[_Followed]) -> bool:
    """Whether two faces touch: their looks are then no longer their own."""
    boxes = [one.face.box_xyxy for one in followed]
    return any((np.minimum(a[2:], b[2:]) > np.maximum(a[:2], b[:2])).all() for a, b in combinations(boxes, 2))
