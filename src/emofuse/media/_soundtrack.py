"""Carries the sound of a recording over into another file: copied where it is even AAC, else encoded to AAC."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from numpy.typing import NDArray

from emofuse.media import _container, _sound
from emofuse.media._clock import Clock
from emofuse.media._container import LIBRARY_ERRORS, Damage
from emofuse.media._levels import Limiter, Mixer
from emofuse.media._placing import Placer
from emofuse.media.reader import MediaReader
from emofuse.types import AudioBlock

_AAC_RATES: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)  # what browsers play
# The layouts that AAC has a number for, and what is the same but for a name. Any other is mixed to stereo.
_AAC_LAYOUTS: Final = {
    "mono": "mono",
    "1 channels": "mono",
    "stereo": "stereo",
    "2 channels": "stereo",
    "3.0": "3.0",
    "4.0": "4.0",
    "5.0": "5.0",
    "5.0(side)": "5.0",
    "5.1": "5.1",
    "5.1(side)": "5.1",
    "3 channels": "3.0",
    "4 channels": "4.0",
    "5 channels": "5.0",
    "6 channels": "5.1",
}
_MAX_BITS_PER_CHANNEL: Final = 96_000  # per second; clearly above what speech or music needs in AAC
_SILENCE_S: Final = 0.5  # a gap is filled in pieces of this length, so that a long one takes no memory


class Soundtrack:
    """The sound of a recording on its way into `output`, a stretch at a time: of the tracks that `recording` reads.

    AAC whose packets follow one another without hole, overlap or change of form is copied bit for bit; all else (other
    codecs, joined and cut files, several microphones) is placed by its stamps and encoded. Makes its stream in
    `output`, so it is made before the first packet is written there. Raises MediaError when the recording cannot be
    opened.
    """

    def __init__(self, output: OutputContainer, recording: MediaReader) -> None:
        self._output = output
        self._inputs: list[InputContainer] = []
        try:
            sources = [self._source(recording, index) for index in recording.sound_indices]
            if len(sources) == 1 and _can_copy(sources[0], recording):
                self._packets = _copied(self._inputs[0], sources[0], output, recording.start_s)
            elif len(sources) == 1:
                self._packets = _encoded(self._inputs[0], sources[0], output, recording)
            else:
                self._packets = _encoded_together(self._inputs, sources, output, recording)
            # A generator adds its stream when it is asked for its first packet.
            self._next = next(self._packets, None)
        except BaseException:
            self.close()
            raise

    def _source(self, recording: MediaReader, index: int) -> AudioStream:
        self._inputs.append(_container.open_container(recording.path))
        source = self._inputs[-1].streams[index]
        assert isinstance(source, AudioStream) and source.codec_context is not None, "a track that was decoded"
        _container.discard_other_streams(self._inputs[-1], source)
        return source

    def write_until(self, time_s: float) -> None:
        """Write the sound that starts at or before time_s; infinity writes the rest."""
        while self._next is not None and float((self._next.pts or 0) * self._next.time_base) <= time_s:
            _container.mux(self._output, self._next)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Let go of the recording."""
        for container in self._inputs:
            container.close()


def _can_copy(source: AudioStream, recording: MediaReader) -> bool:
    """Whether an MP4 can hold a stream as it is, and every player then plays it at the times at which we read it."""
    context = source.codec_context
    is_aac = context.name == "aac"  # LATM is AAC in a wrapping that an MP4 has no place for
    return is_aac and source.index in recording.scan.even and context.sample_rate in _AAC_RATES


def _copied(
    container: InputContainer, source: AudioStream, output: OutputContainer, start_s: float
) -> Iterator[Packet[Any]]:
    """Yield the packets of an AAC stream as they are, moved to times that count from start_s."""
    stream = output.add_stream_from_template(source)
    last_dts: int | None = None
    for packet in _container.demux(container, source):  # of damage the reader of the same file has warned
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None or packet.size == 0:  # the end of the stream
            continue
        dts -= round(start_s / packet.time_base)
        if last_dts is not None and dts <= last_dts:  # which an MP4 cannot hold
            continue
        packet.pts = packet.dts = last_dts = dts  # the same, for sound comes in the order it is heard in
        packet.stream = stream
        yield packet


