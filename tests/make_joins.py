"""Recordings in which a flash and a click fall together, and what joins and moves them without encoding them anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from emofuse.media import open_media
from emofuse.types import AudioBlock
from make_media import Sound, Video, _audio_stream, _encode_video, _video_stream

FLASH_S = 0.48  # of every second
SIZE = (64, 48)


def flash_and_click(path: Path, video: Video | None = None, sound: Sound | None = None) -> Path:
    """Write a recording of one second, and 40 ms of a white picture and of a tone at FLASH_S."""
    video = video or Video(SIZE, options={"bf": "0"})
    sound = sound or Sound(rate_hz=44_100, layout="mono")
    with av.open(str(path), "w") as output:
        shown, heard = _video_stream(output, video), _audio_stream(output, sound)
        output.start_encoding()
        pictures = [
            np.full((video.size[1], video.size[0], 3), 255 * (round(t % 1, 6) == FLASH_S), np.uint8)
            for t in video.times
        ]
        packets = _encode_video(shown, video, pictures)
        times = np.arange(round(sound.duration_s * sound.rate_hz)) / sound.rate_hz
        is_click = (times % 1 >= FLASH_S) & (times % 1 < FLASH_S + 0.04)
        samples = np.where(is_click, 0.8 * np.sin(2 * np.pi * 1000 * times), 0).astype(np.float32)
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="flt", layout="mono")
            frame.sample_rate, frame.time_base = sound.rate_hz, Fraction(1, sound.rate_hz)
            frame.pts = start + round(sound.start_s * sound.rate_hz)
            packets += heard.encode(frame)
        packets += heard.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            output.mux_one(packet)
    return path


def join(parts: Sequence[Path], path: Path) -> Path:
    """Copy the packets of recordings one after the other, each beginning where the one before it ends, as lossless
    cutters do; where a stamp is not later than the last, it is made so."""
    with av.open(str(path), "w") as output:
        streams: list[av.stream.Stream] = []
        latest: dict[int, int] = {}
        starts_s = Fraction(0)
        for part in parts:
            ends_s = starts_s
            with av.open(str(part)) as source:
                if not streams:
                    streams = [output.add_stream_from_template(stream) for stream in source.streams]
                    output.start_encoding()
                for packet in source.demux():
                    if packet.size == 0:
                        continue
                    index, shift = packet.stream_index, round(starts_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    if packet.dts <= latest.get(index, packet.dts - 1):
                        packet.dts = latest[index] + 1
                        packet.pts = max(packet.pts, packet.dts)
                    latest[index] = packet.dts
                    ends_s = max(ends_s, (packet.pts + packet.duration) * packet.time_base)
                    packet.stream = streams[index]
                    output.mux_one(packet)
            starts_s = ends_s
    return path


def moved(sound: Sound, start_s: float) -> Sound:
    """Return a sound that starts at another time."""
    return replace(sound, start_s=start_s)


def flashes_and_clicks(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the times in seconds at which the reader shows a white picture, and at which it begins to be loud."""
    flashes, blocks = [], []
    with open_media(path) as reader:
        for packet in reader:
            if isinstance(packet, AudioBlock):
                blocks.append(packet)
            elif packet.image.mean() > 128:
                flashes.append(packet.time_s)
    samples = np.zeros(round(max(block.end_s for block in blocks) * 16_000) + 1, np.float32)
    for block in blocks:
        start = round(block.time_s * 16_000)
        samples[start : start + len(block.samples)] = block.samples
    loud = np.flatnonzero(np.abs(samples) > 0.2)
    first = loud[np.diff(loud, prepend=-16_000) > 1600]
    return np.array(flashes), first / 16_000
