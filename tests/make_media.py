"""Makes the recordings that tests read: pictures with known colours and sounds with known tones."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from emofuse.media import open_media
from emofuse.types import Frame

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 200, 30), (30, 30, 220), (235, 235, 235)
MILLISECOND = Fraction(1, 1000)
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Video:
    """A picture track. size: (width, height); times: seconds of each frame, which `time_base` can hold."""

    size: tuple[int, int] = (64, 48)
    times: tuple[float, ...] = tuple(i / 25 for i in range(25))
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    time_base: Fraction = Fraction(1, 90_000)
    pixel_ratio: Fraction | None = None
    rotation: int = 0  # degrees clockwise that a player turns the picture by
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sound:
    """A tone. gap_s: (from, to) seconds without packets; channels: which of the layout's channels speak."""

    codec: str = "aac"
    rate_hz: int = 44_100
    layout: str = "stereo"
    duration_s: float = 1.0
    tone_hz: float = 440.0
    amplitude: float = 0.5
    start_s: float = 0.0
    gap_s: tuple[float, float] | None = None
    channels: tuple[int, ...] | None = None
    bit_rate: int = 128_000


def picture(size: tuple[int, int], index: int = 0) -> NDArray[np.uint8]:
    """Return red, green / blue, white quarters, and a square in the middle as grey as index * 8 mod 256."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    top, left = (height + 1) // 2, (width + 1) // 2
    image[:top, :left], image[:top, left:] = RED, GREEN
    image[top:, :left], image[top:, left:] = BLUE, WHITE
    image[height // 3 : height - height // 3, width // 3 : width - width // 3] = index * 8 % 256
    return image


def crowd(size: tuple[int, int], people: Mapping[Colour, tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) in which each person is a square of their colour, at left, top, with that side."""
    image = np.full((size[1], size[0], 3), 90, np.uint8)
    for colour, (left, top, side) in people.items():
        image[top : top + side, left : left + side] = colour
    return image


def tone(sound: Sound) -> NDArray[np.float32]:
    """Return (channels, T) float32: the sine in the channels that speak, zero in the others."""
    n_channels = av.AudioLayout(sound.layout).nb_channels
    t = np.arange(round(sound.duration_s * sound.rate_hz)) / sound.rate_hz
    wave = (sound.amplitude * np.sin(2 * np.pi * sound.tone_hz * t)).astype(np.float32)
    samples = np.zeros((n_channels, len(wave)), np.float32)
    samples[list(sound.channels if sound.channels is not None else range(n_channels))] = wave
    return samples


def record(
    path: Path,
    video: Video | None = None,
    sound: Sound | None = None,
    *,
    pictures: Iterable[NDArray[np.uint8]] | None = None,
    is_interleaved: bool = True,
    format: str | None = None,
) -> Path:
    """Write a recording of a picture track, a sound track or both; the name's suffix chooses the container.

    Not interleaved, all pictures come before all sound in the file, as some recorders leave it.
    """
    # The muxer sorts by itself what it is given within this many microseconds.
    options = {} if is_interleaved else {"max_interleave_delta": "1"}
    with av.open(str(path), "w", format=format, container_options=options) as output:
        tracks: list[list[av.Packet]] = []
        streams = []
        if video is not None:
            streams.append(_video_stream(output, video))
        if sound is not None:
            streams.append(_audio_stream(output, sound))
        output.start_encoding()
        if video is not None:
            images = pictures or (picture(video.size, i) for i in range(len(video.times)))
            tracks.append(_encode_video(streams[0], video, images))
        if sound is not None:
            tracks.append(_encode_audio(streams[-1], sound))
        packets = [packet for track in tracks for packet in track]
        if is_interleaved:
            packets.sort(key=lambda packet: packet.dts * packet.time_base)
        for packet in packets:
            output.mux_one(packet)
    return path


def _video_stream(output, video: Video):
    stream = output.add_stream(video.codec, rate=25, options=video.options)
    stream.thread_count = 1  # the bytes must not depend on how many cores there are
    stream.width, stream.height = video.size
    stream.pix_fmt = video.pix_fmt
    stream.codec_context.time_base = video.time_base
    stream.time_base = video.time_base
    if video.pixel_ratio is not None:
        stream.codec_context.sample_aspect_ratio = video.pixel_ratio
    return stream


def _encode_video(stream, video: Video, images: Iterable[NDArray[np.uint8]]) -> list[av.Packet]:
    packets = []
    for time_s, image in zip(video.times, images, strict=True):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = frame.reformat(format=video.pix_fmt)
        frame.pts, frame.time_base = round(Fraction(time_s) / video.time_base), video.time_base
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _audio_stream(output, sound: Sound):
    stream = output.add_stream(sound.codec, rate=sound.rate_hz)
    stream.layout = sound.layout
    stream.bit_rate = sound.bit_rate
    return stream


