import cv2
import numpy as np
import pytest
from made_faces import make_face

from emofuse.preprocessing.face import LANDMARKS, SIZE, FaceCrops, crop_face, face_quality, resized
from emofuse.types import Face


def with_dots(face: Face, size: tuple[int, int] = (720, 960), radius: float = 0.06) -> np.ndarray:
    """Draw a bright dot at each of the face's points."""
    image = np.full((*size, 3), 30, np.uint8)
    assert face.landmarks is not None
    for x, y in face.landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), max(1, round(radius * face.size_px)), (255, 255, 255), -1)
    return image


@pytest.mark.parametrize("scale", [1.0, 3.3, 9.0])
@pytest.mark.parametrize("angle_deg", [0.0, 25.0, -40.0])
def test_points_land_where_the_network_expects_them(scale: float, angle_deg: float) -> None:
    face = make_face(scale, angle_deg, (300.0, 150.0))
    crop = crop_face(with_dots(face), face).astype(np.float64)
    assert crop.shape == (SIZE, SIZE)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    for x, y in LANDMARKS:
        near = (np.hypot(xs - x, ys - y) < 5) * np.maximum(crop - 30, 0)
        assert near.sum() > 0
        centre = np.array([(near * xs).sum(), (near * ys).sum()]) / near.sum()
        assert np.hypot(*(centre - [x, y])) < 0.2 + 0.6 / scale  # a dot is drawn at a whole pixel


@pytest.mark.parametrize("size_px", [96, 144])
def test_a_larger_crop_shows_the_same_more_finely(size_px: int) -> None:
    face = make_face(6.0, 15.0, (300.0, 150.0))
    image = np.asarray(cv2.GaussianBlur(with_dots(face), (0, 0), 9), np.uint8)
    crop = crop_face(image, face, size_px)
    assert crop.shape == (size_px, size_px)
    n = size_px // SIZE
    averaged = crop.reshape(SIZE, n, SIZE, n).mean(axis=(1, 3))
    assert np.abs(averaged - crop_face(image, face)).max() < 10
    assert np.abs(np.roll(averaged, 1, axis=1) - crop_face(image, face)).max() > 20  # a pixel beside it is not the same
    crops = FaceCrops(image)
    assert crops.of(face).shape == (SIZE, SIZE) and crops.of(face, size_px).shape == (size_px, size_px)
    assert crops.of(face, size_px) is crops.of(face, size_px)


def test_faces_are_averaged_to_smaller_ones_and_made_larger() -> None:
    faces = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4) * 4
    np.testing.assert_array_equal(resized(faces, 2), faces.reshape(2, 2, 2, 2, 2).mean(axis=(2, 4)))
    assert resized(faces, 8).shape == (2, 8, 8) and resized(faces, 4) is faces
    assert resized(faces[:0], 8).shape == (0, 8, 8)


def test_a_large_face_is_averaged_not_aliased() -> None:
    face = make_face(10.0)
    stripes = np.zeros((720, 960, 3), np.uint8)
    stripes[:, ::2] = 255  # far finer than a pixel of the crop: must become mid-grey
    assert np.abs(crop_face(stripes, face).astype(int) - 127).max() < 12


def test_a_face_without_points_is_cut_by_its_box() -> None:
    face = make_face(4.0)
    image = with_dots(face)
    plain = Face(face.box_xyxy, 0.9)
    difference = np.abs(crop_face(image, face).astype(int) - crop_face(image, plain).astype(int))
    assert difference.mean() < 8


@pytest.mark.parametrize("box", [(-50, -50, 20, 20), (950, 700, 1100, 900), (0, 0, 960, 720), (10, 10, 10, 10)])
def test_a_face_at_or_beyond_the_border_still_gives_a_crop(box: tuple[int, int, int, int]) -> None:
    image = np.full((720, 960, 3), 77, np.uint8)
    crop = crop_face(image, Face(np.array(box, np.float32), 0.9))
    assert crop.shape == (SIZE, SIZE)
    assert (crop == 77).all()


def test_a_one_pixel_picture() -> None:
    crop = crop_face(np.full((1, 1, 3), 9, np.uint8), Face(np.array([0, 0, 1, 1], np.float32), 0.9))
    assert (crop == 9).all()


def test_quality_falls_with_size_and_turning() -> None:
    frontal = make_face(3.0)
    assert face_quality(frontal) == pytest.approx(0.9, abs=0.02)
    small = make_face(0.5)
    assert face_quality(small) == pytest.approx(0.9 * small.size_px / 48, abs=0.02)
    assert frontal.landmarks is not None
    turned_points = frontal.landmarks.copy()
    turned_points[2, 0] = turned_points[1, 0]  # the nose in line with one eye: seen from the side
    turned = Face(frontal.box_xyxy, 0.9, turned_points)
    assert face_quality(turned) == pytest.approx(0.45, abs=0.02)
