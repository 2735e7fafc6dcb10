"""Augmentation: what each setting does, how far it may go, and that nothing is left of it at 0."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from emofuse.research.models.frontends import MEL_STEP
from emofuse.research.recipes.data import FaceDataSettings, VoiceDataSettings
from emofuse.research.tasks.augment import (
    augment_faces,
    augment_log_mel,
    augment_speech,
    mask_time,
    shift_and_stretch,
    speech_augmentation,
    uniform,
)

STILL_FACE = FaceDataSettings(rotate_deg=0, scale=0, shift=0, shear=0, contrast=0, blur=0, noise=0, erase=0)
STILL_VOICE = VoiceDataSettings(gain_db=0, noise=0, stretch=0, warp=0, equalise_db=0, time_masks=0, mel_masks=0)


def seeded(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


def faces(n: int = 64) -> Tensor:
    """Make smooth pictures that no mirror leaves as they are: (n, 1, 48, 48) in [40, 215]."""
    coarse = torch.rand(n, 1, 5, 5, generator=seeded(1))
    return 40 + 175 * torch.nn.functional.interpolate(coarse, size=48, mode="bilinear")


def speech(n: int = 32, n_samples: int = 16_000) -> Tensor:
    return 0.1 * torch.randn(n, n_samples, generator=seeded(2))


def face_settings(**changes: float) -> FaceDataSettings:
    return STILL_FACE.model_copy(update=changes)


def voice_settings(**changes: object) -> VoiceDataSettings:
    return STILL_VOICE.model_copy(update=changes)


def unflipped(out: Tensor, original: Tensor) -> Tensor:
    """Turn back what was mirrored: whichever of both is nearer to the original."""
    mirrored = out.flip(-1)
    is_nearer = (mirrored - original).abs().mean((1, 2, 3)) < (out - original).abs().mean((1, 2, 3))
    return torch.where(is_nearer[:, None, None, None], mirrored, out)


def test_what_is_around_a_face_is_moved_into_the_picture_and_not_scaled() -> None:
    wide = torch.nn.functional.pad(faces(8), (6, 6, 6, 6), mode="replicate")
    assert torch.allclose(unflipped(augment_faces(wide, STILL_FACE, seeded()), faces(8)), faces(8), atol=1e-3)
    ring = torch.full((200, 1, 60, 60), 255.0)
    ring[:, :, 6:54, 6:54] = 0  # only what is around the face is bright
    assert augment_faces(ring, STILL_FACE, seeded()).max() < 130  # half a pixel of it at most, by interpolation
    assert augment_faces(ring, face_settings(shift=0.1), seeded()).amax(dim=(1, 2, 3)).median() > 250


def test_light_comes_from_one_side_as_far_as_it_may() -> None:
    grey = torch.full((300, 1, 48, 48), 100.0)
    out = augment_faces(grey, face_settings(slope=0.3), seeded())[:, 0]
    assert 155 < out.max() <= 160 and 40 <= out.min() < 45  # both slopes at their largest in a corner
    assert out.mean(dim=(1, 2)).sub(100).abs().max() < 0.1
    assert out[:, 24].diff(dim=1).std(dim=1).max() < 1e-3  # linear


def test_uniform_stays_between_its_bounds() -> None:
    values = uniform((10_000,), -2.0, 3.0, seeded())
    assert -2.0 <= values.min() < -1.9
    assert 2.9 < values.max() <= 3.0


def test_at_zero_a_face_is_itself_or_its_mirror_image() -> None:
    before = faces()
    out = augment_faces(before, STILL_FACE, seeded())
    is_same = (out - before).abs().amax((1, 2, 3)) < 0.05
    is_mirrored = (out - before.flip(-1)).abs().amax((1, 2, 3)) < 0.05
    assert (is_same ^ is_mirrored).all()
    assert 20 < int(is_mirrored.sum()) < 44  # half of 64


def test_faces_keep_their_form_and_range() -> None:
    out = augment_faces(faces(), FaceDataSettings(), seeded())
    assert out.shape == (64, 1, 48, 48)
    assert out.dtype == torch.float32
    assert out.min() >= 0 and out.max() <= 255


def test_the_seed_decides() -> None:
    first = augment_faces(faces(), FaceDataSettings(), seeded(3))
    assert torch.equal(augment_faces(faces(), FaceDataSettings(), seeded(3)), first)
    assert not torch.equal(augment_faces(faces(), FaceDataSettings(), seeded(4)), first)


@pytest.mark.parametrize(
    "change", [{"rotate_deg": 20}, {"scale": 0.2}, {"shift": 0.1}, {"shear": 0.2}, {"contrast": 0.3}, {"noise": 0.1}]
)
def test_each_setting_changes_faces_by_itself(change: dict[str, float]) -> None:
    before = faces()
    out = unflipped(augment_faces(before, face_settings(**change), seeded()), before)
    assert ((out - before).abs().amax((1, 2, 3)) > 2).float().mean() > 0.8


def test_the_batch_itself_is_left_alone() -> None:
    before = faces()
    augment_faces(before, FaceDataSettings(blur=1.0), seeded())
    assert torch.equal(before, faces())


def test_a_shift_is_a_fraction_of_the_picture() -> None:
    dot = torch.zeros(500, 1, 48, 48)
    dot[:, :, 23:25, 23:25] = 255
    out = augment_faces(dot, face_settings(shift=0.1), seeded())[:, 0]
    places = torch.arange(48.0)
    y = (out.sum(2) * places).sum(1) / out.sum((1, 2)) - 23.5
    x = (out.sum(1) * places).sum(1) / out.sum((1, 2)) - 23.5
    for moved in (x, y):
        assert moved.abs().max() <= 4.8 + 0.05  # a tenth of 48
        assert moved.abs().max() > 4.3
        assert moved.mean().abs() < 0.5


def test_a_rotation_is_in_degrees() -> None:
    bar = torch.zeros(300, 1, 48, 48)
    bar[:, :, 23:25, 4:44] = 255
    out = augment_faces(bar, face_settings(rotate_deg=30), seeded())[:, 0]
    y, x = torch.meshgrid(torch.arange(48.0) - 23.5, torch.arange(48.0) - 23.5, indexing="ij")
    angle = 0.5 * torch.atan2(2 * (out * x * y).sum((1, 2)), (out * (x * x - y * y)).sum((1, 2))) * 180 / math.pi
    assert 28 < angle.abs().max() < 30.5
    assert angle.mean().abs() < 4


def test_noise_is_a_fraction_of_full_scale() -> None:
    grey = torch.full((200, 1, 48, 48), 128.0)
    deviation = augment_faces(grey, face_settings(noise=0.1), seeded()).std(dim=(1, 2, 3))
    assert deviation.max() < 0.1 * 255 * 1.05
    assert deviation.mean() == pytest.approx(0.05 * 255, rel=0.15)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_an_erased_rectangle_comes_as_often_as_asked_and_is_no_more_than_a_fifth(probability: float) -> None:
    grey = torch.full((400, 1, 48, 48), 128.0)
    changed = (augment_faces(grey, face_settings(erase=probability), seeded()) - 128).abs() > 0.01
    share = changed.float().mean((1, 2, 3))
    assert (share > 0).float().mean() == pytest.approx(probability, abs=0.08)
    assert share.max() <= 0.25  # a fifth, and what rounding to pixels adds


def test_blur_takes_fine_detail_and_leaves_the_mean() -> None:
    fine = 255 * torch.rand(50, 1, 48, 48, generator=seeded(5))
    out = augment_faces(fine, face_settings(blur=1.0), seeded())
    assert (out.std(dim=(1, 2, 3)) < 0.9 * fine.std(dim=(1, 2, 3))).all()
    torch.testing.assert_close(out.mean((1, 2, 3)), fine.mean((1, 2, 3)), atol=4, rtol=0)


def test_at_zero_speech_is_itself() -> None:
    assert torch.equal(augment_speech(speech(), STILL_VOICE, seeded()), speech())


def test_the_gain_is_within_its_decibels() -> None:
    out = augment_speech(speech(200), voice_settings(gain_db=6.0), seeded())
    gain_db = 20 * torch.log10(out.std(1) / speech(200).std(1))
    assert gain_db.abs().max() <= 6.001
    assert gain_db.max() > 5 and gain_db.min() < -5
    shape = out / out.std(1, keepdim=True) - speech(200) / speech(200).std(1, keepdim=True)
    assert shape.abs().max() < 1e-4  # a gain and nothing else


def test_noise_is_added_at_the_ratio_asked_for() -> None:
    before = speech(200)
    noise = augment_speech(before, voice_settings(noise=1.0, snr_db=(5.0, 20.0)), seeded()) - before
    snr_db = 10 * torch.log10(before.square().mean(1) / noise.square().mean(1))
    assert 4.99 <= snr_db.min() < 6 and 19 < snr_db.max() <= 20.01
    assert snr_db.mean() == pytest.approx(12.5, abs=1.0)


def test_noise_comes_as_often_as_asked() -> None:
    before = speech(400, 2_000)
    out = augment_speech(before, voice_settings(noise=0.25), seeded())
    assert (out != before).any(1).float().mean() == pytest.approx(0.25, abs=0.07)


def test_the_spectrum_of_the_noise_falls_by_0_to_3_decibels_an_octave() -> None:
    before = speech(200)
    noise = augment_speech(before, voice_settings(noise=1.0, snr_db=(0.0, 0.0)), seeded()) - before
    power = torch.fft.rfft(noise).abs().square()
    octaves = torch.stack([power[:, 2**i : 2 ** (i + 1)].mean(1) for i in range(5, 12)], dim=1)
    slope_db = 10 * torch.log10(octaves[:, -1] / octaves[:, 0]) / 6
    assert -3.5 < slope_db.min() < -2.5
    assert -0.5 < slope_db.max() < 0.5


def test_silence_stays_silent() -> None:
    out = augment_speech(torch.zeros(4, 1_000), voice_settings(noise=1.0, gain_db=9.0), seeded())
    assert out.abs().max() == 0


def log_mels(n: int = 40) -> Tensor:
    """Make smooth log-mels (n, 100, 300) of mean about 0.5."""
    coarse = torch.rand(n, 1, 8, 12, generator=seeded(6))
    return torch.nn.functional.interpolate(coarse, size=(100, 300), mode="bilinear")[:, 0]


def test_at_zero_a_log_mel_is_itself() -> None:
    torch.testing.assert_close(augment_log_mel(log_mels(), STILL_VOICE, seeded()), log_mels(), atol=1e-4, rtol=0)


def test_log_mels_keep_their_form_and_the_seed_decides() -> None:
    first = augment_log_mel(log_mels(), VoiceDataSettings(), seeded(3))
    assert first.shape == (40, 100, 300)
    assert torch.equal(augment_log_mel(log_mels(), VoiceDataSettings(), seeded(3)), first)
    assert not torch.equal(augment_log_mel(log_mels(), VoiceDataSettings(), seeded(4)), first)


def test_a_warp_multiplies_every_frequency() -> None:
    """A line at 1000 Hz moves to between 1000 / 1.22 and 1000 x 1.22 Hz, and one at 3000 Hz by the same factor."""
    bands = {hertz: 1127 * math.log1p(hertz / 700) / MEL_STEP - 1 for hertz in (1000.0, 3000.0)}
    low, high = torch.zeros(300, 103, 20), torch.zeros(300, 103, 20)
    low[:, round(bands[1000.0])] = high[:, round(bands[3000.0])] = 1.0
    factors = []
    for lines in (low, high):
        out = augment_log_mel(lines, voice_settings(warp=0.2), seeded())[:, :, 10]
        band = (out * torch.arange(103.0)).sum(1) / out.sum(1)
        start = lines[0, :, 0].argmax()
        hertz = 700 * torch.expm1((torch.stack([band, start.expand(300).float()]) + 1) * MEL_STEP / 1127)
        factors.append(hertz[0] / hertz[1])
    for factor in factors:
        assert 1.15 < factor.max() < 1.25 and 0.80 < factor.min() < 0.87
    assert (factors[0] - factors[1]).abs().max() < 0.06  # a band is 4 % wide here


def test_a_stretch_is_about_the_middle_and_a_fraction() -> None:
    lines = torch.zeros(300, 10, 201)
    lines[:, :, 50] = lines[:, :, 150] = 1.0
    out = augment_log_mel(lines, voice_settings(stretch=0.15), seeded())[:, 5]
    frames = torch.arange(201.0)
    first = (out[:, :100] * frames[:100]).sum(1) / out[:, :100].sum(1)
    second = (out[:, 101:] * frames[101:]).sum(1) / out[:, 101:].sum(1)
    torch.testing.assert_close(first + second, torch.full((300,), 200.0), atol=0.5, rtol=0)
    ratio = (second - first) / 100
    assert math.exp(-0.15) - 0.01 <= ratio.min() < 0.9
    assert 1.1 < ratio.max() <= math.exp(0.15) + 0.01


def test_the_filter_is_smooth_and_within_its_decibels() -> None:
    flat = torch.zeros(100, 100, 20)
    out = augment_log_mel(flat, voice_settings(equalise_db=6.0), seeded())
    assert torch.equal(out[:, :, :1].expand_as(out), out)  # the same in every frame
    decibel = 10 * out[:, :, 0] * 5 / math.log(10)
    assert 5 < decibel.abs().max() <= 6.001
    assert decibel.diff(dim=1).abs().max() < 1  # 12 dB over a fifth of the bands at the most


@pytest.mark.parametrize("n_masks", [1, 2])
def test_time_masks_are_whole_frames_of_the_mean_and_no_wider_than_asked(n_masks: int) -> None:
    before = log_mels(200)
    out = augment_log_mel(before, voice_settings(time_masks=n_masks, time_mask_s=0.3), seeded())
    mean = before.mean(dim=(1, 2))[:, None, None]
    masked = ((out - mean).abs() < 1e-4).all(dim=1)
    untouched = ((out - before).abs() < 1e-4).all(dim=1)
    assert (masked | untouched).all()
    assert 20 * n_masks < masked.sum(1).max() <= 30 * n_masks
    assert masked.any(1).float().mean() > 0.9


def test_mel_masks_are_whole_bands_and_no_wider_than_asked() -> None:
    before = log_mels(200)
    out = augment_log_mel(before, voice_settings(mel_masks=1, mel_mask_bands=12), seeded())
    masked = ((out - before.mean(dim=(1, 2))[:, None, None]).abs() < 1e-4).all(dim=2)
    assert 8 < masked.sum(1).max() <= 12
    assert masked.any(1).float().mean() > 0.8
    edges = masked.int().diff(dim=1).abs().sum(1)
    assert edges.max() <= 2  # one run


def test_a_mask_wider_than_the_picture_does_no_harm() -> None:
    out = augment_log_mel(log_mels(4)[:, :5, :8], voice_settings(time_masks=3, mel_masks=3), seeded())
    assert torch.isfinite(out).all()


def tone_hz(samples: Tensor) -> Tensor:
    """Return the (N,) strongest frequency of each row, between the bins by a parabola."""
    power = torch.fft.rfft(samples * torch.hann_window(samples.shape[1]), n=4 * samples.shape[1]).abs().log()
    peak = power.argmax(1)
    low, mid, high = (power[torch.arange(len(power)), peak + i] for i in (-1, 0, 1))
    return (peak + 0.5 * (low - high) / (low - 2 * mid + high)) * 16_000 / (4 * samples.shape[1])


def tones(n: int, hertz: float = 400.0, n_samples: int = 16_000) -> Tensor:
    """Make a tone that swells in the middle third and is silent in the others: (n, n_samples)."""
    time = torch.arange(n_samples) / 16_000
    swell = torch.sin(math.pi * (3 * time / time[-1] - 1)).clamp(min=0)
    swell[(time < time[-1] / 3) | (time > 2 * time[-1] / 3)] = 0
    return (0.3 * swell * torch.sin(2 * math.pi * hertz * time)).repeat(n, 1)


def duration(samples: Tensor) -> Tensor:
    """Return the (N,) deviation of the power in time, in samples."""
    power = samples.square() / samples.square().sum(1, keepdim=True)
    time = torch.arange(samples.shape[1], dtype=torch.float32)
    mean = (power * time).sum(1, keepdim=True)
    return ((time - mean).square() * power).sum(1).sqrt()


def test_a_pitch_shift_moves_a_tone_by_its_semitones_and_keeps_its_duration() -> None:
    before = tones(24)
    out = shift_and_stretch(before, 3.0, 0.0, 1.0, seeded())
    assert out.shape == before.shape and out.dtype == torch.float32
    semitones = 12 * torch.log2(tone_hz(out) / tone_hz(before))
    drawn = uniform((24,), -3.0, 3.0, after_choice(24))  # what was asked for, to a twentieth of a semitone
    torch.testing.assert_close(semitones, drawn, atol=0.05, rtol=0)
    assert semitones.max() > 2 and semitones.min() < -2
    torch.testing.assert_close(duration(out), duration(before), rtol=0.06, atol=0)


def after_choice(n: int) -> Generator:
    """Return a generator that has drawn which of n clips are changed."""
    generator = seeded()
    torch.rand(n, generator=generator)
    return generator


def test_a_stretch_changes_the_duration_about_the_middle_and_keeps_the_pitch() -> None:
    before = tones(24)
    out = shift_and_stretch(before, 0.0, 0.2, 1.0, seeded())
    ratio = duration(out) / duration(before)
    assert math.exp(-0.2) * 0.95 < ratio.min() < 0.92 and 1.08 < ratio.max() < math.exp(0.2) * 1.05
    torch.testing.assert_close(tone_hz(out), tone_hz(before), rtol=0.005, atol=0)
    power = out.square() / out.square().sum(1, keepdim=True)
    middle = (power * torch.arange(16_000)).sum(1)
    torch.testing.assert_close(middle, torch.full((24,), 8_000.0), atol=500, rtol=0)  # 0.03 s


def test_shift_and_stretch_come_as_often_as_asked_and_the_seed_decides() -> None:
    before = speech(60, 4_000)
    out = shift_and_stretch(before, 2.0, 0.1, 0.3, seeded())
    assert (out != before).any(1).float().mean() == pytest.approx(0.3, abs=0.12)
    assert torch.equal(shift_and_stretch(before, 2.0, 0.1, 0.3, seeded()), out)
    assert torch.equal(before, speech(60, 4_000))  # left alone


@pytest.mark.parametrize(("shape", "axis"), [((50, 40, 44), 2), ((50, 8_000), 1)])
def test_time_masks_are_of_any_features(shape: tuple[int, ...], axis: int) -> None:
    before = torch.rand(*shape, generator=seeded(4))
    size = shape[axis]
    out = mask_time(before, 1, size / 4, seeded())
    masked = out != before
    masked = masked.all(dim=1) if masked.ndim == 3 else masked
    assert 0.2 * size < masked.sum(1).max() <= size / 4 + 1
    assert masked.int().diff(dim=1).abs().sum(1).max() <= 2  # one run
    mean = before.mean(dim=-1, keepdim=True).expand_as(before)
    torch.testing.assert_close(out[out != before], mean[out != before])


FEATURES = {"log-mel": (4, 103, 60), "cepstra": (4, 40, 44), "samples": (4, 9_600)}


@pytest.mark.parametrize("kind", FEATURES)
def test_when_all_is_off_nothing_is_augmented(kind: str) -> None:
    augment_input, augment_features = speech_augmentation(STILL_VOICE, kind)
    assert torch.equal(augment_input(speech(), seeded()), speech())
    features = torch.rand(FEATURES[kind], generator=seeded(3))
    torch.testing.assert_close(augment_features(features, seeded()), features, atol=1e-4, rtol=0)


IN_SAMPLES = {"gain_db": 6.0, "noise": 1.0, "pitch_semitones": 2.0}
IN_FEATURES = {"stretch": 0.1, "warp": 0.2, "equalise_db": 6.0, "time_masks": 2, "mel_masks": 2}
WHERE = {
    "log-mel": (set(IN_SAMPLES), set(IN_FEATURES)),
    "cepstra": ({*IN_SAMPLES, "stretch"}, {"time_masks"}),
    "samples": ({*IN_SAMPLES, "stretch"}, {"time_masks"}),
}


@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("key", [*IN_SAMPLES, *IN_FEATURES])
def test_each_setting_works_alone_and_where_it_belongs(kind: str, key: str) -> None:
    settings = voice_settings(vocode=1.0, **{key: {**IN_SAMPLES, **IN_FEATURES}[key]})
    augment_input, augment_features = speech_augmentation(settings, kind)
    samples, features = speech(4), torch.rand(FEATURES[kind], generator=seeded(3))
    changed_samples = not torch.equal(augment_input(samples, seeded()), samples)
    changed_features = not torch.allclose(augment_features(features, seeded()), features, atol=1e-3)
    in_samples, in_features = WHERE[kind]
    assert (changed_samples, changed_features) == (key in in_samples, key in in_features)


def test_a_mask_is_as_long_on_every_kind_of_features() -> None:
    settings = voice_settings(time_masks=1, time_mask_s=0.5, window_s=2.0)
    for kind, shape in (("cepstra", (200, 40, 44)), ("samples", (200, 8_000)), ("log-mel", (200, 103, 200))):
        features = torch.rand(shape, generator=seeded(5))
        out = speech_augmentation(settings, kind)[1](features, seeded())
        masked = (out - features).abs() > 1e-3
        masked = masked.float().mean(1) > 0.9 if masked.ndim == 3 else masked
        assert masked.float().mean(1).max() == pytest.approx(0.25, abs=0.03)


def test_without_a_chance_of_vocoding_samples_keep_pitch_and_pace() -> None:
    settings = voice_settings(vocode=0.0, pitch_semitones=5.0, stretch=0.3)
    assert torch.equal(speech_augmentation(settings, "cepstra")[0](speech(), seeded()), speech())
