"""Batches of clips: frames, sound from the same place, what is absent, and what a seed decides."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch

from emofuse.research.corpora.face_clips import FaceClip
from emofuse.research.models.frontends import RATE_HZ
from emofuse.research.recipes.data import SoundSettings, VideoDataSettings
from emofuse.research.tasks.batches import one_hot, test_loader, train_loader
from emofuse.research.tasks.clip_dataset import VideoBatches

test_loader.__test__ = False  # a function of that name, not a test

STORED = 128  # for frames of 112
STILL = {"flip": 0, "crop": 0, "colour": 0, "time_jitter": 0, "drop": 0, "sound": SoundSettings(window_s=1.0)}


def settings(**changes: object) -> VideoDataSettings:
    return VideoDataSettings.model_validate({**STILL, "n_frames": 4, **changes})


def face_clip(n: int, rate_hz: float = 10.0, slope: int = 0) -> FaceClip:
    """Make a clip in which picture i is as grey as 10 (i + 1), or rises from 60 by `slope` a pixel to the right."""
    jpegs = []
    for i in range(n):
        row = np.full(STORED, 10 * (i + 1)) if not slope else 60 + slope * np.arange(STORED)
        picture = np.broadcast_to(row[None, :, None], (STORED, STORED, 3)).astype(np.uint8)
        jpegs.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].reshape(-1))
    ends = np.cumsum([len(jpeg) for jpeg in jpegs])
    return FaceClip(np.concatenate(jpegs), ends, np.arange(n) / rate_hz, STORED, n, 1, False)


def batches(
    clips: Sequence[FaceClip | None], is_training: bool = False, sounds: object = None, **changes: object
) -> VideoBatches:
    targets = one_hot(np.arange(len(clips)) % 3, 3)
    return VideoBatches(clips, targets, settings(**changes), is_training, sounds)  # type: ignore[arg-type]


def seen(frames: torch.Tensor) -> list[list[int]]:
    """Return which picture each frame of each clip is, -1 for a black one."""
    return [[round(float(frame) / 10) - 1 for frame in clip] for clip in frames.float().mean(dim=(2, 3, 4))]


def ramp(duration_s: float) -> np.ndarray:
    """Make a sound whose samples say at which hundredth of a second they are: 1, 2, ..."""
    return (np.arange(round(duration_s * RATE_HZ)) // (RATE_HZ // 100) + 1).astype(np.int16)


def heard(samples: torch.Tensor) -> list[tuple[int, int]]:
    """Return the hundredths of a second that each window begins and ends in."""
    whole = np.round(samples.numpy() * 32768).astype(int)
    return [(int(window[0]), int(window[-1])) for window in whole]


def test_frames_are_chosen_by_the_settings_in_testing() -> None:
    data = batches([face_clip(8), face_clip(3), face_clip(20)], sampling="uniform")
    x, y = data.__getitems__([2, 0])
    assert isinstance(x, torch.Tensor)
    assert x.shape == (2, 4, 112, 112, 3)
    assert x.dtype == torch.uint8
    assert seen(x) == [[2, 7, 12, 17], [1, 3, 5, 7]]
    assert y.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert len(data) == 3
    one, target = data[1]
    assert one.shape == (4, 112, 112, 3)
    assert target.tolist() == [0, 1, 0]
    first = batches([face_clip(3)], sampling="first", rate_hz=10)[0][0]
    assert seen(first[None]) == [[0, 1, 2, -1]]
    assert (first[3] == 0).all()
    assert seen(batches([face_clip(9)], sampling="strided", stride=2, rate_hz=10)[0][0][None]) == [[1, 3, 5, 7]]


@pytest.mark.parametrize("is_training", [False, True])
def test_first_and_strided_count_in_the_recipes_pictures_a_second_not_in_the_films(is_training: bool) -> None:
    still = {"is_training": is_training, "time_jitter": 0.0, "drop": 0.0, "crop": 0.0}
    first = {"sampling": "first", "rate_hz": 10.0, **still}
    assert seen(batches([face_clip(20, rate_hz=20)], **first)[0][0][None]) == [[0, 2, 4, 6]]
    assert seen(batches([face_clip(5, rate_hz=20)], **first)[0][0][None]) == [[0, 2, 4, -1]]
    assert seen(batches([face_clip(3, rate_hz=5)], **first)[0][0][None]) == [[0, 0, 1, 1]]
    strided = {"sampling": "strided", "stride": 2, "rate_hz": 10.0, **still}
    assert seen(batches([face_clip(13, rate_hz=20)], **strided)[0][0][None]) == [[0, 4, 8, 12]]


def test_in_testing_nothing_is_drawn() -> None:
    data = batches([face_clip(12, slope=1)], sounds=[ramp(3.0)], crop=0.2, time_jitter=1.0, drop=0.9, flip=1)
    before = data[0][0]
    data.reseed(5, 5)
    assert all(torch.equal(a, b) for a, b in zip(before, data[0][0], strict=True))


def test_in_training_seed_and_epoch_decide_the_frames_and_the_place() -> None:
    data = batches([face_clip(12, slope=1)] * 8, is_training=True, crop=0.1, time_jitter=0.5, drop=0.2)

    def drawn(seed: int, epoch: int) -> torch.Tensor:
        data.reseed(seed, epoch)
        x, _ = data.__getitems__(range(8))
        assert isinstance(x, torch.Tensor)
        return x

    assert torch.equal(drawn(1, 2), drawn(1, 2))
    assert not torch.equal(drawn(1, 2), drawn(1, 3))
    assert not torch.equal(drawn(1, 2), drawn(2, 2))
    places = drawn(0, 0)[:, :, 50, 56].float().mean(dim=2)  # of the slope: 60 + 8 + 56 where nothing is moved
    assert (places - places[:, :1]).abs().max() < 2  # the same in all frames of a clip
    off = places[:, 0] - 124
    assert off.abs().max() <= 12
    assert off.std() > 2


@pytest.mark.parametrize(
    ("switch", "changes"), [({"drop": 0.5}, True), ({"time_jitter": 1.0}, True), ({"flip": 1, "colour": 0.5}, False)]
)
def test_which_frames_are_seen_is_each_switchs_own(switch: dict[str, float], changes: bool) -> None:
    clip = face_clip(20)
    plain = batches([clip], is_training=True)[0][0]
    others = batches([clip], is_training=True, **switch)
    drawn = [others[0][0] for _ in range(5)]
    assert any(not torch.equal(one, plain) for one in drawn) == changes  # sides and colours are for whole batches


def test_the_sound_is_of_the_frames_place() -> None:
    clip = face_clip(20)  # 2 s
    cases = [
        ({"sampling": "first"}, (1, 100)),  # frames of 0 to 0.3 s
        ({"sampling": "strided", "stride": 2}, (66, 165)),  # of 0.7 to 1.3 s, to its rounding
        ({"sampling": "uniform"}, (101, 200)),  # of all: the middle of the sound
    ]
    for changes, expected in cases:
        data = batches([clip], sounds=[ramp(3.0)], **changes)
        inputs, _ = data.__getitems__([0])
        frames, samples, present = inputs
        assert frames.shape == (1, 4, 112, 112, 3)
        assert samples.shape == (1, RATE_HZ)
        assert samples.dtype == torch.float32
        assert np.abs(np.array(heard(samples)[0]) - expected).max() <= 1 + 15 * ("stride" in changes)
        assert present.tolist() == [[1.0, 1.0]]


def test_a_strided_clips_sound_moves_with_it_in_training() -> None:
    data = batches([face_clip(20)], is_training=True, sounds=[ramp(3.0)], sampling="strided", stride=1, rate_hz=10)
    begins = set()
    for _ in range(40):
        frames, samples, _ = data.__getitems__([0])[0]
        centre = 10 * np.mean(seen(frames)[0])  # hundredths
        begin = heard(samples)[0][0]
        assert begin == pytest.approx(max(1, centre - 50 + 1), abs=1)
        begins.add(begin)
    assert len(begins) > 5


def test_a_uniform_clips_sound_is_of_anywhere_in_training() -> None:
    data = batches([face_clip(20)], is_training=True, sounds=[ramp(3.0)], sampling="uniform")
    begins = [heard(data.__getitems__([0])[0][1])[0][0] for _ in range(100)]
    assert min(begins) < 20
    assert max(begins) > 180
    assert max(begins) <= 201


def test_a_short_sound_is_padded_at_its_end() -> None:
    for sampling in ("first", "uniform", "strided"):
        _, samples, _ = batches([face_clip(20)], sounds=[ramp(0.4)], sampling=sampling).__getitems__([0])[0]
        assert heard(samples[:, :6400]) == [(1, 40)]
        assert (samples[:, 6400:] == 0).all()


def test_what_is_absent_is_zeros_and_said() -> None:
    data = batches([face_clip(8), None, None], sounds=[None, ramp(2.0), ramp(0.5)], sampling="strided")
    frames, samples, present = data.__getitems__([0, 1, 2])[0]
    assert present.dtype == torch.float32
    assert present.tolist() == [[1, 0], [0, 1], [0, 1]]
    assert (frames[1:] == 0).all()
    assert (frames[0] != 0).all()
    assert (samples[0] == 0).all()
    assert heard(samples[1:2]) == [(51, 150)]  # without frames to go by, the middle
    one, _ = data[1]
    assert [part.shape for part in one] == [(4, 112, 112, 3), (RATE_HZ,), (2,)]


def test_samples_are_scaled_to_one() -> None:
    loud = np.array([-32768, 16384] * 8000, np.int16)
    _, samples, _ = batches([None], sounds=[loud]).__getitems__([0])[0]
    assert samples[0, :2].tolist() == [-1.0, 0.5]


def test_lists_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="1 clips, 1 targets, 2 sounds"):
        batches([None], sounds=[None, None])
    with pytest.raises(ValueError, match="2 clips, 1 targets"):
        VideoBatches([None, None], one_hot(np.zeros(1, np.int64), 2), settings(), False)


def test_loaders_hand_out_whole_batches_that_an_epoch_decides() -> None:
    clips = [face_clip(3 + i) for i in range(5)]
    data = batches(clips, is_training=True, sounds=[ramp(2.0)] * 5, time_jitter=1.0)

    def epoch(number: int) -> list[torch.Tensor]:
        loader = train_loader(data, 2, seed=1)
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        return [inputs[0] for inputs, _ in loader]

    assert [len(frames) for frames in epoch(0)] == [2, 2]
    assert all(torch.equal(a, b) for a, b in zip(epoch(1), epoch(1), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(epoch(1), epoch(2), strict=True))
    tested = list(test_loader(batches(clips), 2))
    assert [len(frames) for frames, _ in tested] == [2, 2, 1]
    assert torch.cat([target for _, target in tested]).argmax(1).tolist() == [0, 1, 2, 0, 1]
