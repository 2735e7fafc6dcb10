"""Augmentation of whole batches, in torch: faces as pictures, speech as samples and as log-mels."""

from __future__ import annotations

import math

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from emofuse.research.models.frontends import MEL_STEP, RATE_HZ, FeatureKind
from emofuse.research.recipes.data import FaceDataSettings, SoundSettings
from emofuse.research.tasks.acoustics import (
    TAIL,
    babble_at,
    band_gains,
    clip_peaks,
    falling_noise,
    filter_by,
    noise_at,
    room_responses,
    voice_at_one,
)
from emofuse.research.tasks.batches import Augment


def uniform(shape: tuple[int, ...], low: float, high: float, generator: Generator) -> Tensor:
    """Draw float32 values between low and high."""
    return low + (high - low) * torch.rand(shape, generator=generator)


def augment_faces(faces: Tensor, settings: FaceDataSettings, generator: Generator) -> Tensor:
    """Return the batch flipped, warped, re-lit, blurred, made noisy and partly erased, each face by its own draw.

    Args:
        faces: (N, 1, S, S) float32 in [0, 255]. What is beyond the middle `settings.size_px` pixels of larger ones is
            the faces' surroundings, which the warp may move into the picture.
        settings: How large faces are, and how far all of it goes.
        generator: Of the draws.

    Returns:
        (N, 1, P, P) float32 in [0, 255], where P is `settings.size_px`.
    """
    faces = _warp(faces, settings, generator)
    faces = _lose_resolution(faces, settings.blur, generator)
    n = len(faces)
    mean = faces.mean(dim=(1, 2, 3), keepdim=True)
    contrast = 1 + uniform((n, 1, 1, 1), -settings.contrast, settings.contrast, generator)
    gamma = torch.exp(uniform((n, 1, 1, 1), -settings.contrast, settings.contrast, generator))
    faces = ((faces - mean) * contrast + mean).clamp(0, 255)
    faces = 255 * (faces / 255) ** gamma
    if settings.slope:
        faces = faces * _slope(n, settings.size_px, settings.slope, generator)
    level = uniform((n, 1, 1, 1), 0, settings.noise * 255, generator)
    faces = faces + level * torch.randn(faces.shape, generator=generator)
    return _erase(faces, settings.erase, generator).clamp(0, 255)


def _warp(faces: Tensor, settings: FaceDataSettings, generator: Generator) -> Tensor:
    n, size_px = len(faces), settings.size_px
    angle = uniform((n,), -settings.rotate_deg, settings.rotate_deg, generator) * (math.pi / 180)
    scale = torch.exp(uniform((n,), -settings.scale, settings.scale, generator))
    stretch = torch.exp(uniform((n,), -settings.scale / 3, settings.scale / 3, generator))
    shear = uniform((n,), -settings.shear, settings.shear, generator)
    flip = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    shift = uniform((n, 2), -2 * settings.shift, 2 * settings.shift, generator)  # grid units span 2
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [flip * scale * stretch * cos, scale * (shear * cos - sin), shift[:, 0]]
    rows += [flip * scale * stretch * sin, scale * (shear * sin + cos), shift[:, 1]]
    theta = torch.stack(rows, dim=1).view(n, 2, 3) * (size_px / faces.shape[-1])
    grid = F.affine_grid(theta, [n, 1, size_px, size_px], align_corners=False)
    return F.grid_sample(faces, grid, padding_mode="border", align_corners=False)


def _slope(n: int, size_px: int, largest: float, generator: Generator) -> Tensor:
    """Draw light from one side: (n, 1, size_px, size_px) factors, each linear over the picture."""
    towards = uniform((n, 1, 1, 2), -largest, largest, generator)
    place = torch.linspace(-1, 1, size_px)
    across, down = towards[..., :1] * place[None, :], towards[..., 1:] * place[:, None]
    return (1 + across + down).clamp(min=0)


