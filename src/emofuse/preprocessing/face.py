"""Cut a face out of a picture the way the FER+ faces were cut."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.types import Face

SIZE: Final = 48  # pixels of the crop, both ways

# Where YuNet sees the five points in a FER+ face of 48 x 48: medians over 2,368 faces of the valid part,
# made symmetric. Cutting to the same places gives the network what it was trained on.
LANDMARKS: Final = np.array([[14.1, 18.2], [33.0, 18.2], [23.55, 28.1], [15.9, 36.6], [31.2, 36.6]], dtype=np.float32)
BOX: Final = np.array([4.5, -1.3, 43.3, 50.4], dtype=np.float32)  # YuNet's box there, for a face without points


def crop_face(image: NDArray[np.uint8], face: Face, size_px: int = SIZE) -> NDArray[np.uint8]:
    """Return the face upright and framed as in FER+.

    image: (H, W, 3) uint8 RGB. Returns (size_px, size_px) uint8 grey; what lies outside the picture repeats its edge.
    """
    scale = size_px / SIZE
    matrix = framing(face) * scale
    matrix[:, 2] += (scale - 1) / 2  # places are those of pixels' centres
    left, top, region = cut_region(image, matrix, size_px)
    return warp_region(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), (left, top), matrix, size_px)


class FaceCrops:
    """The faces of one picture as `crop_face` gives them, each cut out once for all that look at it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
    """

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self.image = image
        self._found: dict[tuple[bytes, int], NDArray[np.uint8]] = {}

    def of(self, face: Face, size_px: int = SIZE) -> NDArray[np.uint8]:
        """Return the crop of a face, (size_px, size_px) uint8 grey, which nobody may change."""
        place = (face.box_xyxy if face.landmarks is None else face.landmarks).tobytes(), size_px
        if place not in self._found:
            self._found[place] = crop_face(self.image, face, size_px)
        return self._found[place]


def warp_region(
    region: NDArray[Any], corner: tuple[int, int], matrix: NDArray[np.float64], size_px: int
) -> NDArray[np.uint8]:
    """Carry part of a picture to a crop, without aliasing: (size_px, size_px) or (size_px, size_px, channels) uint8.

    region: (h, w) or (h, w, channels) uint8, whose top left pixel is `corner` (left, top) of the picture; what the
    crop needs beyond it repeats its edge. matrix: (2, 3), from places in the picture to places in the crop.
    """
    left, top = corner
    # the similarity shrinks by this much; warping alone would then alias, so the region is averaged first
    shrink = 1.0 / max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6)
    to_region = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], dtype=np.float64)
    total = np.vstack([matrix, [0, 0, 1]]) @ to_region
    if shrink > 1.5:
        height, width = region.shape[:2]
        small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
        region = cv2.resize(region, small, interpolation=cv2.INTER_AREA)
        sx, sy = width / small[0], height / small[1]
        # pixel centres: x_region = (x_small + 0.5) * s - 0.5
        total = total @ np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]], dtype=np.float64)
    size = (size_px, size_px)
    crop = cv2.warpAffine(region, total[:2], size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, dtype=np.uint8)


def resized(faces: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """Return faces (N, S, S) as (N, size_px, size_px) uint8; smaller ones are averaged, so that nothing aliases."""
    if faces.shape[1] == size_px:
        return faces
    how = cv2.INTER_AREA if faces.shape[1] > size_px else cv2.INTER_LINEAR
    made = [cv2.resize(face, (size_px, size_px), interpolation=how) for face in faces]
    return np.asarray(made, dtype=np.uint8).reshape(-1, size_px, size_px)


def face_quality(face: Face) -> float:
    """Say how far a face can be trusted, in [0, 1]: the detector's score, its size, and how frontal it is.

    A face of 48 pixels or more loses nothing for its size; one seen from the side loses up to half.
    """
    size = min(1.0, face.size_px / SIZE)
    return float(np.clip(face.score * size * _frontality(face), 0.0, 1.0))


def _frontality(face: Face) -> float:
    if face.landmarks is None:
        return 0.8  # nothing is known of which way it looks
    right_eye, left_eye, nose = face.landmarks[:3]
    span = float(np.linalg.norm(left_eye - right_eye))
    if span < 1e-3:
        return 0.5
    along = float(np.dot(nose - right_eye, left_eye - right_eye)) / span**2  # 0.5: midway between the eyes
    return 1.0 - min(0.5, abs(along - 0.5))


def framing(face: Face) -> NDArray[np.float64]:
    """Fit the similarity (2, 3) that carries the face's points to LANDMARKS, by least squares; without points, its
    box to BOX. Places are those of pixels' centres."""
    if face.landmarks is None:
        source = face.box_xyxy.astype(np.float64)
        scale = float(BOX[3] - BOX[1]) / max(float(source[3] - source[1]), 1e-3)
        shift = (BOX[:2] + BOX[2:]) / 2 - scale * (source[:2] + source[2:]) / 2
        return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], dtype=np.float64)
    return fit_similarity(face.landmarks.astype(np.float64), LANDMARKS.astype(np.float64))


def fit_similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fit the (2, 3) turn, scale and shift that carries (N, 2) points to (N, 2) others, by least squares."""
    p, q = source - source.mean(axis=0), target - target.mean(axis=0)
    power = max(float((p**2).sum()), 1e-6)
    a = float((p * q).sum()) / power
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / power
    rotation = np.array([[a, -b], [b, a]])
    shift = target.mean(axis=0) - rotation @ source.mean(axis=0)
    return np.hstack([rotation, shift[:, None]])


def cut_region(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size_px: int
) -> tuple[int, int, NDArray[np.uint8]]:
    """Return the part of the picture that a crop of size_px needs: its left, top and pixels (one at least)."""
    inverse = np.asarray(cv2.invertAffineTransform(matrix))
    corners = np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]], dtype=np.float64)
    places = corners @ inverse[:, :2].T + inverse[:, 2]
    height, width = image.shape[:2]
    low = np.floor(places.min(axis=0)).astype(int) - 2
    high = np.ceil(places.max(axis=0)).astype(int) + 3
    left, top = int(np.clip(low[0], 0, width - 1)), int(np.clip(low[1], 0, height - 1))
    right, bottom = int(np.clip(high[0], left + 1, width)), int(np.clip(high[1], top + 1, height))
    return left, top, image[top:bottom, left:right]
