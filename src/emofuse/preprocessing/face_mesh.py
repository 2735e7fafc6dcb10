"""The geometry of a face mesh of 478 points: where it is cut out of a picture, which way the head is turned, where the
eyes look.

Angles are those of somebody who faces the camera: yaw is positive towards the right edge of the picture (the person's
own left), pitch upwards, and roll where the head leans to the left edge (the person's own right).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import AssetError
from emofuse.preprocessing.face import fit_similarity
from emofuse.types import FaceAngles

Array = NDArray[np.float64]

CROP_PX: Final = 256  # of the landmarker's input, both ways
N_POINTS: Final = 478  # 468 of the skin, then five of each iris
_SKIN: Final = 468
_MARGIN: Final = 1.5  # the side of the crop over the longer side of the mesh: a quarter more on each side

# Points of the mesh, by their numbers in MediaPipe's canonical face; right and left are the person's own.
_RIGHT_EYE: Final = (33, 133)  # its outer and inner corner
_LEFT_EYE: Final = (362, 263)  # its inner and outer corner
_NOSE_TIP, _MOUTH_RIGHT, _MOUTH_LEFT = 1, 61, 291
_RIGHT_IRIS, _LEFT_IRIS = 468, 473

# The centre of the eye lies this far behind the line between its corners, in widths of the eye: an eyeball has a radius
# of about 12 mm, and the corners are about 28 mm apart.
_EYE_RADIUS: Final = 12.0 / 28.0
# Who looks into the camera has the middle of the iris this far above that line, in radii of the eye: the median over
# 112 neutral faces of CFEE, whose people do.
_PUPIL_ABOVE: Final = 0.18
_VIEW_DEGREES: Final = 63.0  # that MediaPipe takes a camera to see from top to bottom


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalFace:
    """The face that every mesh is compared with.

    Attributes:
        points: (468, 3) float64 centimetres: x to the person's left, y upwards, z to the front.
        weights: (468,) float64: how much each point counts where the turn of a head is looked for.
    """

    points: Array
    weights: Array

    @classmethod
    def read(cls, content: bytes) -> CanonicalFace:
        """Read MediaPipe's `geometry_pipeline_metadata_landmarks.binarypb`.

        Args:
            content: The file: a protocol buffer.

        Returns:
            The face in it.

        Raises:
            AssetError: It is no such file.
        """
        vertices: list[float] = []
        weights = np.zeros(_SKIN)
        try:
            for field, value in _fields(content):
                if field == 1:
                    vertices += [struct.unpack("<f", one)[0] for number, one in _fields(value) if number == 3]
                elif field == 2:
                    reference = dict(_fields(value))
                    weights[reference[1]] = struct.unpack("<f", reference[2])[0]
            points = np.array(vertices, np.float64).reshape(_SKIN, 5)[:, :3]  # the other two place a texture
        except (LookupError, ValueError, TypeError, struct.error) as error:
            raise AssetError(f"the face geometry cannot be read: {error}") from error
        if not weights.any():
            raise AssetError("the face geometry names no points to align by")
        return cls(points, weights)

    def crop_from_landmarks(self, landmarks: NDArray[np.float32]) -> Array:
        """Return where the crop of a face lies whose five points are known.

        Args:
            landmarks: (5, 2) pixels, as `Face.landmarks`.

        Returns:
            (2, 3): from places in the picture to places in the crop of CROP_PX.
        """
        flat = self.points[:, :2] * (1, -1)  # pictures count downwards
        low, high = flat.min(axis=0), flat.max(axis=0)
        scale = CROP_PX / (_MARGIN * float((high - low).max()))
        eyes = [flat[list(corners)].mean(axis=0) for corners in (_RIGHT_EYE, _LEFT_EYE)]
        five = np.stack([*eyes, flat[_NOSE_TIP], flat[_MOUTH_RIGHT], flat[_MOUTH_LEFT]])
        target = (five - (low + high) / 2) * scale + CROP_PX / 2
        return fit_similarity(landmarks.astype(np.float64), target)

    def head_matrix(self, points: NDArray[np.float32], width: int, height: int) -> Array:
        """Find how the canonical face is turned, moved and scaled to lie where a mesh is.

        The mesh is first freed of perspective, as MediaPipe's `geometry_pipeline` does: by a camera that sees 63
        degrees from top to bottom, with the depth that makes the face as large as the canonical one.

        Args:
            points: (478, 3) pixels, z to the back.
            width: Of the picture, in pixels.
            height: Of the picture, in pixels.

        Returns:
            (4, 4): x to the right of the picture, y upwards, z towards the camera, in centimetres.
        """
        scale = 2.0 * math.tan(math.radians(_VIEW_DEGREES) / 2) / height  # of a pixel, at a distance of 1
        x = (points[:_SKIN, 0].astype(np.float64) - width / 2) * scale
        y = (height / 2 - points[:_SKIN, 1].astype(np.float64)) * scale
        z = points[:_SKIN, 2].astype(np.float64) * scale

        def freed(size: float) -> Array:
            depth = (z - z.mean() + 1.0) / size
            return np.stack([x * depth, y * depth, -depth], axis=1)

        size = self._fit(np.stack([x, y, -z], axis=1))[0]
        size *= self._fit(freed(size))[0]
        found, rotation, shift = self._fit(freed(size))
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = rotation * found, shift
        return matrix

    def _fit(self, target: Array) -> tuple[float, Array, Array]:
        """Find the scale, rotation and shift from the canonical face to (468, 3) points, by weighted least squares."""
        weights = self.weights[:, None] / self.weights.sum()
        middle, aim = (weights * self.points).sum(axis=0), (weights * target).sum(axis=0)
        source, goal = self.points - middle, target - aim
        u, singular, v = np.linalg.svd((weights * goal).T @ source)
        signs = np.array([1.0, 1.0, float(np.sign(np.linalg.det(u @ v)))])
        rotation = (u * signs) @ v
        scale = float((singular * signs).sum() / (weights * source**2).sum())
        return scale, rotation, aim - scale * rotation @ middle


def crop_from_mesh(points: NDArray[np.float32]) -> Array:
    """Return where the crop of a face lies whose mesh is known, as MediaPipe follows a face from picture to picture.

    Args:
        points: (478, 3) pixels.

    Returns:
        (2, 3): from places in the picture to places in the crop of CROP_PX.
    """
    flat = points[:, :2].astype(np.float64)
    along = flat[_LEFT_EYE[1]] - flat[_RIGHT_EYE[0]]
    angle = math.atan2(along[1], along[0])
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    upright = flat @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    scale = CROP_PX / (_MARGIN * max(float((high - low).max()), 1e-3))
    shift = CROP_PX / 2 - scale * (low + high) / 2
    return np.hstack([scale * turn, shift[:, None]])


def crop_shift(first: Array, second: Array) -> float:
    """Return how far the corners of one crop lie from those of another, (2, 3) each, over the side of the first."""
    corners = np.array([[0, 0, 1], [CROP_PX, 0, 1], [CROP_PX, CROP_PX, 1], [0, CROP_PX, 1]], np.float64)
    back = np.linalg.inv(np.vstack([second, [0, 0, 1]]))
    moved = corners @ back.T @ first.T
    return float(np.abs(moved - corners[:, :2]).max()) / CROP_PX


def head_angles(matrix: Array) -> FaceAngles:
    """Return which way a head is turned, from its (4, 4) or (3, 3) matrix."""
    rotation = matrix[:3, :3] / np.linalg.norm(matrix[:3, 0])
    front = rotation[:, 2]
    return FaceAngles(
        yaw_deg=math.degrees(math.atan2(front[0], front[2])),
        pitch_deg=math.degrees(math.asin(float(np.clip(front[1], -1.0, 1.0)))),
        roll_deg=math.degrees(math.atan2(rotation[1, 0], rotation[1, 1])),
    )


def gaze_angles(points: NDArray[np.float32], head: Array) -> FaceAngles:
    """Estimate where the eyes look, as seen from the camera: the mean of both eyes; its roll is none.

    An iris that lies off the middle between the corners of its eye is turned away by the arc sine of its distance over
    the eyeball's radius; the turn of the head is added. It is an estimate from a picture, not what an eye tracker
    measures: see docs/measurements.md.

    Args:
        points: (478, 3) pixels, z to the back.
        head: The matrix of `CanonicalFace.head_matrix`.

    Returns:
        yaw and pitch, in degrees.
    """
    rotation = head[:3, :3] / np.linalg.norm(head[:3, 0])
    in_head = (points.astype(np.float64) * (1, -1, -1)) @ rotation
    directions = []
    for corners, iris in ((_RIGHT_EYE, _RIGHT_IRIS), (_LEFT_EYE, _LEFT_IRIS)):
        ends = in_head[list(corners)]
        radius = max(float(np.linalg.norm(ends[1] - ends[0])), 1e-6) * _EYE_RADIUS
        x, y = np.clip((in_head[iris] - ends.mean(axis=0))[:2] / radius - (0.0, _PUPIL_ABOVE), -0.9, 0.9)
        z = math.sqrt(max(1.0 - x * x - y * y, 1e-2))
        directions.append(np.array([x, y, z]) / math.sqrt(x * x + y * y + z * z))
    ahead = rotation @ np.mean(directions, axis=0)
    ahead /= np.linalg.norm(ahead)
    return FaceAngles(math.degrees(math.atan2(ahead[0], ahead[2])), math.degrees(math.asin(float(ahead[1]))), 0.0)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Read the fields of a protocol buffer: their numbers and contents; a whole number comes as one."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind == 5:
            size = 4
        else:
            raise ValueError(f"a field of kind {kind}")
        yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at