def _lose_resolution(faces: Tensor, probability: float, generator: Generator) -> Tensor:
    size = faces.shape[-1]
    chosen = torch.rand(len(faces), generator=generator) < probability
    if not bool(chosen.any()):
        return faces
    small = int(torch.randint(size // 3, (4 * size) // 5, (1,), generator=generator))
    reduced = F.interpolate(faces[chosen], size=(small, small), mode="area")
    faces = faces.clone()
    faces[chosen] = F.interpolate(reduced, size=(size, size), mode="bilinear", align_corners=False)
    return faces


def _erase(faces: Tensor, probability: float, generator: Generator) -> Tensor:
    n, _, height, width = faces.shape
    area = uniform((n,), 0.02, 0.2, generator)
    ratio = torch.exp(uniform((n,), -1.0, 1.0, generator))
    half_h = (area * ratio).sqrt() * height / 2
    half_w = (area / ratio).sqrt() * width / 2
    centre_y, centre_x = uniform((n,), 0, height, generator), uniform((n,), 0, width, generator)
    ys, xs = torch.arange(height), torch.arange(width)
    inside_y = (ys[None] - centre_y[:, None]).abs() < half_h[:, None]
    inside_x = (xs[None] - centre_x[:, None]).abs() < half_w[:, None]
    chosen = torch.rand(n, generator=generator) < probability
    hole = inside_y[:, :, None] & inside_x[:, None, :] & chosen[:, None, None]
    filling = faces.mean(dim=(2, 3), keepdim=True) + 40 * torch.randn(faces.shape, generator=generator)
    return torch.where(hole[:, None], filling, faces)


def speech_augmentation(settings: SoundSettings, kind: FeatureKind) -> tuple[Augment, Augment]:
    """Choose what is done to the samples, and then to what the front end makes of them.

    Log-mels are stretched, warped, filtered and masked as such. What is not a picture of frequencies is stretched in
    its samples and masked in time alone. A pitch shift is always done on samples.
    """
    is_mel = kind == "log-mel"
    stretch = 0.0 if is_mel else settings.stretch

    def augment_input(samples: Tensor, generator: Generator) -> Tensor:
        if settings.vocode and (settings.pitch_semitones or stretch):
            samples = shift_and_stretch(samples, settings.pitch_semitones, stretch, settings.vocode, generator)
        samples = record_anew(samples, settings, generator)
        return augment_speech(samples, settings, generator)

    def augment_features(features: Tensor, generator: Generator) -> Tensor:
        if is_mel:
            return augment_log_mel(features, settings, generator)
        widest = settings.time_mask_s / settings.window_s * features.shape[-1]
        return mask_time(features, settings.time_masks, widest, generator)

    return augment_input, augment_features


def shift_and_stretch(
    samples: Tensor, semitones: float, stretch: float, probability: float, generator: Generator
) -> Tensor:
    """Return the batch with some of its voices shifted in pitch, by up to `semitones` up or down, and slowed down or
    sped up about their middle, by a factor of up to exp(stretch).

    samples: (N, T) float32; the result has the same form: what no longer fits is cut, what is missing is silence.
    """
    n = len(samples)
    chosen = torch.rand(n, generator=generator) < probability
    shifts = uniform((n,), -semitones, semitones, generator)
    rates = torch.exp(uniform((n,), -stretch, stretch, generator))
    samples = samples.clone()
    for i in chosen.nonzero()[:, 0].tolist():
        samples[i] = torch.from_numpy(_vocode(samples[i].numpy(), float(shifts[i]), float(rates[i])))
    return samples


def _vocode(samples: NDArray[np.float32], semitones: float, rate: float) -> NDArray[np.float32]:
    """Make (T,) samples `rate` times as fast and `semitones` higher. One phase vocoder for both: a voice that is
    slowed down by what it is then resampled by keeps its duration and not its pitch (as `librosa.effects` has it)."""
    factor = 2 ** (semitones / 12)
    changed = librosa.effects.time_stretch(samples, rate=rate / factor)
    changed = librosa.resample(changed, orig_sr=RATE_HZ * factor, target_sr=RATE_HZ)
    spare = len(changed) - len(samples)
    if spare >= 0:
        return np.asarray(changed[spare // 2 :][: len(samples)], dtype=np.float32)
    return np.pad(changed, (-spare // 2, -spare - -spare // 2)).astype(np.float32)


def record_anew(samples: Tensor, settings: SoundSettings, generator: Generator) -> Tensor:
    """Return the batch as other microphones in other places would have it: elsewhere in the window, with voices behind
    it, in a room, through a narrower band, with its peaks cut off; each by its own draw, and nothing that is off.

    samples: (N, T) float32; the result has the same form.
    """
    if settings.place:
        samples = _place(samples, generator)
    if settings.babble:
        samples = _add_babble(samples, settings, generator)
    if settings.room or settings.band:
        samples = _transmit(samples, settings, generator)
    if settings.clipping:
        limited = clip_peaks(samples, torch.pow(10.0, uniform((len(samples), 1), -1, 0, generator)))
        chosen = torch.rand((len(samples), 1), generator=generator) < settings.clipping
        samples = torch.where(chosen, limited, samples)
    return samples


def _place(samples: Tensor, generator: Generator) -> Tensor:
    """Move what has silence after it to later in the window."""
    length = samples.shape[1]
    is_sound = samples != 0
    spare = is_sound.flip(1).int().argmax(dim=1) * is_sound.any(dim=1)  # zeros at the end
    shift = (torch.rand(len(samples), generator=generator) * (spare + 1)).long()
    places = (torch.arange(length)[None] - shift[:, None]) % length
    return samples.gather(1, places)


def _add_babble(samples: Tensor, settings: SoundSettings, generator: Generator) -> Tensor:
    """Add three other voices of the batch, each from another place on."""
    n, length = samples.shape
    chosen = torch.rand((n, 1), generator=generator) < settings.babble
    babble = torch.zeros_like(samples)
    for _ in range(3):
        other = samples[torch.randperm(n, generator=generator)]
        start = int(torch.randint(length, (1,), generator=generator))
        babble += voice_at_one(other).roll(start, dims=1)
    return samples + chosen * babble_at(samples, babble, uniform((n, 1), *settings.babble_snr_db, generator))


def _transmit(samples: Tensor, settings: SoundSettings, generator: Generator) -> Tensor:
    """Filter some of the batch by a room (exponentially decaying noise after the direct sound) and a band (its edges
    fall as Butterworth's do), both in one product of spectra."""
    n, length = samples.shape
    size = length + TAIL
    in_room = torch.rand(n, generator=generator) < settings.room
    in_band = torch.rand(n, generator=generator) < settings.band
    chosen = in_room | in_band
    if not bool(chosen.any()):
        return samples
    response = torch.ones(n, size // 2 + 1, dtype=torch.complex64)
    if bool(in_room.any()):  # there is no transform of nothing
        response[in_room] = torch.fft.rfft(_rooms(int(in_room.sum()), generator), n=size)
    if bool(in_band.any()):
        response[in_band] *= _bands(int(in_band.sum()), size, generator)
    filtered = filter_by(samples[chosen], response[chosen])
    samples = samples.clone()
    samples[chosen] = filtered
    return samples


def _rooms(n: int, generator: Generator) -> Tensor:
    """Draw (n, TAIL) impulse responses of rooms whose sound falls by 60 dB in 0.1 to 0.8 s."""
    reverberation_s = uniform((n, 1), 0.1, 0.8, generator)
    noise = torch.randn(n, TAIL, generator=generator)
    return room_responses(noise, reverberation_s, uniform((n, 1), -10, 6, generator))


def _bands(n: int, size: int, generator: Generator) -> Tensor:
    """Draw (n, 1 + size // 2) gains of bands from 50 to 400 Hz up to 2.5 to 8 kHz, edges of 12 to 72 dB an octave."""
    low = 50.0 * torch.pow(8.0, torch.rand((n, 1), generator=generator))
    high = 2500.0 * torch.pow(3.2, torch.rand((n, 1), generator=generator))
    return band_gains(size, low, high, torch.randint(2, 13, (n, 1), generator=generator))


def augment_speech(samples: Tensor, settings: SoundSettings, generator: Generator) -> Tensor:
    """Return the batch at other levels, some of it in noise whose spectrum falls by 0 to 3 dB an octave.

    samples: (N, T) float32 in [-1, 1]; the result has the same form and is not clipped.
    """
    n, length = samples.shape
    gain = torch.pow(10.0, uniform((n, 1), -settings.gain_db, settings.gain_db, generator) / 20)
    samples = samples * gain
    tilt = uniform((n, 1), 0.0, 0.5, generator)
    noise = falling_noise(torch.randn(n, length, generator=generator), tilt)
    added = noise_at(samples, noise, uniform((n, 1), settings.snr_db[0], settings.snr_db[1], generator))
    chosen = (torch.rand((n, 1), generator=generator) < settings.noise).float()
    return samples + chosen * added


def augment_log_mel(log_mel: Tensor, settings: SoundSettings, generator: Generator) -> Tensor:
    """Return log-mels stretched in time, warped in frequency (as by another vocal tract: Jaitly and Hinton, 2013),
    filtered and masked (SpecAugment, arXiv:1904.08779).

    log_mel: (N, F, T) at 100 frames a second, (ln power + 4.5) / 5, bands MEL_STEP apart from 0 Hz on; the
    result has the same form.
    """
    n, n_mels, n_frames = log_mel.shape
    times = torch.linspace(-1, 1, n_frames) * torch.exp(uniform((n, 1), -settings.stretch, settings.stretch, generator))
    bands = _warped_bands(n_mels, torch.exp(uniform((n, 1), -settings.warp, settings.warp, generator)))
    shape = (n, n_mels, n_frames)
    grid = torch.stack([times[:, None].expand(shape), bands[:, :, None].expand(shape)], dim=3)
    log_mel = F.grid_sample(log_mel.unsqueeze(1), grid, padding_mode="border", align_corners=True)[:, 0]
    decibel = math.log(10) / 10 / 5  # one decibel of power in the units of the log-mel
    bumps = uniform((n, 1, 6), -settings.equalise_db, settings.equalise_db, generator) * decibel
    curve = F.interpolate(bumps, size=n_mels, mode="linear", align_corners=True)
    log_mel = log_mel + curve.transpose(1, 2)
    silence = log_mel.mean(dim=(1, 2), keepdim=True)
    log_mel = mask_time(log_mel, settings.time_masks, round(settings.time_mask_s * 100), generator, silence)
    for _ in range(settings.mel_masks):
        mask = _stripe(n, n_mels, settings.mel_mask_bands, generator)
        log_mel = torch.where(mask[:, :, None], silence, log_mel)
    return log_mel


def mask_time(x: Tensor, n_masks: int, widest: float, generator: Generator, filling: Tensor | None = None) -> Tensor:
    """Return features (N, ..., T) with runs of at most `widest` frames replaced by `filling`, which broadcasts; by
    their mean over time where it is not given."""
    filling = x.mean(dim=-1, keepdim=True) if filling is None else filling
    for _ in range(n_masks):
        mask = _stripe(len(x), x.shape[-1], widest, generator)
        x = torch.where(mask.view(len(x), *[1] * (x.ndim - 2), -1), filling, x)
    return x


def _warped_bands(n_mels: int, factor: Tensor) -> Tensor:
    """Return where each band is read from when all frequencies are multiplied by `factor` (N, 1).

    Returns (N, n_mels) places on the bands, -1 for the first and 1 for the last.
    """
    mel = (torch.arange(n_mels) + 1) * MEL_STEP
    hertz = 700 * torch.expm1(mel / 1127) / factor
    return (1127 * torch.log1p(hertz / 700) / MEL_STEP - 1) * (2 / (n_mels - 1)) - 1


def _stripe(n: int, size: int, widest: float, generator: Generator) -> Tensor:
    """Draw a (N, size) mask with one run of at most `widest` in each row."""
    width = uniform((n, 1), 0, widest, generator)
    start = torch.rand((n, 1), generator=generator) * (size - width)
    places = torch.arange(size)[None]
    return (places >= start) & (places < start + width)
