"""Faces are found at any size, shape and layout of picture; noise and texture are none."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.errors import AssetError
from emofuse.inference import detector as module
from emofuse.inference.detector import YuNetDetector
from emofuse.inference.tracker import FaceTracker
from emofuse.types import Face

Image = NDArray[np.uint8]
ODD_SHAPES = [(1, 1), (1, 5000), (15, 15), (16, 16), (20, 33), (16, 20000), (20000, 16), (2160, 3840), (1280, 720)]


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def textures() -> Iterator[Image]:
    """White, blurred and blocky noise."""
    for seed in range(8):
        white = noise(360, 640, seed)
        yield white
        yield cv2.normalize(cv2.GaussianBlur(white, (0, 0), 2 + 3 * seed), None, 0, 255, cv2.NORM_MINMAX)
        yield cv2.resize(noise(9 + seed, 16, seed), (640, 360))


class Spots:
    """Stands for a network: finds the bright squares of a picture, if they are at least `least_px` wide."""

    def __init__(self, least_px: float = 12.0) -> None:
        self.least_px = least_px
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, small: Image) -> list[Face]:
        self.sizes.append((small.shape[1], small.shape[0]))
        n, _, stats, _ = cv2.connectedComponentsWithStats((small[..., 0] > 128).astype(np.uint8))
        boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:n] if min(w, h) >= self.least_px]
        points = np.zeros((5, 2), np.float32)
        return [Face(np.array(b, np.float32), 0.9, points + np.array(b[:2], np.float32)) for b in boxes]


def scene(*squares: tuple[int, int, int], shape: tuple[int, int] = (720, 1280)) -> Image:
    """Return a dark picture with a bright square of each (x, y, side)."""
    image = np.zeros((*shape, 3), np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    return image


def scales(spots: Spots) -> module._MultiScale:
    return module._MultiScale(spots, long_side=256, faint_px=16.0, clear_px=24.0)


def test_boxes_and_points_come_back_in_the_full_picture() -> None:
    (face,) = scales(Spots()).detect(scene((400, 100, 300)))
    np.testing.assert_allclose(face.box_xyxy, [400, 100, 700, 400], atol=5)
    assert face.landmarks is not None
    np.testing.assert_allclose(face.landmarks, np.tile([400, 100], (5, 1)), atol=5)


def test_a_large_face_costs_a_small_picture_but_for_the_search() -> None:
    spots = Spots()
    found = scales(spots)
    for _ in range(91):
        assert len(found.detect(scene((400, 100, 300)))) == 1
    assert spots.sizes.count((256, 144)) == 91
    assert spots.sizes.count((640, 360)) == 3 and len(spots.sizes) == 94


def test_a_small_face_is_found_at_once_and_followed_at_the_size_it_needs() -> None:
    spots = Spots()
    found = scales(spots)
    for k in range(100):
        assert len(found.detect(scene((400, 100, 40)))) == 1, k
    assert spots.sizes[-1] == (640, 360)


def test_a_large_face_and_a_newcomer_far_off() -> None:
    found = scales(Spots())
    counts = [len(found.detect(scene((400, 100, 300)))) for _ in range(5)]
    counts += [len(found.detect(scene((400, 100, 300), (1100, 600, 40)))) for _ in range(90)]
    assert counts[:6] == [1] * 6
    first = counts.index(2)
    assert first <= 46 and set(counts[first:]) == {2}


def test_a_cut_to_a_long_shot_is_searched_at_once_and_a_close_up_gets_cheap_again() -> None:
    spots = Spots()
    found = scales(spots)
    found.detect(scene((400, 100, 300)))
    found.detect(scene((400, 100, 300)))
    assert len(found.detect(scene((400, 100, 40)))) == 1
    for _ in range(2 * 45 + 10):
        found.detect(scene((400, 100, 300)))
    assert spots.sizes[-1] == (256, 144)


def test_an_empty_picture_is_searched_now_and_then() -> None:
    spots = Spots()
    found = scales(spots)
    for _ in range(41):
        assert found.detect(scene()) == []
    assert spots.sizes.count((640, 360)) == 5


def test_any_shape_gets_the_same_number_of_pixels_and_none_is_enlarged() -> None:
    for shape in [(720, 1280), (1280, 720), (1000, 1000), (200, 6000)]:
        spots = Spots()
        scales(spots).detect(scene(shape=shape))
        width, height = spots.sizes[0]
        assert width * height == pytest.approx(256 * 144, rel=0.03)
    spots = Spots()
    scales(spots).detect(scene(shape=(60, 80)))
    assert spots.sizes == [(80, 60)]


def test_boxes_are_clipped_and_those_outside_dropped() -> None:
    def beyond(small: Image) -> list[Face]:
        height, width = small.shape[:2]
        boxes = [[-10, -10, width / 2, height + 9], [width + 5, 0, width + 30, 30]]
        return [Face(np.array(box, np.float32), 0.9) for box in boxes]

    (face,) = module._MultiScale(beyond, 256, 16.0, 24.0).detect(scene())
    np.testing.assert_allclose(face.box_xyxy, [0, 0, 640, 720])


def test_the_smallest_face_wanted_bounds_the_size_that_is_searched() -> None:
    picture = scene((100, 100, 60), (600, 300, 200))
    sizes: list[int] = []
    for wanted_px, n_found in ((None, 2), (60, 2), (150, 1)):
        spots = Spots()
        found = module._MultiScale(spots, 256, faint_px=20.0, clear_px=28.0, min_face_px=wanted_px)
        assert len(found.detect(picture)) == n_found
        sizes.append(max(width for width, _ in spots.sizes))
    assert sizes == [640, round(1280 * 28 / 60), round(1280 * 28 / 150)]


def test_a_changed_picture_size_starts_afresh() -> None:
    spots = Spots()
    found = scales(spots)
    for _ in range(10):
        found.detect(scene((400, 100, 40)))
    assert len(found.detect(scene((200, 20, 200), shape=(360, 640)))) == 1
    assert (256, 144) in spots.sizes[-2:]


def test_a_file_that_is_no_model_is_an_asset_error(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    for name in ("model.onnx", "absent.onnx"):
        with pytest.raises(AssetError, match=name):
            YuNetDetector(tmp_path / name)


def test_the_import_leaves_opencv_alone() -> None:
    code = (
        "import cv2; before = cv2.getNumThreads(), cv2.useOptimized()\n"
        "import emofuse.inference.detector, emofuse.inference.tracker\n"
        "assert before == (cv2.getNumThreads(), cv2.useOptimized())"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_opencv_finds_the_same_faces_with_the_same_file(clip_mp4: Path) -> None:
    network = module.YuNetNetwork()
    with av.open(str(clip_mp4)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), 0, 30, 6)]
    for image in pictures:
        for size in ((256, 144), (401, 299)):
            small = np.asarray(cv2.resize(image, size), np.uint8)
            theirs = cv2.FaceDetectorYN.create(str(module.YUNET), "", size, 0.5, 0.3, 200)
            _, expected = theirs.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
            found = network.find(small, 0.5)
            assert len(found) == 1
            np.testing.assert_allclose(found, expected, atol=0.01)
    assert network.find(noise(144, 256), 0.5).shape == (0, 15)


@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_yunet_takes_any_picture(shape: tuple[int, int]) -> None:
    found = YuNetDetector()
    assert found.detect(noise(*shape)) == [] and found.detect(noise(*shape)) == []


def test_yunet_sees_no_face_in_texture() -> None:
    found = YuNetDetector()
    assert [len(found.detect(image)) for image in textures()] == [0] * 24


# From here on with real faces.


def corpus() -> Path:
    folder = os.environ.get("EMOFUSE_DATA")
    if not folder:
        pytest.skip("EMOFUSE_DATA names no folder of corpora")
    return Path(folder)


@cache
def clip(name: str, n_frames: int = 60) -> list[Image]:
    with av.open(str(corpus() / name)) as container:
        return [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), n_frames)]


def cremad(emotion: str) -> list[Image]:
    return clip(f"cremad/videos/1001_DFA_{emotion}_XX.flv")


def ravdess() -> list[Image]:
    return clip("ravdess_original/videos/Actor_05/01-01-03-01-01-02-05.mp4", 3)


def head(image: Image) -> Image:
    """Return the square around the one face, twice as wide as it where the picture reaches so far."""
    (face,) = YuNetDetector().detect(image)
    x, y = (int(v) for v in (face.box_xyxy[:2] + face.box_xyxy[2:]) / 2)
    reach = min(int(face.size_px), x, y, image.shape[1] - x, image.shape[0] - y)
    return image[y - reach : y + reach, x - reach : x + reach]


def paste(canvas: Image, picture: Image, centre: tuple[int, int], side: int) -> None:
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    x, y = centre[0] - side // 2, centre[1] - side // 2
    canvas[y : y + side, x : x + side] = small


@pytest.mark.corpus
@pytest.mark.parametrize("emotion", ["ANG", "FEA", "HAP"])
def test_one_face_and_one_number_all_through_a_clip(emotion: str) -> None:
    found, tracker = YuNetDetector(), FaceTracker()
    frames = cremad(emotion)
    faces = [found.detect(image) for image in frames]
    assert sum(len(f) == 1 for f in faces) >= 0.95 * len(frames)
    numbers = {face.track_id for k, f in enumerate(faces) for face in tracker.update(f, k / 30)}
    assert numbers == {1}
    assert tracker._n_ids == 1


@pytest.mark.corpus
def test_points_lie_where_the_face_has_them() -> None:
    (face,) = YuNetDetector().detect(ravdess()[0])
    assert face.landmarks is not None and face.score > 0.9
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0] and right_mouth[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert (face.landmarks > face.box_xyxy[:2]).all() and (face.landmarks < face.box_xyxy[2:]).all()


@pytest.mark.corpus
@pytest.mark.parametrize("face_px", [30, 40, 60, 120, 300])
def test_small_and_large_faces_on_a_big_picture(face_px: int) -> None:
    canvas = np.full((720, 1280, 3), (90, 100, 110), np.uint8)
    paste(canvas, head(cremad("NEU")[0]), (900, 350), 2 * face_px)
    found = YuNetDetector()
    for _ in range(50):
        (face,) = found.detect(canvas)
        assert face.size_px == pytest.approx(face_px, rel=0.25 if face_px <= 30 else 0.15)
        assert np.abs((face.box_xyxy[:2] + face.box_xyxy[2:]) / 2 - (900, 350)).max() < 0.15 * face_px


@pytest.mark.corpus
def test_faces_side_by_side_of_many_sizes() -> None:
    canvas = np.full((1080, 1920, 3), (90, 100, 110), np.uint8)
    heads = [head(cremad("NEU")[0]), head(ravdess()[0])]
    places = [(200, 200, 340), (620, 300, 120), (820, 300, 80), (1300, 400, 500), (400, 800, 240), (900, 850, 160)]
    for k, (x, y, side) in enumerate(places):
        paste(canvas, heads[k % 2], (x, y), side)
    found, tracker = YuNetDetector(), FaceTracker()
    for k in range(5):
        faces = tracker.update(found.detect(canvas), k / 30)
        centres = sorted(tuple(((f.box_xyxy[:2] + f.box_xyxy[2:]) / 2).tolist()) for f in faces)
        np.testing.assert_allclose(centres, sorted((x, y) for x, y, _ in places), atol=25)
    assert {face.track_id for face in faces} == set(range(1, 7))


@pytest.mark.corpus
@pytest.mark.parametrize("angle", [-20, 20])
def test_a_tilted_face(angle: int) -> None:
    image = ravdess()[0]
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    tilted = cv2.warpAffine(image, turn, (width, height))
    (upright,) = YuNetDetector().detect(image)
    (face,) = YuNetDetector().detect(tilted)
    middle = turn[:, :2] @ (upright.box_xyxy[:2] + upright.box_xyxy[2:]) / 2 + turn[:, 2]
    assert np.abs((face.box_xyxy[:2] + face.box_xyxy[2:]) / 2 - middle).max() < 0.15 * upright.size_px
    # Points follow a tilt only where the face is large in the working picture: see YuNetDetector.
    assert abs(shown_tilt(tilted, 640) - shown_tilt(image, 640) - angle) < 9
    assert abs(shown_tilt(tilted, 256) - shown_tilt(image, 256)) < abs(angle)


def shown_tilt(image: Image, long_side: int) -> float:
    """Return the angle of the line through the eyes, in degrees, counter-clockwise."""
    (face,) = YuNetDetector(long_side=long_side).detect(image)
    assert face.landmarks is not None
    across, down = face.landmarks[1] - face.landmarks[0]
    return float(np.degrees(np.arctan2(-down, across)))


@pytest.mark.corpus
def test_layout_orientation_and_history_do_not_matter() -> None:
    image = cremad("NEU")[0]
    (face,) = YuNetDetector().detect(image)
    wide = np.zeros((360, 960, 3), np.uint8)
    wide[:, ::2] = image
    (strided,) = YuNetDetector().detect(wide[:, ::2])
    np.testing.assert_array_equal(strided.box_xyxy, face.box_xyxy)
    (mirrored,) = YuNetDetector().detect(image[:, ::-1])
    assert mirrored.box_xyxy[0] == pytest.approx(480 - face.box_xyxy[2], abs=0.1 * face.size_px)
    (portrait,) = YuNetDetector().detect(np.ascontiguousarray(image[:, 120:360]))
    np.testing.assert_allclose(portrait.box_xyxy + np.array([120, 0, 120, 0]), face.box_xyxy, atol=0.1 * face.size_px)


@pytest.mark.corpus
def test_two_runs_agree_to_the_bit() -> None:
    first, second = YuNetDetector(), YuNetDetector()
    for image in cremad("ANG"):
        for a, b in zip(first.detect(image), second.detect(image), strict=True):
            assert a.score == b.score and (a.box_xyxy == b.box_xyxy).all()
