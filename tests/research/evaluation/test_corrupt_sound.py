"""Sound is corrupted as the condition tells, stays where it is in time, and the same seed gives the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emofuse.research.evaluation.protocols.conditions import CONDITIONS
from emofuse.research.evaluation.protocols.corrupt_sound import (
    AAC,
    MP3,
    OPUS,
    TELEPHONE,
    Codec,
    Surroundings,
    add_babble,
    add_noise,
    amplify,
    cut_peaks,
    put_in_room,
    through_codec,
    through_telephone,
)
from make_networks import speech

SOUND = speech(1.0)


def around(seed: int = 1, *voices: NDArray[np.float32]) -> Surroundings:
    return Surroundings(torch.Generator().manual_seed(seed), voices)


def decibels(part: NDArray[np.float32], whole: NDArray[np.float32]) -> float:
    return float(10 * np.log10(np.square(whole).mean() / np.square(part).mean()))


@pytest.mark.parametrize("snr", [0, 10, 20])
def test_noise_and_babble_lie_as_far_below_as_is_said(snr: int) -> None:
    assert decibels(add_noise(snr)(SOUND, around()) - SOUND, SOUND) == pytest.approx(snr, abs=0.1)
    other = 0.2 * np.sin(np.arange(5_000) / 3).astype(np.float32)  # shorter: it begins anew
    assert decibels(add_babble(snr)(SOUND, around(1, other, other[::-1])) - SOUND, SOUND) == pytest.approx(snr, abs=0.1)


def test_the_seed_decides() -> None:
    first = add_noise(10)(SOUND, around(3))
    np.testing.assert_array_equal(add_noise(10)(SOUND, around(3)), first)
    assert not np.array_equal(add_noise(10)(SOUND, around(4)), first)


def test_a_telephone_leaves_its_band_alone() -> None:
    times = np.arange(16_000) / 16_000
    tones = {hertz: 0.3 * np.sin(2 * np.pi * hertz * times).astype(np.float32) for hertz in (100, 1000, 6000)}
    lost = {hertz: decibels(through_telephone(tone, around()), tone) for hertz, tone in tones.items()}
    assert abs(lost[1000]) < 0.1
    assert lost[100] > 40 and lost[6000] > 30


def test_a_room_rings_after_a_click_as_long_as_is_said() -> None:
    click = np.zeros(16_000, np.float32)
    click[100] = 0.5
    heard = put_in_room(0.3, 0.0)(click, around())
    assert heard[100] == pytest.approx(0.5, abs=1e-4)
    assert np.abs(heard[:100]).max() < 1e-4
    tail = np.square(heard[101:])
    fall = 10 * np.log10(tail[:800].sum() / tail[2400:3200].sum())  # 0.15 s later: half of 60 dB
    assert fall == pytest.approx(30, abs=3)


def test_gain_and_clipping() -> None:
    assert decibels(amplify(-20)(SOUND, around()), SOUND) == pytest.approx(20, abs=0.01)
    assert np.abs(amplify(40)(SOUND, around())).max() == 1.0
    assert np.abs(cut_peaks(0.1)(SOUND, around())).max() == pytest.approx(0.1 * np.abs(SOUND).max())


@pytest.mark.parametrize("codec", [OPUS, MP3, AAC, TELEPHONE], ids=lambda codec: codec.encoder)
def test_a_codec_changes_sound_and_not_its_time(codec: Codec) -> None:
    chirp = 0.3 * np.sin(np.cumsum(np.linspace(0.1, 0.9, 16_000))).astype(np.float32)
    coded = through_codec(chirp, codec)
    assert coded.shape == chirp.shape and coded.dtype == np.float32
    assert not np.array_equal(coded, chirp)
    lags = np.correlate(coded[3_000:13_000], chirp[4_000:12_000], "valid")
    assert abs(int(lags.argmax()) - 1_000) <= 1
    assert float(np.corrcoef(coded[4_000:12_000], chirp[4_000:12_000])[0, 1]) > 0.9


def test_every_condition_has_a_name_of_its_own_and_keeps_the_length() -> None:
    assert len({one.name for one in CONDITIONS}) == len(CONDITIONS)
    for one in CONDITIONS:
        if one.sound is not None:
            changed = one.sound(SOUND[:8_000], around(1, SOUND))
            assert changed.shape == (8_000,) and changed.dtype == np.float32, one.name
            assert np.abs(changed).max() <= 1, one.name
            assert not np.array_equal(changed, SOUND[:8_000]), one.name
