"""Pictures and sound in memory: right, or refused in one line that names what was given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emofuse.errors import UsageError
from emofuse.media.arrays import Pixels, sound_of

RGB = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) * 10


@pytest.mark.parametrize(
    "given",
    [
        RGB,
        RGB.astype(np.int64),
        RGB.astype(np.float32),
        RGB.astype(np.float64) / 255,
        RGB.astype(np.uint16) * 257,
        np.dstack([RGB, np.full((2, 4), 255, np.uint8)]),
        np.dstack([RGB / 255, np.ones((2, 4))]),
    ],
)
def test_a_picture_of_any_number_is_the_same(given: Any) -> None:
    found = Pixels(given).rgb()
    np.testing.assert_array_equal(found, RGB)
    assert found.dtype == np.uint8 and found.flags.c_contiguous


def test_grey_truth_alpha_and_the_order_of_colours() -> None:
    np.testing.assert_array_equal(Pixels(RGB[..., 0]).rgb(), np.repeat(RGB[..., :1], 3, axis=2))
    np.testing.assert_array_equal(Pixels(RGB[..., :1]).rgb(), np.repeat(RGB[..., :1], 3, axis=2))
    assert Pixels(np.array([[True, False]])).rgb()[0].tolist() == [[255] * 3, [0] * 3]
    assert Pixels(np.zeros((1, 1, 4), np.uint8)).rgb()[0, 0].tolist() == [255] * 3
    np.testing.assert_array_equal(Pixels(RGB[..., ::-1], channels="bgr").rgb(), RGB)


def test_a_dark_picture_of_a_film_stays_dark() -> None:
    film = np.stack([np.full((2, 2, 3), 0.0), np.full((2, 2, 3), 1.0), np.full((2, 2, 3), 200.0)])
    pixels = Pixels(film, n_dims=4)
    assert [int(pixels.rgb(i).max()) for i in range(len(pixels))] == [0, 1, 200]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((0, 4, 3), np.uint8), "is empty: (0, 4, 3)"),
        (np.zeros((3, 4, 5)), "not (3, 4, 5) (colours come last: array.transpose(1, 2, 0))"),
        (np.zeros((2, 4, 7)), "(H, W, 3) is expected, not (2, 4, 7)"),
        (np.zeros((2, 2, 4, 3)), "(H, W, 3) is expected"),
        (np.full((2, 2, 3), np.nan), "holds NaN"),
        (np.full((2, 2, 3), -0.5), "values from -0.5 to -0.5 are no colours"),
        (np.full((2, 2, 3), 300), "values from 300 to 300 are no colours"),
        (np.array([["a"]]), "pixels are numbers, not <U1"),
        (np.zeros((2, 2, 3), complex), "pixels are numbers, not complex128"),
    ],
)
def test_what_is_no_picture_is_named(given: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        Pixels(given, "mine").rgb()
    assert says in str(caught.value) and "mine" in str(caught.value)


TONE = np.sin(np.arange(800) / 5).astype(np.float32) / 2


@pytest.mark.parametrize(
    ("given", "off"),
    [
        (TONE, 0.0),
        (TONE.astype(np.float64), 1e-7),
        (np.round(TONE * 32_768).astype(np.int16), 1e-4),
        (np.round(TONE.astype(np.float64) * 2**31).astype(np.int32), 1e-7),
        (np.round(TONE * 128 + 128).astype(np.uint8), 1e-2),
    ],
)
def test_sound_of_any_number_is_the_same(given: Any, off: float) -> None:
    found, rate_hz = sound_of(given, 8_000.0)
    assert found.dtype == np.float32 and rate_hz == 8_000 and np.abs(found - TONE).max() <= off


def test_channels_come_first_or_last() -> None:
    stereo = np.stack([TONE, -TONE], axis=1)
    for given in (stereo, stereo.T):
        np.testing.assert_array_equal(sound_of(given, 48_000)[0], stereo)


def test_a_few_samples_that_are_no_number_are_silence_and_loud_ones_are_scaled() -> None:
    broken = TONE.copy()
    broken[3:5] = np.nan, np.inf
    assert sound_of(broken, 16_000)[0][3:5].tolist() == [0, 0]
    assert np.abs(sound_of(TONE * 4, 16_000)[0]).max() == 1


@pytest.mark.parametrize(
    ("given", "rate", "says"),
    [
        (TONE[:0], 16_000, "the sound is empty: (0,)"),
        (TONE, 0, "0 Hz is not a valid sample rate"),
        (TONE, float("nan"), "nan Hz is not a valid sample rate"),
        (TONE, 22_050.5, "22050.5 Hz"),
        (TONE, 10**7, "a whole number from 1,000 to 768,000"),
        (np.full(100, np.nan), 16_000, "100% of the samples are NaN"),
        (TONE * 20_000, 16_000, "go up to 10000, and their full scale is 1 (divide what was int16 by 32768"),
        (np.zeros(9, np.int64), 16_000, "samples of int64: their full scale is not known"),
        (np.zeros((20, 20)), 16_000, "sound of shape (20, 20)"),
        (np.zeros((2, 2, 2)), 16_000, "sound of shape (2, 2, 2)"),
    ],
)
def test_what_is_no_sound_is_named(given: Any, rate: Any, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        sound_of(given, rate)
    assert says.replace("10000", f"{np.abs(TONE * 20_000).max():g}") in str(caught.value)
