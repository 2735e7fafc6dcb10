"""What a video network gets of a clip: where crops lie, which frames are chosen, and that points do not tremble."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from made_faces import make_face

from emofuse.preprocessing.face import LANDMARKS, SIZE, crop_face
from emofuse.preprocessing.face_clip import (
    BLACK,
    LandmarkSmoother,
    Sampling,
    choose_frames,
    crop_clip_face,
    frames_over,
    gather_frames,
    on_grid,
    whole_frame,
)
from emofuse.types import Face


def clouds(size: tuple[int, int] = (480, 640)) -> np.ndarray:
    """Make a picture with something to see everywhere, of which a pixel more or less of blur changes little."""
    noise = np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 6)
    low, high = smooth.min(), smooth.max()
    return ((smooth - low) / (high - low) * 255).astype(np.uint8)


@pytest.mark.parametrize(("margin", "size_px"), [(0.0, 96), (0.25, 144), (0.5, 192)])
@pytest.mark.parametrize(("scale", "angle_deg"), [(2.0, 0.0), (3.3, 20.0), (5.0, -35.0)])
def test_the_middle_of_a_crop_is_the_framing_of_the_face_network(
    margin: float, size_px: int, scale: float, angle_deg: float
) -> None:
    image, face = clouds(), make_face(scale, angle_deg, (230.0, 120.0))
    crop = crop_clip_face(image, face, size_px, margin)
    assert crop.shape == (size_px, size_px, 3)
    assert crop.dtype == np.uint8
    expected = crop_face(image, face).astype(float)
    rim = round(size_px * margin / (1 + 2 * margin))

    def off(down: int, right: int) -> float:
        middle = np.roll(crop, (-down, -right), (0, 1))[rim : size_px - rim, rim : size_px - rim]
        small = cv2.resize(cv2.cvtColor(middle, cv2.COLOR_RGB2GRAY), (SIZE, SIZE), interpolation=cv2.INTER_AREA)
        return float(np.abs(small - expected)[2:-2, 2:-2].mean())

    assert off(0, 0) < 1.0
    assert all(off(down, right) > 1.5 * off(0, 0) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1)))


def test_the_margin_shows_what_is_around_the_face() -> None:
    face = make_face(4.0)
    image = np.full((400, 600, 3), 20, np.uint8)
    left, top = 198, 98  # of the framing: half a pixel of the crop, two of the picture, before the first's centre
    image[top : top + 4 * SIZE, left : left + 4 * SIZE] = (200, 60, 30)
    crop = crop_clip_face(image, face, 112, 0.2)
    assert crop[20:92, 20:92].reshape(-1, 3).tolist() == [[200, 60, 30]] * 72 * 72
    for rim in (crop[:13], crop[-13:], crop[:, :13], crop[:, -13:]):
        assert np.abs(rim.astype(int) - 20).max() <= 1
    inside = np.abs(crop[:, 56, 0].astype(int) - 20) > 90
    assert inside.sum() == pytest.approx(112 / 1.4, abs=1)


def test_a_tilted_face_is_upright_in_the_crop() -> None:
    face = make_face(4.0, 30.0, (300.0, 60.0))
    image = np.full((480, 640, 3), 30, np.uint8)
    assert face.landmarks is not None
    for x, y in face.landmarks[:2]:
        cv2.circle(image, (round(float(x)), round(float(y))), 6, (255, 255, 255), -1)
    crop = crop_clip_face(image, face, 224, 0.2)[:, :, 0].astype(float) - 30
    ys, xs = np.mgrid[:224, :224]
    eyes = []
    for half in (slice(0, 112), slice(112, 224)):
        weight = np.maximum(crop[:, half], 0)
        eyes.append(((weight * xs[:, half]).sum() / weight.sum(), (weight * ys[:, half]).sum() / weight.sum()))
    scale = 224 / (SIZE * 1.4)
    assert eyes[1][1] == pytest.approx(eyes[0][1], abs=1.0)
    assert eyes[1][0] - eyes[0][0] == pytest.approx((LANDMARKS[1, 0] - LANDMARKS[0, 0]) * scale, abs=1.5)


def test_beyond_the_picture_its_edge_is_repeated() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[:, :, 0] = np.linspace(50, 250, 300)[None]
    crop = crop_clip_face(image, make_face(3.0, shift=(-60.0, 20.0)), 112, 0.3)
    assert (crop[:, :5, 0] == 50).all()
    assert crop[:, -1, 0].min() > 60


def test_a_picture_without_a_face_is_its_middle_square() -> None:
    image = np.zeros((200, 320, 3), np.uint8)
    image[:, 60:260] = (9, 99, 199)
    square = whole_frame(image, 112)
    assert square.shape == (112, 112, 3)
    assert (square == (9, 99, 199)).all()
    stripes = np.zeros((448, 448, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(whole_frame(stripes, 112).astype(int) - 127).max() <= 2  # averaged, not skipped
    assert whole_frame(image[:20, :20], 112).shape == (112, 112, 3)


@pytest.mark.parametrize(
    ("n", "n_frames", "sampling", "stride", "start", "expected"),
    [
        (30, 4, "first", 9, 0.9, [0, 1, 2, 3]),
        (3, 5, "first", 1, 0.5, [0, 1, 2, BLACK, BLACK]),
        (4, 4, "uniform", 9, 0.9, [0, 1, 2, 3]),
        (40, 4, "uniform", 1, 0.5, [5, 15, 25, 35]),
        (2, 4, "uniform", 1, 0.5, [0, 0, 1, 1]),
        (1, 3, "uniform", 1, 0.5, [0, 0, 0]),
        (20, 4, "strided", 3, 0.0, [0, 3, 6, 9]),
        (20, 4, "strided", 3, 0.5, [5, 8, 11, 14]),
        (20, 4, "strided", 3, 1.0, [10, 13, 16, 19]),
        (5, 4, "strided", 2, 0.5, [0, 2, 4, 4]),
    ],
)
def test_frames_are_chosen_by_the_sampling(
    n: int, n_frames: int, sampling: Sampling, stride: int, start: float, expected: list[int]
) -> None:
    indices = choose_frames(n, n_frames, sampling, stride, start)
    assert indices.dtype == np.int64
    assert indices.tolist() == expected
    still = choose_frames(n, n_frames, sampling, stride, start, np.zeros(n_frames))
    assert still.tolist() == expected


def test_every_place_of_a_strided_choice_is_as_likely() -> None:
    starts = [choose_frames(10, 3, "strided", 2, start)[0] for start in np.arange(0.0, 1.0, 0.005)]
    assert set(starts) == set(range(6))
    assert set(np.bincount(starts)) <= {33, 34}


def test_frames_are_displaced_in_steps_and_none_overtakes_another() -> None:
    def displaced(sampling: Sampling, by: list[float]) -> list[int]:
        return choose_frames(40, 4, sampling, 4, 0.0, np.array(by)).tolist()

    assert displaced("uniform", [0.4, -0.3, 0.1, 0.2]) == [9, 12, 26, 37]
    assert displaced("strided", [0.5, 0.0, -0.5, 0.0]) == [2, 4, 6, 12]
    assert displaced("uniform", [1.0, -1.0, 0.0, 1.0]) == [15, 15, 25, 39]
    assert displaced("first", [-1.0, 0.0, 1.0, 0.0]) == [0, 1, 3, 3]
    assert choose_frames(2, 4, "first", displaced=np.ones(4)).tolist() == [1, 1, BLACK, BLACK]


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot choose 4 of 0 frames"):
        choose_frames(0, 4, "uniform")


def test_chosen_frames_are_gathered_and_black_ones_put_in() -> None:
    frames = np.arange(1, 4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    before = frames.copy()
    chosen = gather_frames(frames, np.array([2, 0, 0, BLACK]))
    assert chosen[:, 0, 0, 0].tolist() == [3, 1, 1, 0]
    assert chosen.shape == (4, 2, 2, 3)
    assert (frames == before).all()


def trembling(n: int, speed: float, tremble_px: float, rate_hz: float = 30.0) -> tuple[list[Face], list[float]]:
    """Make a face of 100 px that moves at so many sizes a second to the right, found a little off each time."""
    random = np.random.default_rng(1)
    faces = []
    for i in range(n):
        found = make_face(2.0, shift=(50.0 + speed * 91.3 * i / rate_hz, 80.0))
        off = random.normal(0, tremble_px, (7, 2)).astype(np.float32)
        assert found.landmarks is not None
        faces.append(Face(found.box_xyxy + off[:2].reshape(4), 0.9, found.landmarks + off[2:], track_id=7))
    return faces, [i / rate_hz for i in range(n)]


def nose(faces: list[Face]) -> np.ndarray:
    return np.array([face.landmarks[2] for face in faces if face.landmarks is not None])


def test_a_still_face_trembles_less() -> None:
    faces, times = trembling(60, speed=0.0, tremble_px=1.0)
    steady = LandmarkSmoother()
    held = [steady.update(face, time_s) for face, time_s in zip(faces, times, strict=True)]
    assert np.diff(nose(held), axis=0).std() < 0.35 * np.diff(nose(faces), axis=0).std()
    assert np.abs(nose(held)[20:].mean(axis=0) - nose(faces)[20:].mean(axis=0)).max() < 0.3
    assert {(face.track_id, face.score) for face in held} == {(7, 0.9)}


@pytest.mark.parametrize("speed", [0.5, 2.0, 6.0])
def test_a_moving_face_is_followed_closely(speed: float) -> None:
    faces, times = trembling(60, speed, tremble_px=0.0)
    steady = LandmarkSmoother()
    held = [steady.update(face, time_s) for face, time_s in zip(faces, times, strict=True)]
    behind = np.abs(nose(held) - nose(faces)).max(axis=1) / faces[0].size_px
    assert behind[30:].max() < 0.03
    shape = np.array([face.landmarks - face.landmarks[2] for face in held if face.landmarks is not None])
    np.testing.assert_allclose(shape, shape[:1].repeat(60, 0), atol=0.01)


def test_after_a_gap_a_face_is_where_it_is_found() -> None:
    steady = LandmarkSmoother()
    steady.update(make_face(2.0), 0.0)
    far = make_face(2.0, shift=(400.0, 300.0))
    late = steady.update(far, 1.5)
    assert late.landmarks is not None
    assert far.landmarks is not None
    np.testing.assert_allclose(late.landmarks, far.landmarks, rtol=1e-6)
    back = steady.update(make_face(2.0), 1.0)  # a stream that went back
    np.testing.assert_allclose(back.box_xyxy, make_face(2.0).box_xyxy, rtol=1e-6)


def test_a_face_without_points_is_steadied_by_its_box() -> None:
    steady = LandmarkSmoother()
    first = steady.update(Face(np.array([10, 10, 50, 60], np.float32), 0.8), 0.0)
    second = steady.update(Face(np.array([12, 10, 52, 60], np.float32), 0.8), 0.033)
    assert first.landmarks is None
    assert second.landmarks is None
    assert 10.1 < second.box_xyxy[0] < 12
    found = make_face(2.0)  # with points: another detector's, so it starts anew
    np.testing.assert_allclose(steady.update(found, 0.066).box_xyxy, found.box_xyxy, rtol=1e-6)


def test_a_grid_of_times_has_the_picture_nearest_to_each() -> None:
    assert on_grid(np.arange(5) / 30, 30.0).tolist() == [0, 1, 2, 3, 4]
    assert on_grid(7.0 + np.arange(5) / 29.97, 30.0).tolist() == [0, 1, 2, 3, 4]
    assert on_grid(np.arange(4) / 5, 15.0).tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3]
    assert on_grid(np.array([0.0, 0.1, 0.9, 1.0]), 10.0).tolist() == [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3]
    assert on_grid(np.array([2.5]), 30.0).tolist() == [0]


def test_frames_over_a_window_are_those_shown_in_its_parts() -> None:
    times_s = np.arange(30) / 10
    assert frames_over(times_s, 1.0, 1.0, 4).tolist() == [11, 13, 16, 18]  # at 1.125, 1.375, 1.625 and 1.875 s
    assert frames_over(times_s, 2.5, 1.0, 4).tolist() == [26, 28, 29, 29]  # the last stays where the clip is over
    assert frames_over(times_s, 0.0, 3.0, 30).tolist() == choose_frames(30, 30, "uniform").tolist()
    assert frames_over(np.zeros(1), 0.0, 3.0, 3).tolist() == [0, 0, 0]
    displaced = np.array([0.0, 9.0, 0.0, 0.0])
    assert frames_over(times_s, 1.0, 1.0, 4, displaced).tolist() == [11, 29, 29, 29]  # none overtakes another
