"""Opens recordings and decodes their streams; what the libraries raise does not leave this file as it is."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator
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

from emofuse.errors import EmofuseError, MediaError
from emofuse.reading import one_line
from emofuse.remote import input_size, is_url, open_input, raise_failure, without_secrets
from emofuse.threads import allowed_threads

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
LIBRARY_ERRORS: Final = (av.FFmpegError, OSError, ValueError, RuntimeError, LookupError, ArithmeticError)
MOST_PIXELS: Final = 36_000_000  # of a picture: 8K has 33 million
_RATES: Final = (2_000, 768_000)  # of sound, in Hz; at any other a kilobyte would be minutes, or a filter gigabytes
_MOST_LATE: Final = 64  # streams that begin late
_FREE_FILLING_S: Final = 300.0
_BYTES_PER_FILLED_S: Final = 100.0  # the thinnest recordings have ten times as many


@dataclass(slots=True)
class Damage:
    """What of one stream did not decode. kind: "picture" or "sound"; times are the container's."""

    kind: str
    n_lost: int = 0
    first_lost_s: float | None = None
    n_corrupt: int = 0
    stopped: str = ""
    last_s: float | None = None

    def lose(self) -> None:
        """Count a packet or frame that does not decode."""
        self.n_lost += 1
        if self.n_lost == 1:
            self.first_lost_s = self.last_s

    def stop(self) -> None:
        """Note that nothing comes any more."""
        self.stopped = "the file is damaged after that"

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
        if self.n_corrupt:
            found.append(f"{self.n_corrupt} frames of the {self.kind} are damaged and were kept")
        return found


def most_filling_s(path: str | os.PathLike[str]) -> float:
    """Return how many seconds may be filled in where a recording has nothing: silence, or the same picture again.

    A damaged stamp, of which a few kilobytes can hold hundreds, is an hour of nothing, and that takes minutes to fill.
    """
    return _FREE_FILLING_S + input_size(path) / _BYTES_PER_FILLED_S


