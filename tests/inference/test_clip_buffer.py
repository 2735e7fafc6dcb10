"""Which pictures of whom a clip network is shown, on streams whose pictures say when they are from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from numpy.typing import NDArray

from emofuse.inference.clip_buffer import ClipBuffer, MainFaceSelector
from emofuse.types import Face
from make_networks import clip_spec

FPS = 30


def person(track_id: int = 1, size: float = 60.0, score: float = 0.9, left: float = 20.0) -> Face:
    box = np.array([left, 20, left + size, 20 + size], np.float32)
    return Face(box, score, None, track_id)


def picture(number: int) -> NDArray[np.uint8]:
    """A picture that is as grey as its number, from 1."""
    return np.full((100, 160, 3), number % 255 + 1, np.uint8)


def numbers(frames: NDArray[np.uint8]) -> list[int]:
    """Of which pictures the frames are; -1 for a black one."""
    assert (frames == frames[:, :1, :1, :1]).all()
    return [int(value) - 1 for value in frames[:, 0, 0, 0]]


def watched(buffer: ClipBuffer, times: Iterable[float], faces: tuple[Face, ...] = (person(),), first: int = 0) -> None:
    for number, time_s in enumerate(times, start=first):
        buffer.push(picture(number), faces, time_s)


def seconds(n: int, fps: float = FPS, start_s: float = 0.0) -> list[float]:
    return [start_s + i / fps for i in range(n)]


def test_uniform_takes_the_middles_of_equal_parts_of_the_window() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, window_s=2.0))
    watched(buffer, seconds(121))  # the newest is at 4 s: the window is 2 to 4, pictures 60 to 120
    window = buffer.window(4.0)
    assert window is not None and window.n_real == 4
    assert window.frames.shape == (4, 16, 16, 3) and window.frames.dtype == np.uint8
    assert numbers(window.frames) == pytest.approx([67.5, 82.5, 97.5, 112.5], abs=0.5)
    assert window.start_s == pytest.approx(2.25, abs=0.02)


def test_uniform_repeats_the_oldest_where_the_stream_has_not_begun() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, window_s=2.0))
    watched(buffer, seconds(31))
    window = buffer.window(1.0)
    assert window is not None and window.n_real == 4
    assert numbers(window.frames) == pytest.approx([0, 0, 7.5, 22.5], abs=0.5)


def test_first_takes_the_last_pictures_in_a_row() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=5, sampling="first", stride=3, window_s=0.5))
    watched(buffer, seconds(61))
    window = buffer.window(2.0)
    assert window is not None
    assert numbers(window.frames) == [56, 57, 58, 59, 60]


def test_first_has_black_frames_after_a_clip_that_is_shorter() -> None:
    """As in training: `choose_frames` puts them there."""
    buffer = ClipBuffer(clip_spec(n_frames=5, sampling="first", window_s=0.5))
    watched(buffer, seconds(3))
    window = buffer.window(0.1)
    assert window is not None and window.n_real == 3
    assert numbers(window.frames) == [0, 1, 2, -1, -1]


def test_strided_takes_pictures_apart_by_time_and_repeats_the_oldest() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, sampling="strided", stride=2, window_s=0.3))
    watched(buffer, seconds(3))
    early = buffer.window(0.1)
    watched(buffer, seconds(57, start_s=3 / FPS), first=3)
    late = buffer.window(2.0)
    assert early is not None and numbers(early.frames) == [0, 0, 0, 2]
    assert late is not None and numbers(late.frames) == [53, 55, 57, 59]


@pytest.mark.parametrize(("fps", "expected"), [(15, [22, 23, 24, 25]), (60, [88, 92, 96, 100]), (5, [7, 7, 8, 8])])
def test_time_decides_at_any_frame_rate(fps: int, expected: list[int]) -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, sampling="strided", stride=2, window_s=0.3))
    watched(buffer, seconds(expected[-1] + 1, fps))
    window = buffer.window(expected[-1] / fps)
    assert window is not None and numbers(window.frames) == expected


@pytest.mark.parametrize("decimals", [3, 9])
@pytest.mark.parametrize("fps", [25.0, 29.97, 30.0, 33.3, 50.0, 60.0, 240.0])
def test_no_more_than_30_crops_a_second_and_no_less_where_there_are(fps: float, decimals: int) -> None:
    buffer = ClipBuffer(clip_spec(n_frames=64, window_s=2.0))
    watched(buffer, [round(t, decimals) for t in seconds(round(4 * fps), fps)])
    assert 0.9 * min(fps, 30) * 2 <= len(buffer._crops) <= 30 * 2 + 2


def test_memory_is_bounded_whatever_the_stream_does() -> None:
    for spec in (clip_spec(n_frames=4, window_s=6.0), clip_spec(sampling="first", n_frames=20, window_s=1.0)):
        buffer = ClipBuffer(spec)
        rng = np.random.default_rng(0)
        steps = rng.choice([0.0, 0.001, 0.01, 0.1, 0.9, -3.0], 900, p=[0.1, 0.3, 0.4, 0.17, 0.025, 0.005])
        time_s, most = 0.0, 0
        for number, step_s in enumerate(steps):
            time_s += float(step_s)
            strangers = [person(100 + number, 20.0)] if rng.random() < 0.5 else []
            buffer.push(picture(number), (person(number // 300), *strangers), time_s)
            most = max(most, len(buffer._crops))
            assert len(buffer._front._presence) <= 500
        assert 10 < most <= 33


def test_in_a_short_loss_the_place_is_watched_and_a_long_one_ends_it() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, sampling="strided", stride=2, window_s=0.5))
    watched(buffer, seconds(31))
    watched(buffer, seconds(27, start_s=31 / FPS), faces=(), first=31)
    short = buffer.window(1.9)
    assert short is not None and numbers(short.frames) == [51, 53, 55, 57]  # as in training
    watched(buffer, seconds(10, start_s=58 / FPS), first=58)  # back after 0.93 s
    again = buffer.window(68 / FPS)
    assert again is not None and numbers(again.frames) == [61, 63, 65, 67]
    watched(buffer, seconds(35, start_s=68 / FPS), faces=(), first=68)
    assert buffer.window(103 / FPS) is None
    assert buffer.front_id is None and len(buffer._crops) == 0


def test_a_picture_that_stops_is_a_loss_too() -> None:
    buffer = ClipBuffer(clip_spec())
    watched(buffer, seconds(30))
    assert buffer.window(1.9) is not None
    assert buffer.window(2.1) is None


def test_quality_is_the_share_of_the_time_in_which_the_face_was_found_times_its_quality() -> None:
    def quality(*found: tuple[int, bool], spec_s: float = 2.0, fps: float = 30.0, size: float = 60.0) -> float:
        buffer = ClipBuffer(clip_spec(window_s=spec_s))
        shown = [is_there for n, is_there in found for _ in range(n)]
        for i, is_there in enumerate(shown):
            buffer.push(picture(i), (person(size=size),) if is_there else (), i / fps)
        window = buffer.window((len(shown) - 1) / fps)
        assert window is not None
        return window.quality

    whole = quality((90, True))
    assert whole == pytest.approx(0.9 * 0.8, abs=0.02)  # the detector's score, and no landmarks
    assert quality((60, True), (15, False), (15, True)) == pytest.approx(0.75 * whole, abs=0.02)
    assert quality((30, True)) == pytest.approx(0.5 * whole, abs=0.02)  # the stream is half as long as the window
    assert quality((20, True), fps=5.0) == pytest.approx(whole, abs=0.02)
    assert quality((90, True), size=24.0) == pytest.approx(0.5 * whole, abs=0.02)


def test_the_first_picture_of_a_person_is_told() -> None:
    buffer = ClipBuffer(clip_spec())
    assert not buffer.push(picture(0), (), 0.0)
    assert buffer.push(picture(1), (person(),), 0.1)
    assert not buffer.push(picture(2), (person(),), 0.2)


def test_a_clock_that_goes_back_starts_afresh() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=2))
    watched(buffer, seconds(30, start_s=100.0))
    watched(buffer, seconds(5), faces=(person(7),), first=200)
    window = buffer.window(5 / FPS)
    assert window is not None and set(numbers(window.frames)) <= set(range(200, 205))


def test_the_larger_of_two_is_watched_and_a_change_clears_the_buffer() -> None:
    buffer = ClipBuffer(clip_spec(n_frames=4, window_s=1.0))
    near, far = person(1, 60.0), person(2, 30.0, left=100.0)
    watched(buffer, seconds(30), (far, near))
    assert buffer.front_id == 1
    watched(buffer, seconds(60, start_s=1.0), (person(2, 90.0), person(1, 40.0)), first=30)  # the other comes nearer
    assert buffer.front_id == 2
    crops = len(buffer._crops)
    assert 0 < crops < 60
    window = buffer.window(89 / FPS)
    assert window is not None and min(numbers(window.frames)) >= 30


def test_who_is_in_front_does_not_flicker() -> None:
    for seed in range(5):
        front, rng = MainFaceSelector(), np.random.default_rng(seed)
        chosen = []
        for i in range(250):
            faces = [person(k, 60.0 * float(np.exp(rng.normal(0, 0.05)))) for k in (1, 2)]
            front.update([face for face in faces if rng.random() > 0.1], i / 25)  # each is missed now and then
            chosen.append(front.track_id)
        assert len({*chosen} - {None}) == 1


def test_a_passer_by_is_not_watched_and_after_a_cut_the_new_face_soon_is() -> None:
    front = MainFaceSelector()
    for i in range(50):
        front.update([person(1)], i / 25)
    for i in range(50, 60):  # hidden for 0.4 s, while somebody further away is seen
        assert front.update([person(2, 35.0)], i / 25) is None
    assert front.track_id == 1
    front.update([person(1), person(2, 35.0)], 60 / 25)
    for i in range(61, 80):
        front.update([person(3)], i / 25)
    assert front.track_id == 3
