"""Finds the cuts of a film: pictures that do not continue the one before.

The measure is that of PySceneDetect's content detector (Castellano, https://www.scenedetect.com): the mean change of
hue, saturation and brightness from one picture to the next. It is taken on a small picture, and held against the
changes of the last second, so that a shaking camera cuts nothing.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE_PX: Final = 32  # of the picture that is compared
_READ_PX: Final = 96  # every pixel of a larger picture need not be read
_LEAST_CHANGE: Final = 8.0  # of 255: what changes less is no cut
_SURE_CHANGE: Final = 60.0  # what changes more is one, however restless the film
_RATIO: Final = 3.0  # a cut changes this many times as much as usual
_RECENT_S: Final = 1.0  # over which the usual is taken

Image = NDArray[np.uint8]


class CutDetector:
    """Tells of every picture of one video, pushed in order, whether it begins a shot.

    The answer depends on the pictures so far and on nothing else, so that a file and a live stream agree. The first
    picture begins a shot; a change of size alone does not.

    Example:
        >>> import numpy as np
        >>> cuts = CutDetector()
        >>> dark, light = np.zeros((90, 160, 3), np.uint8), np.full((90, 160, 3), 200, np.uint8)
        >>> [cuts.push(image, 0.04 * i) for i, image in enumerate([dark, dark, light, light])]
        [True, False, True, False]
    """

    def __init__(self) -> None:
        self.change = 0.0  # of the latest picture from the one before, in [0, 255]
        self._small: NDArray[np.int16] | None = None
        self._recent: deque[tuple[float, float]] = deque()  # time, change

    def push(self, image: Image, time_s: float) -> bool:
        """Take the next picture.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: Its presentation time.

        Returns:
            Whether it begins a shot.
        """
        small = _reduced(image)
        before, self._small = self._small, small
        if before is None:
            return True
        self.change = _change(before, small)
        while self._recent and not 0.0 <= time_s - self._recent[0][0] <= _RECENT_S:
            self._recent.popleft()
        usual = statistics.median(change for _, change in self._recent) if self._recent else _LEAST_CHANGE
        is_cut = self.change >= min(max(_LEAST_CHANGE, _RATIO * usual), _SURE_CHANGE)
        self._recent.append((time_s, self.change))
        return is_cut


def _reduced(image: Image) -> NDArray[np.int16]:
    """Return a small picture's hue, saturation and brightness, (S, S, 3): hue in [0, 180), the others to 255."""
    height, width = image.shape[:2]
    step_y, step_x = max(height // _READ_PX, 1), max(width // _READ_PX, 1)
    read = np.ascontiguousarray(image[::step_y, ::step_x])
    small = cv2.resize(read, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2HSV).astype(np.int16)


def _change(before: NDArray[np.int16], after: NDArray[np.int16]) -> float:
    """Return the mean change of the three, hue around its circle and as far as there is colour to have one."""
    change = np.abs(after - before).astype(np.float32)
    hue = np.minimum(change[..., 0], 180 - change[..., 0])
    coloured = np.minimum(before[..., 1], after[..., 1]) / 255.0
    return float((hue * coloured + change[..., 1] + change[..., 2]).mean() / 3.0)
