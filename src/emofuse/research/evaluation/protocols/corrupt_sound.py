"""Sound as rooms, lines, codecs and other people spoil it, by stated amounts."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, cast

import av
import numpy as np
import torch
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from numpy.typing import NDArray
from torch import Generator, Tensor

from emofuse.preprocessing.audio_buffer import RATE_HZ
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

N_BABBLING: Final = 3
TELEPHONE_HZ: Final = (300.0, 3400.0)
_TELEPHONE_ORDER: Final = 8
_PINK: Final = 0.5
_FRAME: Final = 1024  # samples that an encoder is given at once

Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What is around a recording.

    Attributes:
        generator: Of what is drawn: noise, and the room's response.
        voices: Samples (T,) of other people of the corpus.
    """

    generator: Generator
    voices: Sequence[Samples] = ()


SoundChange = Callable[[Samples, Surroundings], Samples]
"""Takes samples (T,) float32 at 16 kHz in [-1, 1], and returns as many."""


@dataclass(frozen=True, slots=True)
class Codec:
    """An encoder of FFmpeg, the container that it is put into, and its bits a second; 0: as many as it has."""

    encoder: str
    container: str
    bit_rate: int = 0
    rate_hz: int = RATE_HZ


OPUS: Final = Codec("libopus", "ogg", 12_000)
MP3: Final = Codec("libmp3lame", "mp3", 32_000)
AAC: Final = Codec("aac", "mp4", 24_000)
TELEPHONE: Final = Codec("pcm_mulaw", "wav", rate_hz=8_000)


def add_noise(snr_db: float) -> SoundChange:
    """Return what adds pink noise, snr_db below the recording."""

    def change(samples: Samples, around: Surroundings) -> Samples:
        x = _batch(samples)
        noise = falling_noise(torch.randn(x.shape, generator=around.generator), torch.full((1, 1), _PINK))
        return _limited(x + noise_at(x, noise, _number(snr_db)))

    return change


def add_babble(snr_db: float) -> SoundChange:
    """Return what adds N_BABBLING other voices of the corpus, together snr_db below the recording."""

    def change(samples: Samples, around: Surroundings) -> Samples:
        x = _batch(samples)
        babble = torch.zeros_like(x)
        for voice in around.voices:
            # a voice that is over begins anew: babble does not end before the recording does
            babble += voice_at_one(_batch(np.resize(voice, len(samples))))
        return _limited(x + babble_at(x, babble, _number(snr_db)))

    return change


def put_in_room(reverberation_s: float, beside_direct_db: float) -> SoundChange:
    """Return what puts a recording into a room.

    Args:
        reverberation_s: In which the room's sound falls by 60 dB.
        beside_direct_db: The level of the reverberation beside the direct sound.
    """

    def change(samples: Samples, around: Surroundings) -> Samples:
        noise = torch.randn(1, TAIL, generator=around.generator)
        response = room_responses(noise, _number(reverberation_s), _number(beside_direct_db))
        spectrum = torch.fft.rfft(response, n=len(samples) + TAIL)
        return _limited(filter_by(_batch(samples), spectrum))

    return change


def through_telephone(samples: Samples, around: Surroundings) -> Samples:
    """Leave the band of a telephone."""
    low, high = map(_number, TELEPHONE_HZ)
    gains = band_gains(len(samples) + TAIL, low, high, torch.full((1, 1), _TELEPHONE_ORDER))
    return _limited(filter_by(_batch(samples), gains))


def amplify(gain_db: float) -> SoundChange:
    """Return what makes a recording louder, beyond 1 cut off as a converter does, or fainter."""
    return lambda samples, around: _limited(_batch(samples) * 10 ** (gain_db / 20))


def cut_peaks(share: float) -> SoundChange:
    """Return what cuts off a recording at a share of its loudest sample."""
    return lambda samples, around: _limited(clip_peaks(_batch(samples), _number(share)))


def encode(codec: Codec) -> SoundChange:
    """Return what sends a recording through a codec."""
    return lambda samples, around: through_codec(samples, codec)


def through_codec(samples: Samples, codec: Codec) -> Samples:
    """Encode samples (T,) and decode them again.

    Args:
        samples: (T,) float32 at 16 kHz.
        codec: How.

    Returns:
        (T,): what a decoder puts before them, as the container says, is cut off, and silence is put after what ends
        early.

    Example:
        >>> tone = np.sin(np.arange(16_000) / 10).astype(np.float32)
        >>> through_codec(tone, TELEPHONE).shape
        (16000,)
    """
    file = io.BytesIO()
    with av.open(file, "w", format=codec.container) as out:
        stream = cast(AudioStream, out.add_stream(codec.encoder, rate=codec.rate_hz, layout="mono"))
        if codec.bit_rate:
            stream.bit_rate = codec.bit_rate
        stream.codec_context.thread_count = 1  # the bits are then the same on every machine
        to_encoder = AudioResampler(stream.format, "mono", codec.rate_hz, frame_size=stream.frame_size or _FRAME)
        for frame in [_frame(samples), None]:
            for part in to_encoder.resample(frame):
                out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    file.seek(0)
    to_samples = AudioResampler("flt", "mono", RATE_HZ)
    with av.open(file, "r") as source:
        frames = [part for frame in source.decode(audio=0) for part in to_samples.resample(frame)]
        frames += to_samples.resample(None)
    decoded = np.concatenate([frame.to_ndarray().ravel() for frame in frames])[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded))).astype(np.float32)


def _frame(samples: Samples) -> AudioFrame:
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="flt", layout="mono")
    frame.sample_rate, frame.pts = RATE_HZ, 0
    return frame


def _batch(samples: Samples) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None]


def _number(value: float) -> Tensor:
    return torch.full((1, 1), value)


def _limited(x: Tensor) -> Samples:
    """Return (1, T) as (T,) samples that a file can hold."""
    return np.asarray(x[0].clamp(-1.0, 1.0).numpy(), dtype=np.float32)