@contextlib.contextmanager
def as_media_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever the libraries raise about a recording into a MediaError of one line; our own errors pass.

    What is caught here was expected nowhere nearer: damage that a decoder noted is counted, and reading goes on.
    """
    try:
        yield
    except (EmofuseError, MemoryError):
        raise_failure(path)
        raise
    except Exception as error:  # (of FFmpeg, PyAV, NumPy and OpenCV, without a common base)
        raise_failure(path)
        reason = one_line(f"{type(error).__name__}: {error}")
        raise MediaError(f"{_shown(path)} cannot be read on: {reason}", "it may be damaged; convert it") from error
    raise_failure(path)


def open_container(path: str | os.PathLike[str], max_pixels: int = MOST_PIXELS) -> InputContainer:
    """Open a recording; what is in it is looked at with decoders that refuse pictures of over max_pixels.

    Raises MediaError when it is missing, empty, a folder, or nothing that we read.
    """
    _check_file(path)
    container = _opened(path, {}, max_pixels)
    if container.format.name == "flv" and _lacks_stream(path, container):
        container.close()
        # A stream that begins later than FFmpeg looks is not there for it: it looks at all of the file.
        container = _opened(path, {"probesize": "2147483647", "analyzeduration": str(10**12)}, max_pixels)
    return container


def stated_size(path: str | os.PathLike[str], index: int) -> tuple[int, int] | None:
    """Return the width and height that the header states of a stream; None where it states none. Decodes nothing.

    Raises MediaError where the file cannot be opened.
    """
    _check_file(path)
    with _opened(path, {"probesize": "32", "analyzeduration": "0"}, None) as container:
        context = container.streams[index].codec_context if index < len(container.streams) else None
        if not isinstance(context, av.VideoCodecContext) or context.width * context.height <= 0:
            return None
        return context.width, context.height


def _lacks_stream(path: str | os.PathLike[str], container: InputContainer) -> bool:
    """Whether an FLV, whose head says what is in it, has a stream that was not found."""
    with open_input(path) as opened:
        flags = opened.read(5)[-1]
    return bool(flags & 4 and not container.streams.audio) or bool(flags & 1 and not container.streams.video)


def _check_file(path: str | os.PathLike[str]) -> None:
    if is_url(path):
        if not input_size(path):
            raise MediaError(f"{_shown(path)} is empty (0 bytes)", "record or copy it again")
        return
    file = Path(path)
    if not os.path.exists(file):  # noqa: PTH110 (Path.exists raises for names that no file can have)
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


def _opened(path: str | os.PathLike[str], options: dict[str, str], max_pixels: int | None) -> InputContainer:
    try:
        return av.open(
            # An absolute path, so that a file called "pipe:0" is a file.
            open_input(path) if is_url(path) else str(Path(path).absolute()),
            "r",
            metadata_errors="replace",
            options={} if max_pixels is None else {"max_pixels": str(max_pixels)},  # of every decoder
            container_options={"format_whitelist": FORMATS, "protocol_whitelist": "file", **options},
        )
    except LIBRARY_ERRORS as error:
        raise_failure(path)
        reason = "it is not a recording that emofuse knows, or it is cut off or damaged"
        hint = f"{READABLE}; record or convert it again"
        raise MediaError(f"cannot read {_shown(path)}: {reason}", hint) from error


def _shown(path: str | os.PathLike[str]) -> str:
    return without_secrets(os.fspath(path))


def discard_other_streams(container: InputContainer, *streams: Stream) -> None:
    """Make the demuxer skip every other stream, so that their data is not even read."""
    kept = {stream.index for stream in streams}
    for other in container.streams:
        # Before PyAV 18 a stream has no `discard`; then they are read, and dropped.
        with contextlib.suppress(AttributeError):
            discard = av.stream.Discard
            other.discard = discard.default if other.index in kept else discard.all


def bound_decoder(stream: VideoStream, max_pixels: int) -> None:
    """Decode on several threads, on fewer the larger the picture is, and no picture of over max_pixels, so that memory
    stays bounded."""
    stream.codec_context.options = {"max_pixels": str(max_pixels)}
    pixels = max(stream.codec_context.width * stream.codec_context.height, 1)
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = max(1, min(allowed_threads(), 8, _THREAD_PIXELS // pixels))


def decode_video(container: InputContainer, stream: VideoStream, damage: Damage) -> Iterator[VideoFrame]:
    """Yield what decodes of a video stream, in presentation order; what does not is noted in `damage`."""
    for frame in _decode(container, stream, damage):
        if isinstance(frame, VideoFrame):
            yield frame


def decode_audio(container: InputContainer, stream: AudioStream, damage: Damage) -> Iterator[AudioFrame]:
    """Yield what decodes of an audio stream, in order; what does not is noted in `damage`."""
    for frame in _decode(container, stream, damage):
        if not isinstance(frame, AudioFrame):
            continue
        if _RATES[0] <= frame.sample_rate <= _RATES[1]:
            yield frame
        else:
            damage.lose()


def _decode(
    container: InputContainer, stream: VideoStream | AudioStream, damage: Damage
) -> Iterator[VideoFrame | AudioFrame]:
    for packet in demux(container, stream, on_damage=damage.stop):
        try:
            frames = packet.decode()
        except LIBRARY_ERRORS:
            damage.lose()
            continue
        for frame in frames:
            if not isinstance(frame, VideoFrame | AudioFrame):
                continue
            damage.n_corrupt += frame.is_corrupt
            damage.last_s = seconds(frame) or damage.last_s
            yield frame


def demux(
    container: InputContainer, *streams: Stream, on_damage: Callable[[], object] | None = None
) -> Iterator[Packet[Any]]:
    """Yield the packets of these streams, up to where the file is damaged.

    A stream that begins late, which FFmpeg did not see when it opened the file, ends PyAV's own iterator.
    """
    packets, n_late = container.demux(*streams), 0
    while True:
        try:
            packet = next(packets, None)
        except LIBRARY_ERRORS as error:
            if isinstance(error, IndexError) and n_late < _MOST_LATE:
                packets, n_late = container.demux(*streams), n_late + 1
                continue
            if on_damage is not None:
                on_damage()
            return
        if packet is None:
            return
        yield packet


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
    return in_seconds(frame.pts, frame.time_base)


def in_seconds(ticks: int, time_base: Fraction) -> float:
    """Return ticks of a time base in seconds: the nearest float, as of their product, which takes ten times as long."""
    return ticks * time_base.numerator / time_base.denominator


def duration_s(container: InputContainer) -> float | None:
    """Return the stated duration in seconds; None where it is unknown."""
    stated = container.duration
    return stated / av.time_base if stated is not None and stated > 0 else None


def frame_rate(stream: VideoStream) -> float | None:
    """Return the container's average rate in frames per second; None where it is unknown or absurd."""
    rate = float(stream.average_rate or Fraction(0))
    return rate if math.isfinite(rate) and 0.001 <= rate <= 1000 else None