def _encode_audio(stream, sound: Sound) -> list[av.Packet]:
    samples = tone(sound)
    packets = []
    for start in range(0, samples.shape[1], 1024):
        # Packed, for PyAV cannot fill a frame of eight planes.
        block = np.ascontiguousarray(samples[:, start : start + 1024].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate_hz, Fraction(1, sound.rate_hz)
        frame.pts = start + round(sound.start_s * sound.rate_hz)
        packets += stream.encode(frame)
    packets += stream.encode(None)
    if sound.gap_s is None:
        return packets
    first, last = sound.gap_s
    return [packet for packet in packets if not first <= float(packet.pts * packet.time_base) < last]


def first_picture(path: Path) -> NDArray[np.uint8]:
    """Return the first picture of a film, (H, W, 3) uint8 RGB."""
    with open_media(path) as media:
        return next(packet.image for packet in media if isinstance(packet, Frame))


def turn(source: Path, path: Path, degrees: int, *, is_mirrored: bool = False) -> Path:
    """Copy an MP4 so that players turn it clockwise by 0, 90, 180 or 270, after a left-right flip if mirrored.

    Written into the bytes of the track header, where phones put it.
    """
    data = bytearray(source.read_bytes())
    a, b = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    c, d = -b, a
    if is_mirrored:
        a, b = -a, -b
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    tkhd = data.index(b"tkhd")
    version = data[tkhd + 4]
    at = tkhd + 4 + (52 if version else 40)
    data[at : at + 36] = matrix
    path.write_bytes(data)
    return path


def cut(source: Path, path: Path, share: float) -> Path:
    """Copy the first `share` of a file's bytes."""
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def beginning(source: Path, path: Path, duration_s: float) -> Path:
    """Copy the packets of the first seconds of a recording."""
    with av.open(str(source)) as whole, av.open(str(path), "w") as output:
        streams = {stream: output.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            if packet.pts is not None and packet.pts * packet.time_base < duration_s:
                packet.stream = streams[packet.stream]
                output.mux_one(packet)
    return path


def spoil(source: Path, path: Path, from_share: float, to_share: float) -> Path:
    """Copy a file with a stretch of its bytes replaced by noise that is the same each time."""
    data = bytearray(source.read_bytes())
    start, stop = int(len(data) * from_share), int(len(data) * to_share)
    data[start:stop] = np.random.default_rng(0).integers(0, 256, stop - start, np.uint8).tobytes()
    path.write_bytes(data)
    return path


def add_cover(source: Path, path: Path) -> Path:
    """Copy an MP3, with an ID3 tag that holds a cover picture."""
    codec = av.CodecContext.create("png", "w")
    codec.width, codec.height, codec.pix_fmt, codec.time_base = 32, 32, "rgb24", Fraction(1, 25)
    frame = av.VideoFrame.from_ndarray(picture((32, 32)), format="rgb24")
    png = b"".join(bytes(packet) for packet in codec.encode(frame))
    body = b"\x00image/png\x00\x03\x00" + png
    apic = b"APIC" + struct.pack(">I", len(body)) + b"\x00\x00" + body
    size = bytes((len(apic) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\x00\x00" + size + apic + source.read_bytes())
    return path


def glue_sizes(path: Path, sizes: Sequence[tuple[int, int]], n_each: int = 10) -> Path:
    """Write an MPEG-TS whose picture changes its size on the way, as a call does when the line gets worse."""
    with av.open(str(path), "w", format="mpegts") as output:
        # The decoder learns each size from the parameters in front of every key frame.
        first = _video_stream(output, Video(sizes[0], options={"g": "1", "bf": "0"}))
        output.start_encoding()
        for part, size in enumerate(sizes):
            codec = av.CodecContext.create("libx264", "w")
            codec.width, codec.height = size
            codec.pix_fmt, codec.time_base = "yuv420p", Fraction(1, 90_000)
            codec.options = {"bf": "0"}
            packets = []
            for i in range(n_each):
                frame = av.VideoFrame.from_ndarray(picture(size, i), format="rgb24").reformat(format="yuv420p")
                frame.pts, frame.time_base = (part * n_each + i) * 3600, Fraction(1, 90_000)
                packets += codec.encode(frame)
            for packet in packets + codec.encode(None):
                packet.stream = first
                output.mux_one(packet)
    return path
