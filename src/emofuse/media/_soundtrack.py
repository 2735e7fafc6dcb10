"""Carries the sound of a recording over into another file: copied where it is AAC, else encoded to AAC."""

from __future__ import annotations

import itertools
import math
import os
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
from emofuse.media._container import LIBRARY_ERRORS, Clock, Damage
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
    """The sound of a recording on its way into `output`, a stretch at a time.

    start_s: the time in the recording, in its container's seconds, that is 0 in the output. Makes its stream
    in `output`, so it is made before the first packet is written there. Raises MediaError when the recording
    cannot be opened.
    """

    def __init__(self, output: OutputContainer, path: str | os.PathLike[str], start_s: float) -> None:
        self._output = output
        self._input: InputContainer = _container.open_container(path)
        try:
            source = _container.pick(self._input.streams.audio)
            assert source is not None and source.codec_context is not None, "a recording with sound"
            _container.only(self._input, source)
            carry = _copied if source.codec_context.name.startswith("aac") else _encoded
            self._packets = carry(self._input, source, output, start_s)
            # A generator adds its stream when it is asked for its first packet.
            self._next = next(self._packets, None)
        except BaseException:
            self._input.close()
            raise

    def write_until(self, time_s: float) -> None:
        """Write the sound that starts at or before time_s; infinity writes the rest."""
        while self._next is not None and float((self._next.pts or 0) * self._next.time_base) <= time_s:
            _container.mux(self._output, self._next)
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Let go of the recording."""
        self._input.close()


def _copied(
    container: InputContainer, source: AudioStream, output: OutputContainer, start_s: float
) -> Iterator[Packet[Any]]:
    """Yield the packets of an AAC stream as they are, moved to times that count from start_s."""
    stream = output.add_stream_from_template(source)
    packets = container.demux(source)
    clock, step_s = Clock(start_s), 0.0
    last_dts: int | None = None
    while True:
        try:
            packet = next(packets, None)
        except LIBRARY_ERRORS:
            return  # the reader of the same file has warned of it
        if packet is None:
            return
        dts = packet.dts if packet.dts is not None else packet.pts
        if dts is None or packet.size == 0:  # the end of the stream
            continue
        time_s = clock.time_s(float(dts * packet.time_base), step_s)
        step_s = float((packet.duration or 0) * packet.time_base)
        dts = round(time_s / packet.time_base)
        if last_dts is not None and dts <= last_dts:  # which an MP4 cannot hold
            continue
        packet.pts = packet.dts = last_dts = dts  # the same, for sound comes in the order it is heard in
        packet.stream = stream
        yield packet


def _encoded(
    container: InputContainer, source: AudioStream, output: OutputContainer, start_s: float
) -> Iterator[Packet[Any]]:
    """Yield AAC packets of a stream of another codec, at its own rate and layout where AAC has them."""
    decoded = _container.decode_audio(container, source, Damage("sound"))
    first = next(decoded, None)
    if first is None:
        return
    form = _Form(first)
    rate_hz = next((rate for rate in _AAC_RATES if rate >= form.rate_hz), _AAC_RATES[-1])
    stream = output.add_stream("aac", rate=rate_hz)
    stream.layout = form.layout
    stream.bit_rate = min(_MAX_BITS_PER_CHANNEL, 4 * rate_hz) * form.n_channels
    for frame in _without_gaps(itertools.chain([first], decoded), form, start_s):
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _without_gaps(decoded: Iterator[AudioFrame], form: _Form, start_s: float) -> Iterator[AudioFrame]:
    """Yield the sound as one run of samples, from its first time on, with silence wherever it has a gap."""
    position: int | None = None
    clock, step_s = Clock(start_s), 0.0
    for frame in decoded:
        try:
            samples = form.samples(frame)
        except LIBRARY_ERRORS:
            continue  # the reader of the same file has warned of it
        time_s = clock.time_s(_container.seconds(frame), step_s)
        step_s = frame.samples / frame.sample_rate
        stated = round(time_s * form.rate_hz)
        if position is None:
            position = stated
        elif stated - position > _sound.GAP_S * form.rate_hz:
            while position < stated:
                n_silent = min(stated - position, round(_SILENCE_S * form.rate_hz))
                yield form.frame(np.zeros((form.n_channels, n_silent), np.float32), position)
                position += n_silent
        if samples.shape[1]:
            yield form.frame(samples, position)
            position += samples.shape[1]


class _Form:
    """The rate and layout of the first frame, and the conversion of any frame to them."""

    def __init__(self, first: AudioFrame) -> None:
        self.rate_hz = first.sample_rate
        name = first.layout.name
        self.layout = _AAC_LAYOUTS.get(name, "mono" if name.endswith("channels") else "stereo")
        self.n_channels = {"mono": 1, "stereo": 2, "3.0": 3, "4.0": 4, "5.0": 5, "5.1": 6}[self.layout]
        self._resamplers: dict[tuple[str, int], AudioResampler] = {}

    def samples(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Return (channels, T) float32 at rate_hz."""
        name = frame.layout.name
        if frame.sample_rate == self.rate_hz and _AAC_LAYOUTS.get(name) == self.layout:
            return _sound.as_float(frame)
        if name.endswith("channels"):  # which stand in no known places
            mono = AudioFrame.from_ndarray(_sound.to_mono(frame)[None], format="fltp", layout="mono")
            mono.sample_rate, mono.pts = frame.sample_rate, frame.pts
            mono.time_base = frame.time_base
            frame = mono
        key = (name, frame.sample_rate)
        if key not in self._resamplers:
            # To 16 bits, for only then does libswresample keep a mix of many channels from going beyond 1.
            self._resamplers[key] = AudioResampler(format="s16p", layout=self.layout, rate=self.rate_hz)
        parts = [_sound.as_float(out) for out in self._resamplers[key].resample(frame)]
        return np.concatenate([np.zeros((self.n_channels, 0), np.float32), *parts], axis=1)

    def frame(self, samples: NDArray[np.float32], position: int) -> AudioFrame:
        """Wrap (channels, T) samples, of which the first is number `position` of the sound."""
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate_hz, position, Fraction(1, self.rate_hz)
        return frame


class PushedSoundtrack:
    """Sound on its way into `output` block by block, as it is heard; a gap becomes silence. rate_hz: of every block."""

    def __init__(self, output: OutputContainer, rate_hz: int) -> None:
        self._output = output
        self._rate_hz = rate_hz
        self._stream = output.add_stream("aac", rate=rate_hz)
        self._stream.layout = "mono"
        self._stream.bit_rate = min(_MAX_BITS_PER_CHANNEL, 4 * rate_hz)
        self._position = 0

    def push(self, block: AudioBlock) -> None:
        """Write a block; what overlaps the sound written already is skipped."""
        start = round(block.time_s * self._rate_hz)
        while self._position < start:
            self._encode(np.zeros(min(start - self._position, round(_SILENCE_S * self._rate_hz)), np.float32))
        self._encode(block.samples[self._position - start :])

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
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._position, Fraction(1, self._rate_hz)
        self._position += len(samples)
        for packet in self._stream.encode(frame):
            _container.mux(self._output, packet)
