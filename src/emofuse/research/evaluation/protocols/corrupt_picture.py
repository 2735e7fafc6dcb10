"""Pictures as lenses, light, cameras, and what people wear spoil them, by stated amounts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from emofuse.preprocessing.face import SIZE, framing
from emofuse.types import Face

Picture = NDArray[np.uint8]
PictureChange = Callable[[Picture, Sequence[Face]], Picture]
"""Takes a picture (H, W, 3) uint8 RGB and the faces that were found in it, and returns one of the same size."""

_USUAL_SHARE: Final = 0.3  # of a picture's height: a face where none was found
_READ_NOISE: Final = 3.0  # of 255: a sensor's own, which shows where there is little light
_CLOTH: Final = (150, 185, 200)  # of a surgical mask
_GLASS: Final = (18, 18, 20)

# Outlines over a face as it is framed, SIZE pixels wide and high: where the eyes, the nose and the mouth are, is
# `features.face.LANDMARKS`.
_MASK: Final = ((2, 25), (14, 24), (23.5, 22), (33, 24), (45, 25), (43, 40), (34, 50), (23.5, 53), (13, 50), (4, 40))
_GLASSES: Final = (
    ((6, 14), (20.5, 14), (20, 21), (17, 25), (10, 25), (6.5, 21)),
    ((26.5, 14), (41, 14), (40.5, 21), (37, 25), (30, 25), (27, 21)),
    ((-2, 15), (49, 15), (49, 17), (-2, 17)),
)
_PALM: Final = ((24, 44), (50, 40), (56, 62), (30, 64))
_FINGERS: Final = (((27, 46), (9, 33)), ((30, 42), (12, 27)), ((35, 40), (20, 24)), ((41, 40), (31, 22)))
_FINGER_WIDTH: Final = 5.0


def blur(share: float) -> PictureChange:
    """Return what blurs: a Gaussian whose deviation is a share of the face's size."""

    def change(picture: Picture, faces: Sequence[Face]) -> Picture:
        return _uint8(cv2.GaussianBlur(picture, (0, 0), max(share * _face_px(picture, faces), 0.1)))

    return change


def darken(light: float) -> PictureChange:
    """Return what takes light away, `light` of it is left, and adds what a sensor adds to little light."""

    def change(picture: Picture, faces: Sequence[Face]) -> Picture:
        linear = (picture / 255.0) ** 2.2 * light  # light, not the numbers that stand for it
        dark = 255 * linear ** (1 / 2.2)
        random = np.random.default_rng(int(picture[::16, ::16].sum()))  # one noise for one picture
        return _uint8(dark + random.normal(0, _READ_NOISE, picture.shape))

    return change


def reduce_to(face_px: int) -> PictureChange:
    """Return what a camera from further away would see: the face is face_px wide, and then enlarged again."""

    def change(picture: Picture, faces: Sequence[Face]) -> Picture:
        height, width = picture.shape[:2]
        scale = min(1.0, face_px / _face_px(picture, faces))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return _uint8(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))

    return change


def rotate(degrees: float) -> PictureChange:
    """Return what turns a picture about its face, or about its middle, counter-clockwise."""

    def change(picture: Picture, faces: Sequence[Face]) -> Picture:
        height, width = picture.shape[:2]
        box = faces[0].box_xyxy if faces else np.array([0, 0, width, height])
        centre = (float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
        matrix = cv2.getRotationMatrix2D(centre, degrees, 1.0)
        return _uint8(cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE))

    return change


def compress(quality: int) -> PictureChange:
    """Return what stores a picture as a JPEG of a quality from 0 to 100."""

    def change(picture: Picture, faces: Sequence[Face]) -> Picture:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
        _, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), options)
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None, "it was made here"
        return _uint8(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))

    return change


def put_on_mask(picture: Picture, faces: Sequence[Face]) -> Picture:
    """Cover every face from the nose down with a surgical mask."""
    return _covered(picture, faces, [_MASK], _CLOTH)


def put_on_sunglasses(picture: Picture, faces: Sequence[Face]) -> Picture:
    """Put dark glasses on every face."""
    return _covered(picture, faces, _GLASSES, _GLASS)


def put_hand_before(picture: Picture, faces: Sequence[Face]) -> Picture:
    """Put a hand, of the face's own colour, before the mouth and the cheek of every face."""
    for face in faces:
        middle = _placed(face, [(23.5, 22.0)])[0].astype(int)
        x, y = np.clip(middle, 1, np.array(picture.shape[1::-1]) - 2)
        skin = 0.85 * picture[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).mean(axis=0)
        picture = _covered(picture, [face], [_PALM], tuple(skin.tolist()))
        wide = max(1, round(_FINGER_WIDTH / _scale(face)))
        for number, ends in enumerate(_FINGERS):
            start, end = (tuple(place.astype(int).tolist()) for place in _placed(face, ends))
            cv2.line(picture, start, end, (skin * (0.94 + 0.03 * number)).tolist(), wide, cv2.LINE_AA)
    return picture


def _covered(
    picture: Picture,
    faces: Sequence[Face],
    outlines: Sequence[Sequence[tuple[float, float]]],
    colour: Sequence[float],
) -> Picture:
    covered = picture.copy()
    for face in faces:
        for outline in outlines:
            cv2.fillPoly(covered, [np.round(_placed(face, outline)).astype(np.int32)], list(colour), cv2.LINE_AA)
    return covered


def _placed(face: Face, places: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Carry places of the framing (N, 2) to the picture."""
    inverse = np.asarray(cv2.invertAffineTransform(framing(face)))
    return np.asarray(places, dtype=np.float64) @ inverse[:, :2].T + inverse[:, 2]


def _scale(face: Face) -> float:
    """Return how many pixels of the framing one of the picture has."""
    matrix = framing(face)
    return max(float(np.hypot(matrix[0, 0], matrix[1, 0])), 1e-6)


def _face_px(picture: Picture, faces: Sequence[Face]) -> float:
    """Return how wide the first face is, as it is framed."""
    return SIZE / _scale(faces[0]) if faces else _USUAL_SHARE * picture.shape[0]


def _uint8(picture: NDArray[Any]) -> Picture:
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)
