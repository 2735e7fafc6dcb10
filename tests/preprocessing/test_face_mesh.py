"""The geometry of face meshes, against turns and places that are known."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from emofuse.errors import AssetError
from emofuse.preprocessing.face_mesh import (
    CROP_PX,
    CanonicalFace,
    crop_from_mesh,
    crop_shift,
    gaze_angles,
    head_angles,
)

WIDTH, HEIGHT = 640, 480
EYES = {33: (-4.5, 2.6, 3.5), 133: (-1.7, 2.6, 3.9), 362: (1.7, 2.6, 3.9), 263: (4.5, 2.6, 3.5)}
OTHERS = {1: (0.0, -1.1, 7.5), 61: (-2.4, -4.3, 4.3), 291: (2.4, -4.3, 4.3)}


def made_face() -> CanonicalFace:
    """A face of random points on a bowl, with eyes, nose and mouth where those of people are."""
    rng = np.random.default_rng(3)
    flat = rng.uniform((-7, -8), (7, 8), (468, 2))
    points = np.column_stack([flat, 6 - 0.08 * (flat**2).sum(axis=1)])
    for number, place in {**EYES, **OTHERS}.items():
        points[number] = place
    weights = np.zeros(468)
    weights[[1, 33, 133, 362, 263, 61, 291]] = (0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.2)
    return CanonicalFace(points, weights)


FACE = made_face()


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """A turn by degrees, in the directions that `FaceAngles` names."""
    y, p, r = (math.radians(angle) for angle in (yaw, pitch, roll))
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(p), math.sin(p)], [0, -math.sin(p), math.cos(p)]])
    about_z = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    return about_y @ about_x @ about_z


def seen(rotation: np.ndarray, distance_cm: float = 60.0, look: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """The mesh of a face in a picture, in pixels; look: how far the irises are moved, in widths of the eye."""
    irises = []
    for corners in ((33, 133), (362, 263)):
        ends = FACE.points[list(corners)]
        width = np.linalg.norm(ends[1] - ends[0])
        middle = ends.mean(axis=0) + np.array([look[0], look[1], 0.0]) * width
        irises += [middle] * 5
    points = np.vstack([FACE.points, irises]) @ rotation.T - (0, 0, distance_cm)
    near_height = 2 * math.tan(math.radians(63) / 2)
    pixels = HEIGHT / near_height
    depth = -points[:, 2]
    x = WIDTH / 2 + points[:, 0] / depth * pixels
    y = HEIGHT / 2 - points[:, 1] / depth * pixels
    z = (depth - distance_cm) / distance_cm * pixels
    return np.column_stack([x, y, z]).astype(np.float32)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-25, 10, 0), (0, -20, 0), (0, 0, 35), (15, 12, -20)]
)
def test_a_known_turn_of_the_head_is_found(yaw: float, pitch: float, roll: float) -> None:
    found = head_angles(FACE.head_matrix(seen(turned(yaw, pitch, roll)), WIDTH, HEIGHT))
    assert (found.yaw_deg, found.pitch_deg, found.roll_deg) == pytest.approx((yaw, pitch, roll), abs=1.0)


def test_a_face_that_is_further_away_is_placed_further_away() -> None:
    matrices = [FACE.head_matrix(seen(turned(), distance), WIDTH, HEIGHT) for distance in (40.0, 120.0)]
    assert [-m[2, 3] for m in matrices] == pytest.approx([40, 120], rel=0.02)


@pytest.mark.parametrize(("yaw", "pitch"), [(0, 0), (20, 0), (-15, 8)])
def test_eyes_look_where_the_head_is_turned_unless_they_are_moved(yaw: float, pitch: float) -> None:
    ahead = (0.0, 0.18 * 12 / 28)  # of who looks into the camera
    mesh = seen(turned(yaw, pitch), look=ahead)
    found = gaze_angles(mesh, FACE.head_matrix(mesh, WIDTH, HEIGHT))
    assert (found.yaw_deg, found.pitch_deg) == pytest.approx((yaw, pitch), abs=1.5)
    aside = seen(turned(yaw, pitch), look=(math.sin(math.radians(20)) * 12 / 28, ahead[1]))
    moved = gaze_angles(aside, FACE.head_matrix(aside, WIDTH, HEIGHT))
    assert moved.yaw_deg - found.yaw_deg == pytest.approx(20, abs=1.5)


@pytest.mark.parametrize("roll", [0, 25, -60])
def test_a_mesh_is_cut_out_upright_and_with_a_quarter_around_it(roll: float) -> None:
    mesh = seen(turned(roll=roll))
    crop = crop_from_mesh(mesh)
    places = mesh[:, :2] @ crop[:, :2].T + crop[:, 2]
    low, high = places.min(axis=0), places.max(axis=0)
    assert (low + high) / 2 == pytest.approx([CROP_PX / 2] * 2, abs=0.01)
    assert (high - low).max() == pytest.approx(CROP_PX / 1.5, abs=0.01)
    assert places[33][1] == pytest.approx(places[263][1], abs=0.1)


def test_five_points_give_nearly_the_crop_of_the_mesh() -> None:
    mesh = seen(turned(roll=15))
    eyes = [mesh[list(corners), :2].mean(axis=0) for corners in ((33, 133), (362, 263))]
    five = np.stack([*eyes, mesh[1, :2], mesh[61, :2], mesh[291, :2]]).astype(np.float32)
    assert crop_shift(FACE.crop_from_landmarks(five), crop_from_mesh(mesh)) < 0.05


def test_crops_that_are_moved_by_a_tenth_are_a_tenth_apart() -> None:
    crop = np.array([[0.5, 0, 10], [0, 0.5, 20]])
    assert crop_shift(crop, crop) == pytest.approx(0)
    assert crop_shift(crop, crop + np.array([[0, 0, CROP_PX / 10], [0, 0, 0]])) == pytest.approx(0.1)


def metadata(face: CanonicalFace) -> bytes:
    """The face as a protocol buffer, as the landmarker has it."""

    def field(number: int, content: bytes) -> bytes:
        size = len(content)
        length = b""
        while size > 127:
            length += bytes([size & 127 | 128])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + content

    vertices = np.column_stack([face.points, np.zeros((468, 2))]).astype("<f4").ravel()
    mesh = b"\x08\x00" + b"".join(b"\x1d" + struct.pack("<f", value) for value in vertices)
    basis = b""
    for number in np.flatnonzero(face.weights).tolist():
        varint = bytes([number & 127 | 128, number >> 7]) if number > 127 else bytes([number])
        basis += field(2, b"\x08" + varint + b"\x15" + struct.pack("<f", face.weights[number]))
    return field(1, mesh) + basis + b"\x18\x02"


def test_the_geometry_file_is_read() -> None:
    read = CanonicalFace.read(metadata(FACE))
    np.testing.assert_allclose(read.points, FACE.points, atol=1e-5)
    np.testing.assert_allclose(read.weights, FACE.weights, atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"\x0f", b"\x0a\xff\xff\xff", metadata(FACE)[:4000]])
def test_what_is_no_geometry_is_refused(content: bytes) -> None:
    with pytest.raises(AssetError, match="geometry"):
        CanonicalFace.read(content)
