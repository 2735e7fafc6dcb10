"""Recordings with several sound tracks or several pictures, as cameras, broadcasts and shops make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition
from numpy.typing import NDArray

from make_media import Video, _encode_video, _video_stream, picture

RATE_HZ = 16_000
NOTHING = Disposition(0)


@dataclass(frozen=True)
class Track:
    """A sound track of (channels, T) samples at RATE_HZ. language: three letters, or "" for none; is_garbage: its
    packets are nothing that decodes."""

    samples: NDArray[np.float32]
    language: str = ""
    disposition: Disposition = NOTHING
    is_garbage: bool = False
    codec: str = "pcm_s16le"


def tone(hz: float, duration_s: float = 2.0, amplitude: float = 0.5, n_channels: int = 2) -> NDArray[np.float32]:
    """Return (channels, T) of a sine in every channel."""
    times = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return np.tile(amplitude * np.sin(2 * np.pi * hz * times), (n_channels, 1)).astype(np.float32)


def write_tracks(path: Path, tracks: Sequence[Track], video: Video | None = None, **options: str) -> Path:
    """Write a recording of these sound tracks; `options` are the container's."""
    with av.open(str(path), "w", options=options) as output:
        streams = []
        shown = None if video is None else _video_stream(output, video)
        for track in tracks:
            codec = "mp3" if track.is_garbage else track.codec
            stream = output.add_stream(codec, rate=RATE_HZ)
            stream.layout = "mono" if len(track.samples) == 1 else "stereo"
            stream.disposition = track.disposition
            if track.language:
                stream.metadata["language"] = track.language
            streams.append(stream)
        output.start_encoding()
        packets = []
        if video is not None and shown is not None:
            packets += _encode_video(shown, video, (picture(video.size, i) for i in range(len(video.times))))
        for track, stream in zip(tracks, streams, strict=True):
            packets += _garbage(stream, track) if track.is_garbage else _encoded(stream, track)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    return path


def _encoded(stream: av.AudioStream, track: Track) -> list[av.Packet]:
    packets = []
    for start in range(0, track.samples.shape[1], 1024):
        block = np.ascontiguousarray(track.samples[:, start : start + 1024].T).reshape(1, -1)
        layout = "mono" if len(track.samples) == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, start, Fraction(1, RATE_HZ)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _garbage(stream: av.AudioStream, track: Track) -> list[av.Packet]:
    packets = []
    for start in range(0, track.samples.shape[1], 1152):
        packet = av.Packet(bytes(200))
        packet.stream, packet.time_base = stream, Fraction(1, RATE_HZ)
        packet.pts = packet.dts = start
        packet.duration = 1152
        packets.append(packet)
    return packets


def write_films(path: Path, videos: Sequence[tuple[Video, int, Disposition]]) -> Path:
    """Write several picture tracks, each with the grey of all its pictures and its disposition."""
    with av.open(str(path), "w") as output:
        streams = []
        for video, _, disposition in videos:
            stream = _video_stream(output, video)
            stream.disposition = disposition
            streams.append(stream)
        output.start_encoding()
        packets = []
        for (video, grey, _), stream in zip(videos, streams, strict=True):
            image = np.full((video.size[1], video.size[0], 3), grey, np.uint8)
            packets += _encode_video(stream, video, [image] * len(video.times))
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    return path