def _encoded(
    container: InputContainer, source: AudioStream, output: OutputContainer, recording: MediaReader
) -> Iterator[Packet[Any]]:
    """Yield AAC packets of a stream of another codec, at its own rate and layout where AAC has them."""
    decoded = _container.decode_audio(container, source, Damage("sound"))
    first = next(decoded, None)
    if first is None:
        return
    target = _AudioFormat(first, recording.scan.gains.get(source.index, 1.0))
    stream = _aac_stream(output, target.rate_hz, target.layout, target.n_channels)
    for frame in _without_gaps(itertools.chain([first], decoded), target, recording):
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _encoded_together(
    containers: list[InputContainer], sources: list[AudioStream], output: OutputContainer, recording: MediaReader
) -> Iterator[Packet[Any]]:
    """Yield AAC packets of the mix of several tracks, as the reader mixes them, at the rate of the first."""
    rate_hz = sources[0].codec_context.sample_rate
    rate_hz = next((rate for rate in _AAC_RATES if rate >= rate_hz), _AAC_RATES[-1])
    stream = _aac_stream(output, rate_hz, "mono", 1)
    tracks = [
        _sound.blocks(
            _container.decode_audio(container, source, Damage("sound")),
            recording.start_s,
            rate_hz,
            Damage("sound"),
            recording.scan.seams,
            recording.scan.gains.get(source.index, 1.0),
        )
        for container, source in zip(containers, sources, strict=True)
    ]
    position: int | None = None
    filling = _Filling(recording.path, rate_hz)
    for block in _sound.mixed(tracks, rate_hz):
        start = round(block.time_s * rate_hz)
        position = start if position is None else position
        for samples in (*filling.silence(1, start - position), block.samples[None]):
            yield from stream.encode(_frame(samples, "mono", rate_hz, position))
            position += samples.shape[1]
    yield from stream.encode(None)


def _aac_stream(output: OutputContainer, rate_hz: int, layout: str, n_channels: int) -> AudioStream:
    stream = output.add_stream("aac", rate=next((rate for rate in _AAC_RATES if rate >= rate_hz), _AAC_RATES[-1]))
    stream.layout = layout
    stream.bit_rate = min(_MAX_BITS_PER_CHANNEL, 4 * stream.rate) * n_channels
    return stream


def _without_gaps(decoded: Iterator[AudioFrame], target: _AudioFormat, recording: MediaReader) -> Iterator[AudioFrame]:
    """Yield the sound as one run of samples from its first time on: in the places that its stamps say, with silence
    wherever it has a gap, and without what overlaps."""
    position: int | None = None
    clock, step_s = Clock(recording.start_s, recording.scan.seams), 0.0
    placer, limiter = Placer(), Limiter()
    filling = _Filling(recording.path, target.rate_hz)
    for frame in decoded:
        time_s = clock.time_s(_container.seconds(frame), step_s)
        step_s = frame.samples / frame.sample_rate
        try:
            samples = limiter.push(target.samples(frame), target.rate_hz)
        except LIBRARY_ERRORS:
            continue  # the reader of the same file has warned of it
        if not samples.shape[1]:
            continue
        if position is None:
            position = round(time_s * target.rate_hz)
        n_off = placer.place(time_s, samples.shape[1], target.rate_hz)
        for part in (*filling.silence(target.n_channels, n_off), samples[:, max(-n_off, 0) :]):
            if part.shape[1]:
                yield _frame(part, target.layout, target.rate_hz, position)
                position += part.shape[1]


