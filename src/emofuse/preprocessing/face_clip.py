"""What of a clip a video network gets: upright face crops of one size, so many of them. Training and analysis alike."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.face import SIZE, cut_region, framing, warp_region
from emofuse.types import Face, Sampling

BLACK: Final = -1  # the index of a frame that is not there


def crop_clip_face(image: NDArray[np.uint8], face: Face, size_px: int, margin: float) -> NDArray[np.uint8]:
    """Return the face upright and in colour, `margin` of the framing of `crop_face` wider on each side.

    image: (H, W, 3) uint8 RGB. Returns (size_px, size_px, 3) uint8 RGB, the middle 1 / (1 + 2 margin) of which, both
    ways, is what `crop_face` shows; what lies outside the picture repeats its edge.
    """
    matrix = framing(face)
    scale = size_px / (SIZE * (1 + 2 * margin))
    # the edge of the framing is half a pixel before the centre of its first one, the crop's `margin` before that
    matrix = matrix * scale
    matrix[:, 2] += (0.5 + SIZE * margin) * scale - 0.5
    left, top, region = cut_region(image, matrix, size_px)
    return warp_region(region, (left, top), matrix, size_px)


def whole_frame(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return the square in the middle of a picture (H, W, 3) uint8, as (size_px, size_px, 3): where no face is."""
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(image[top : top + side, left : left + side])
    kind = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(square, (size_px, size_px), interpolation=kind), dtype=np.uint8)


def choose_frames(
    n_available: int,
    n_frames: int,
    sampling: Sampling,
    stride: int = 1,
    start: float = 0.5,
    displaced: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Choose which of n_available frames a network sees: (n_frames,) indices in order, BLACK for a black one.

    "first": the first ones, then black ones. "uniform": the middles of as many equal parts of the clip. "strided":
    every stride-th, the last frame repeated where the clip is over; of the places that a longer clip leaves, `start`
    chooses one, from 0 (the first) to 1 (the last). displaced: (n_frames,) by which each is moved, in steps of the
    sampling; none overtakes another.
    """
    if n_available < 1 or n_frames < 1 or stride < 1:
        raise ValueError(f"cannot choose {n_frames} of {n_available} frames with stride {stride}")
    order = np.arange(n_frames, dtype=np.float64)
    places: NDArray[np.float64]
    if sampling == "first":
        step, places = 1.0, order
    elif sampling == "uniform":
        step = n_available / n_frames
        places = (order + 0.5) * step - 0.5
    else:
        step = float(stride)
        spare = max(0, n_available - 1 - (n_frames - 1) * stride)
        places = order * step + min(math.floor(start * (spare + 1)), spare)
    if displaced is not None:
        places = places + displaced * step
    indices = np.clip(np.floor(places + 0.5).astype(np.int64), 0, n_available - 1)
    indices = np.maximum.accumulate(indices)
    if sampling == "first":
        indices[n_available:] = BLACK
    return indices


def on_grid(times_s: NDArray[np.float64], rate_hz: float) -> NDArray[np.int64]:
    """Return the picture nearest to each of the times 0, 1 / rate_hz, 2 / rate_hz, ... after the first, to the last.

    times_s: (N,) of the pictures, rising. So a choice by number is one by time, whatever the rate of the film is.
    """
    n_places = round(float(times_s[-1] - times_s[0]) * rate_hz) + 1
    wanted = times_s[0] + np.arange(n_places) / rate_hz
    return np.asarray(np.searchsorted((times_s[1:] + times_s[:-1]) / 2, wanted - 1e-9), dtype=np.int64)


def frames_over(
    times_s: NDArray[np.float64],
    start_s: float,
    window_s: float,
    n_frames: int,
    displaced: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """Choose the pictures that are shown in the middles of n_frames equal parts of a window: (n_frames,) indices.

    times_s: (N,) from when each picture is shown; where the window reaches beyond them the first or the last one stands
    in. displaced: as in `choose_frames`.
    """
    step_s = window_s / n_frames
    wanted = start_s + (np.arange(n_frames) + 0.5 + (0.0 if displaced is None else displaced)) * step_s
    shown = np.searchsorted(times_s, wanted, side="right") - 1
    return np.asarray(np.maximum.accumulate(np.clip(shown, 0, len(times_s) - 1)), dtype=np.int64)


def gather_frames(frames: NDArray[np.uint8], indices: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the chosen ones of frames (N, H, W, 3) uint8: (T, H, W, 3), black where the index is BLACK."""
    chosen = frames[np.maximum(indices, 0)]
    chosen[indices == BLACK] = 0
    return chosen


class LandmarkSmoother:
    """Takes the tremble out of one face's points, as the crops of it would tremble too, and lets movement through.

    The one-euro filter (Casiez, Roussel and Vogel, 2012, https://doi.org/10.1145/2207676.2208639) with one cutoff
    for all points, so that the face keeps its shape; lengths are in sizes of the face. It looks back alone, so that
    a live stream and a file agree. A face that moves is shown at most 1 / (2 pi GAIN) = 0.02 of its size behind.
    """

    CUTOFF_HZ: Final = 1.5  # of a face at rest
    GAIN: Final = 8.0  # by which the cutoff grows, in Hz for each size of the face a second
    SPEED_CUTOFF_HZ: Final = 1.0
    LONGEST_GAP_S: Final = 1.0  # what is older says nothing of where the face is

    def __init__(self) -> None:
        self._time_s = -math.inf
        self._seen = np.zeros((0, 2))
        self._steady = np.zeros((0, 2))
        self._speed = np.zeros((0, 2))

    def update(self, face: Face, time_s: float) -> Face:
        """Return the face of the picture at time_s with steadier points and box."""
        box = face.box_xyxy.reshape(2, 2)
        points = (box if face.landmarks is None else np.vstack([box, face.landmarks])).astype(np.float64)
        since_s = time_s - self._time_s
        if points.shape != self._seen.shape or not 0 < since_s <= self.LONGEST_GAP_S:
            self._steady, self._speed = points, np.zeros_like(points)
        else:
            speed = (points - self._seen) / since_s / max(face.size_px, 1.0)
            self._speed = self._speed + _share(self.SPEED_CUTOFF_HZ, since_s) * (speed - self._speed)
            fastness = math.sqrt(float((self._speed**2).sum(axis=1).mean()))
            cutoff = self.CUTOFF_HZ + self.GAIN * fastness
            self._steady = self._steady + _share(cutoff, since_s) * (points - self._steady)
        self._seen, self._time_s = points, time_s
        steady = self._steady.astype(np.float32)
        return replace(face, box_xyxy=steady[:2].reshape(4), landmarks=steady[2:] if len(steady) > 2 else None)


def _share(cutoff_hz: float, step_s: float) -> float:
    """Return what a new value weighs in a low-pass filter of first order."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff_hz * step_s))
