"""Opens recordings and decodes their streams; what the libraries raise does not leave this file as it is."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emofuse.errors import MediaError

# Playlists (hls, concat, dash) are left out on purpose: one that is uploaded as "clip.mp4" could make us
# read other files, or the network.
FORMATS: Final = (
    "mov,matroska,webm,avi,flv,wav,w64,flac,mp3,ogg,mpegts,mpeg,aac,ac3,eac3,aiff,au,caf,asf,gif,amr,ivf,"
    "yuv4mpegpipe,m4v,h264,hevc,mpegvideo,nut,mxf,rm,dv,wv,ape,tta,dts"
)
READABLE: Final = "emofuse reads mp4, mov, mkv, webm, avi, flv, wav, flac, mp3, m4a and ogg"
_THREAD_PIXELS: Final = 16 * 3840 * 2160 // 4  # threads x pixels: each thread holds pictures

StreamT = TypeVar("StreamT", VideoStream, AudioStream)
DAMAGE_ERRORS: Final = (av.error.InvalidDataError, av.error.PatchWelcomeError)
LIBRARY_ERRORS: Final = (av.FFmpegError, OSError, ValueError, RuntimeError, NotImplementedError)


@dataclass(slots=True)
class Damage:
    """What of one stream did not decode. kind: "picture" or "sound"; times are the container's."""

    kind: str
    n_lost: int = 0
    first_lost_s: float | None = None
    n_marred: int = 0
    stopped: str = ""
    last_s: float | None = None

    def lose(self) -> None:
        """Count a packet or frame that does not decode."""
        self.n_lost += 1
        if self.n_lost == 1:
            self.first_lost_s = self.last_s

    def lines(self, start_s: float) -> list[str]:
        """Describe the damage, a line for each sort of it, with times from start_s on."""

        def at(time_s: float | None) -> str:
            return f"{max((time_s or start_s) - start_s, 0.0):.1f} s"

        found = []
        if self.stopped:
            found.append(f"the {self.kind} stopped at {at(self.last_s)}: {self.stopped}")
        if self.n_lost:
            found.append(
                f"{self.n_lost} damaged packets of the {self.kind}, the first near {at(self.first_lost_s)}, "
                "were left out"
            )
        if self.n_marred:
            found.append(f"{self.n_marred} frames of the {self.kind} are damaged and were kept")
        return found


def open_container(path: str | os.PathLike[str]) -> InputContainer:
    """Open a recording. Raises MediaError when it is missing, empty, a folder, or nothing that we read."""
    file = Path(path)
    if not file.exists():
        raise MediaError(f"no such file: {file}", "check the path")
    if not file.is_file():
        what = "a folder" if file.is_dir() else "not a file"
        raise MediaError(f"{file} is {what}", "name one recording")
    try:
        if file.stat().st_size == 0:
            raise MediaError(f"{file} is empty (0 bytes)", "record or copy it again")
        with file.open("rb"):
            pass
    except OSError as error:
        raise MediaError(f"cannot read {file}: {error.strerror}", "check its permissions") from error
    try:
        # An absolute path, so that a file called "pipe:0" is a file.
        return av.open(
            str(file.absolute()),
            "r",
            metadata_errors="replace",
            container_options={"format_whitelist": FORMATS, "protocol_whitelist": "file"},
        )
    except LIBRARY_ERRORS as error:
        reason = "it is no recording that emofuse knows, or it is cut off or damaged"
        hint = f"{READABLE}; record or convert it again"
        raise MediaError(f"cannot read {file}: {reason}", hint) from error


def only(container: InputContainer, *streams: Stream) -> None:
    """Make the demuxer skip every other stream, so that their data is not even read."""
    kept = {stream.index for stream in streams}
    for other in container.streams:
        # Before PyAV 18 a stream has no `discard`; then they are read, and dropped.
        with contextlib.suppress(AttributeError):
            discard = av.stream.Discard
            other.discard = discard.default if other.index in kept else discard.all


def use_threads(stream: VideoStream) -> None:
    """Decode on several threads, on fewer the larger the picture is, so that memory stays bounded."""
    pixels = max(stream.codec_context.width * stream.codec_context.height, 1)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = max(1, min(os.cpu_count() or 1, 8, _THREAD_PIXELS // pixels))


def decode_video(container: InputContainer, stream: VideoStream, damage: Damage) -> Iterator[VideoFrame]:
    """Yield what decodes of a video stream, in presentation order; what does not is noted in `damage`."""
    for frame in _decode(container, stream, damage):
        if isinstance(frame, VideoFrame):
            yield frame


def decode_audio(container: InputContainer, stream: AudioStream, damage: Damage) -> Iterator[AudioFrame]:
    """Yield what decodes of an audio stream, in order; what does not is noted in `damage`."""
    for frame in _decode(container, stream, damage):
        if isinstance(frame, AudioFrame):
            yield frame


def _decode(
    container: InputContainer, stream: VideoStream | AudioStream, damage: Damage
) -> Iterator[VideoFrame | AudioFrame]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except LIBRARY_ERRORS:
            damage.stopped = "the file is damaged after that"
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except LIBRARY_ERRORS:
            damage.lose()
            continue
        for frame in frames:
            if not isinstance(frame, VideoFrame | AudioFrame):
                continue
            damage.n_marred += frame.is_corrupt
            damage.last_s = seconds(frame) or damage.last_s
            yield frame


def mux(output: OutputContainer, packet: Packet[Any]) -> None:
    """Write a packet; one that is too damaged for a muxer to understand is left out.

    The muxer sorts packets, so the damaged one may be another than `packet`, put in before.
    """
    with contextlib.suppress(*DAMAGE_ERRORS):
        output.mux_one(packet)


def seconds(frame: VideoFrame | AudioFrame) -> float | None:
    """Return the frame's presentation time in the container's own seconds, None where it states none."""
    if frame.pts is None or not frame.time_base:
        return None
    return float(frame.pts * frame.time_base)


def duration_s(container: InputContainer) -> float | None:
    """Return the stated duration in seconds; None where it is unknown."""
    stated = container.duration
    return stated / av.time_base if stated is not None and stated > 0 else None


def frame_rate(stream: VideoStream) -> float | None:
    """Return the container's average rate in frames per second; None where it is unknown or absurd."""
    rate = float(stream.average_rate or Fraction(0))
    return rate if math.isfinite(rate) and 0.001 <= rate <= 1000 else None
