"""Numbers stay with people: through crossings, gaps, any frame rate; and not through a cut."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.tracker import Appearance, FaceTracker, face_appearance
from emofuse.types import Face

SIZE = 100.0
NMS_IOU = 0.3  # above it a detector reports one face of two


def a_face(x: float, y: float, size: float = SIZE, score: float = 0.93) -> Face:
    half = np.array([0.44 * size, 0.57 * size])
    middle = np.array([x, y])
    return Face(np.concatenate([middle - half, middle + half]).astype(np.float32), score)


def ids(faces: Iterable[Face]) -> list[int | None]:
    return [face.track_id for face in faces]


def iou(a: Face, b: Face) -> float:
    first, second = a.box_xyxy, b.box_xyxy
    width, height = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    common = max(float(width), 0.0) * max(float(height), 0.0)
    return common / (a.size_px**2 + b.size_px**2 - common)


def times(fps: float, duration_s: float, rng: np.random.Generator, jitter: float) -> NDArray[np.float64]:
    steps = rng.uniform(1 - jitter, 1 + jitter, int(duration_s * fps)) / fps
    return np.cumsum(steps)


def cross(
    seed: int, fps: float, jitter: float, speed: float, sizes: tuple[float, float] = (SIZE, SIZE)
) -> list[list[int | None]]:
    """Let two faces pass each other at `speed` face sizes a second each, the nearer hiding the other.

    Returns the ids of either over time.
    """
    rng = np.random.default_rng(seed)
    tracker = FaceTracker()
    front = seed % 2
    duration_s = 4 / speed
    seen: list[list[int | None]] = [[], []]
    for time_s in times(fps, duration_s, rng, jitter):
        away = speed * SIZE * (time_s - duration_s / 2)
        found = {}
        for person, side in ((0, 1), (1, -1)):
            x, y = rng.normal((500 + side * away, 300), 0.02 * SIZE)
            found[person] = a_face(x, y, sizes[person] * np.exp(rng.normal(0, 0.03)))
        if iou(found[0], found[1]) > NMS_IOU:
            del found[1 - front]
        order = rng.permutation(list(found))
        for face in tracker.update([found[person] for person in order], float(time_s)):
            person = next(p for p in found if found[p].box_xyxy is face.box_xyxy)
            seen[person].append(face.track_id)
    return seen


@pytest.mark.parametrize("speed", [0.7, 1.0, 2.0, 4.0])
@pytest.mark.parametrize(("fps", "jitter"), [(30, 0.0), (10, 0.0), (20, 0.7)])
def test_faces_that_cross_and_hide_each_other_keep_their_numbers(fps: float, jitter: float, speed: float) -> None:
    for seed in range(6):
        first, second = cross(seed, fps, jitter, speed)
        assert {first[0], second[0]} == {1, 2}
        assert (first[-1], second[-1]) == (first[0], second[0])
        assert set(first + second) == {1, 2}


def test_a_near_and_a_far_face_cross() -> None:
    for seed in range(6):
        first, second = cross(seed, 30, 0.0, 1.0, (SIZE, 0.7 * SIZE))
        assert set(first) == {first[0]} and set(second) == {second[0]} and first[0] != second[0]


def two_who_turn_back(
    looks: dict[int, Appearance] | None,
) -> tuple[list[int | None], list[int | None]]:
    """Two meet at 3 face sizes a second, one behind the other, and at once go back where they came from."""
    tracker = FaceTracker()
    seen: tuple[list[int | None], list[int | None]] = ([], [])
    for k in range(90):
        time_s = k / 30
        apart = 3 * SIZE * max(abs(time_s - 1.5) - 0.05, 0.0)
        found = [(0, a_face(500 - apart, 300)), (1, a_face(500 + apart, 300))]
        if iou(found[0][1], found[1][1]) > NMS_IOU:
            found = found[:1]
        appearance = None if looks is None else [looks[person] for person, _ in found]
        faces = tracker.update([face for _, face in found], time_s, appearance)
        for (person, _), face in zip(found, faces, strict=True):
            seen[person].append(face.track_id)
    return seen


def patch(seed: int) -> Appearance:
    noise = np.random.default_rng(seed).normal(size=288).astype(np.float32)
    noise -= noise.mean()
    return noise / np.linalg.norm(noise)


def test_looks_tell_two_who_turn_back_apart() -> None:
    first, second = two_who_turn_back(None)
    assert (first[-1], second[-1]) == (2, 1), "motion alone takes turning back for passing"
    first, second = two_who_turn_back({0: patch(0), 1: patch(1)})
    assert set(first) == {1} and set(second) == {2}


@pytest.mark.parametrize("fps", [30.0, 10.0, 1.0, 0.5])
def test_one_number_at_any_frame_rate(fps: float) -> None:
    rng = np.random.default_rng(0)
    tracker = FaceTracker()
    for k in range(40):
        x = 500 + 60 * np.sin(k / fps) + rng.normal(0, 2)
        assert ids(tracker.update([a_face(x, 300)], k / fps)) == [1]


@pytest.mark.parametrize(("gap_s", "expected"), [(0.3, 1), (0.9, 1), (1.2, 2)])
def test_a_loss_is_bridged_up_to_the_longest_gap(gap_s: float, expected: int) -> None:
    tracker = FaceTracker(max_gap_s=1.0)
    time_s = 0.0
    for _ in range(30):
        time_s += 1 / 30
        tracker.update([a_face(300 + 100 * time_s, 300)], time_s)
    back_s = time_s + gap_s
    while time_s + 1 / 30 < back_s - 1e-6:
        time_s += 1 / 30
        assert tracker.update([], time_s) == []
    assert ids(tracker.update([a_face(300 + 100 * back_s, 300)], back_s)) == [expected]


def test_ten_faces_keep_ten_numbers_in_any_order() -> None:
    rng = np.random.default_rng(3)
    tracker = FaceTracker()
    starts = np.array([(150 + 160 * (i % 5), 200 + 200 * (i // 5)) for i in range(10)], float)
    number: dict[int, int | None] = {}
    for k in range(150):
        places = starts + 40 * np.sin(0.1 * k + np.arange(10))[:, None] + rng.normal(0, 2, (10, 2))
        shown = [int(i) for i in rng.permutation(10) if rng.random() > 0.1]
        found = [a_face(*places[i], score=float(rng.uniform(0.78, 0.95))) for i in shown]
        for i, face in zip(shown, tracker.update(found, k / 25), strict=True):
            assert number.setdefault(i, face.track_id) == face.track_id
    assert sorted(v for v in number.values() if v is not None) == list(range(1, 11))


def test_a_cut_gives_new_numbers() -> None:
    tracker = FaceTracker()
    for k in range(30):
        before = ids(tracker.update([a_face(300, 300), a_face(700, 300)], k / 30))
    after = ids(tracker.update([a_face(400, 310), a_face(850, 250)], 1.0))
    assert (before, after) == ([1, 2], [3, 4])


def test_a_cut_to_another_face_in_the_same_place_is_seen_by_its_looks() -> None:
    tracker = FaceTracker()
    for k in range(30):
        assert ids(tracker.update([a_face(300, 300)], k / 30, [patch(0)])) == [1]
    assert ids(tracker.update([a_face(305, 302)], 1.0, [patch(1)])) == [2]


def test_a_close_up_after_a_long_shot_is_a_new_face() -> None:
    tracker = FaceTracker()
    for k in range(10):
        tracker.update([a_face(300, 300)], k / 30)
    assert ids(tracker.update([a_face(300, 300, 2.5 * SIZE)], 1 / 3)) == [2]


def test_a_jerk_of_the_head_keeps_the_number() -> None:
    tracker = FaceTracker()
    for k in range(30):
        tracker.update([a_face(300, 300)], k / 30)
    assert ids(tracker.update([a_face(300 + 0.4 * SIZE, 300)], 1.0)) == [1]


def test_a_sure_face_has_its_number_at_once_and_flicker_never() -> None:
    tracker = FaceTracker()
    assert ids(tracker.update([a_face(300, 300), a_face(700, 300, score=0.65)], 0.0)) == [1]
    for k in range(1, 20):
        flicker = [a_face(700, 300, score=0.65)] if k % 2 == 0 else []
        assert ids(tracker.update([a_face(300, 300), *flicker], k / 30)) == [1]
    tracker.update([a_face(300, 300), a_face(700, 500, score=0.65)], 20 / 30)
    assert ids(tracker.update([a_face(300, 300), a_face(700, 500, score=0.65)], 21 / 30)) == [1, 2]


def test_a_faint_face_continues_a_track_but_begins_none() -> None:
    tracker = FaceTracker()
    tracker.update([a_face(300, 300)], 0.0)
    for k in range(1, 60):
        faces = [a_face(300, 300, score=0.52), a_face(700, 300, score=0.52)]
        assert ids(tracker.update(faces, k / 30)) == [1]


def test_a_second_box_on_a_face_is_no_second_person() -> None:
    tracker = FaceTracker()
    tracker.update([a_face(300, 300)], 0.0)
    for k in range(1, 10):
        assert ids(tracker.update([a_face(300, 300), a_face(312, 305)], k / 30)) == [1]


def test_time_that_goes_back_or_jumps_starts_afresh() -> None:
    tracker = FaceTracker()
    assert ids(tracker.update([a_face(300, 300)], 100.0)) == [1]
    assert ids(tracker.update([a_face(300, 300)], 100.0)) == [1]
    assert ids(tracker.update([a_face(300, 300)], 99.99)) == [1]
    assert ids(tracker.update([a_face(300, 300)], 5.0)) == [2]
    assert ids(tracker.update([a_face(300, 300)], 5.03)) == [2]
    assert ids(tracker.update([a_face(300, 300)], 305.0)) == [3]


def test_hours_of_newcomers_are_forgotten() -> None:
    tracker = FaceTracker()
    rng = np.random.default_rng(0)
    for k in range(2000):
        tracker.update([a_face(*rng.uniform(0, 5000, 2))], k / 10)
        assert len(tracker._tracks) <= 12


def test_what_comes_back_is_the_face_given() -> None:
    given = Face(np.array([10, 20, 60, 80], np.float32), 0.9, np.ones((5, 2), np.float32))
    (face,) = FaceTracker().update([given], 0.0)
    assert face.box_xyxy is given.box_xyxy and face.landmarks is given.landmarks and face.score == 0.9
    assert given.track_id is None


def test_the_same_frames_give_the_same_numbers() -> None:
    assert cross(5, 20, 0.7, 2.0) == cross(5, 20, 0.7, 2.0)


@pytest.mark.parametrize(
    ("change", "low", "high"),
    [(lambda p: p, 0.0, 0.01), (lambda p: p // 2 + 40, 0.0, 0.02), (lambda p: p[:, ::-1], 0.3, 2.0)],
)
def test_looks_ignore_light_and_see_shape(
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]], low: float, high: float
) -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    image = np.kron(coarse, np.ones((40, 40, 1), np.uint8))
    face = Face(np.array([60, 60, 180, 180], np.float32), 0.9)
    first, second = face_appearance(image, face), face_appearance(change(image), face)
    assert first.shape == (288,) and first.dtype == np.float32
    assert np.linalg.norm(first) == pytest.approx(1.0, abs=1e-5)
    assert low <= 1 - float(first @ second) <= high


def test_looks_of_nothing_are_zero() -> None:
    flat = np.full((50, 50, 3), 90, np.uint8)
    assert not face_appearance(flat, a_face(25, 25, 20)).any()
    assert not face_appearance(flat, a_face(500, 500, 20)).any()
