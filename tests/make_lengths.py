"""Recordings whose header says another length than they have."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np


def quiet_then_loud_aac(path: Path) -> Path:
    """Write 9 s of raw AAC, whose length FFmpeg guesses from its first packets: silence makes it much more."""
    with av.open(str(path), "w", format="adts") as output:
        stream = output.add_stream("aac", rate=44_100)
        stream.layout = "mono"
        rng = np.random.default_rng(0)
        for i in range(388):
            _encode(output, stream, rng.normal(0, 0.3, 1024) * (i > 60), i)
        output.mux(stream.encode(None))
    return path


def loud_then_quiet_mp3(path: Path) -> Path:
    """Write 80 s of MP3 of a variable rate without a Xing header, whose length FFmpeg guesses to be much less."""
    with av.open(str(path), "w", options={"write_xing": "0"}) as output:
        stream = output.add_stream("libmp3lame", rate=16_000)
        stream.codec_context.options = {"flags": "+qscale", "global_quality": "1062"}
        stream.layout = "mono"
        rng = np.random.default_rng(0)
        for i in range(1250):
            _encode(output, stream, rng.normal(0, 0.3, 1024) * (i < 200), i)
        output.mux(stream.encode(None))
    return path


def _encode(output: av.container.OutputContainer, stream: av.AudioStream, samples: np.ndarray, i: int) -> None:
    frame = av.AudioFrame.from_ndarray(samples.astype(np.float32)[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts = stream.rate, i * 1024
    output.mux(stream.encode(frame))


def with_long_header(source: Path, path: Path, length_s: float) -> Path:
    """Copy a Matroska file that says of itself to be so long."""
    data = bytearray(source.read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # the element Duration, eight bytes of a number in milliseconds
    data[at : at + 8] = struct.pack(">d", 1000 * length_s)
    path.write_bytes(data)
    return path