class _Filling:
    """Silence for the gaps of a recording, until `most_filling_s` is used up: then the sound closes up."""

    def __init__(self, path: str, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._rest = round(_container.most_filling_s(path) * rate_hz)

    def silence(self, n_channels: int, n_samples: int) -> Iterator[NDArray[np.float32]]:
        """Yield so many samples of silence, in pieces; none where the number is not positive."""
        n_samples = min(n_samples, self._rest)
        self._rest -= max(n_samples, 0)
        return _silence(n_channels, n_samples, self._rate_hz)


def _silence(n_channels: int, n_samples: int, rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Yield so many samples of silence, in pieces; none where the number is not positive."""
    while n_samples > 0:
        n = min(n_samples, round(_SILENCE_S * rate_hz))
        yield np.zeros((n_channels, n), np.float32)
        n_samples -= n


def _frame(samples: NDArray[np.float32], layout: str, rate_hz: int, position: int) -> AudioFrame:
    """Wrap (channels, T) samples, of which the first is number `position` of the sound."""
    frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, position, Fraction(1, rate_hz)
    return frame


class _AudioFormat:
    """The rate and layout of the first frame, and the conversion of any frame to them."""

    def __init__(self, first: AudioFrame, gain: float = 1.0) -> None:
        self._gain = gain
        self.rate_hz = first.sample_rate
        name = first.layout.name
        self.layout = _AAC_LAYOUTS.get(name, "mono" if name.endswith("channels") else "stereo")
        self.n_channels = {"mono": 1, "stereo": 2, "3.0": 3, "4.0": 4, "5.0": 5, "5.1": 6}[self.layout]
        self._mixer = Mixer()
        self._resamplers: dict[tuple[str, int], AudioResampler] = {}

    def samples(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Return (channels, T) float32 at rate_hz."""
        name = frame.layout.name
        if frame.sample_rate == self.rate_hz and _AAC_LAYOUTS.get(name) == self.layout:
            return _sound.as_float(frame, self._gain)
        if name.endswith("channels"):  # which stand in no known places
            mono = AudioFrame.from_ndarray(
                _sound.to_mono(frame, self._mixer, self._gain)[None], format="fltp", layout="mono"
            )
            mono.sample_rate, mono.pts = frame.sample_rate, frame.pts
            mono.time_base = frame.time_base
            frame = mono
        key = (name, frame.sample_rate)
        if key not in self._resamplers:
            # To 16 bits, for only then does libswresample keep a mix of many channels from going beyond 1.
            self._resamplers[key] = AudioResampler(format="s16p", layout=self.layout, rate=self.rate_hz)
        parts = [_sound.as_float(out) for out in self._resamplers[key].resample(frame)]
        return np.concatenate([np.zeros((self.n_channels, 0), np.float32), *parts], axis=1)


class PushedSoundtrack:
    """Sound on its way into `output` block by block, as it is heard; a gap becomes silence. rate_hz: of every block."""

    def __init__(self, output: OutputContainer, rate_hz: int) -> None:
        self._output = output
        self._rate_hz = rate_hz
        self._stream = _aac_stream(output, rate_hz, "mono", 1)
        self._position = 0

    def push(self, block: AudioBlock) -> None:
        """Write a block; what overlaps the sound written already is skipped."""
        start = round(block.time_s * self._rate_hz)
        for silence in _silence(1, start - self._position, self._rate_hz):
            self._encode(silence[0])
        self._encode(block.samples[max(self._position - start, 0) :])

    def write_until(self, time_s: float) -> None:
        """Write the rest where time_s is infinite; before that, all there is has been written."""
        if time_s == math.inf:
            for packet in self._stream.encode(None):
                _container.mux(self._output, packet)

    def close(self) -> None:
        """Nothing is held."""

    def _encode(self, samples: NDArray[np.float32]) -> None:
        if not len(samples):
            return
        for packet in self._stream.encode(_frame(samples[None], "mono", self._rate_hz, self._position)):
            _container.mux(self._output, packet)
        self._position += len(samples)
