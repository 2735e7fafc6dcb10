"""Whatever a pipeline is given, made one thing: packets in the order of time, and what is known of their source."""

from __future__ import annotations

import io
import os
import shutil
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import MediaError, UsageError
from emofuse.inference.vad import speech_in
from emofuse.media import MOST_PIXELS, STANDING_S, MediaReader, Span, open_media, within
from emofuse.media.arrays import Channels, Pixels, sound_of
from emofuse.media.kinds import HEAD_BYTES
from emofuse.media.photo import begins_as_photo, is_photo, read_photo
from emofuse.remote import without_secrets
from emofuse.settings import shown
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Frame, Moment, Packet

PHOTO_S: Final = 0.0  # how long a photo lasts: it is of one moment
_BLUER: Final = 20.0  # of 255, as no skin is in white light
_BLOCK_S: Final = 0.5  # of sound in memory that is handed out at once
ACCEPTED: Final = (
    "give a path, an address, bytes, an open file, an array (H, W, 3), frames (T, H, W, 3) with fps=, "
    "(samples, rate_hz), a list of these, or an iterator of packets"
)


class PacketSource(Protocol):
    """What an analysis reads: a `MediaReader`, or something of the same use that is in memory."""

    @property
    def source(self) -> SourceInfo:
        """What it is; complete when all was read."""

    @property
    def warnings(self) -> list[str]:
        """What was chosen, damaged or missing so far."""

    def __iter__(self) -> Iterator[Packet]: ...


@dataclass(frozen=True, slots=True)
class InputOptions:
    """How an input is read. fps: pictures a second of frames; channels: the order of colours in arrays; span: the
    stretch of it that is read."""

    fps: float | None = None
    channels: Channels = "rgb"
    audio_track: int | Sequence[int] | None = None
    max_pixels: int = MOST_PIXELS
    span: Span = field(default_factory=Span)


def open_input(value: Any, options: InputOptions | None = None) -> AbstractContextManager[PacketSource]:
    """Open one input of any kind for an analysis; use the result in a `with` block.

    Args:
        value: A path or an address of a recording or a photo; what such a file holds, as bytes or as a file that is
            open for reading them; a picture or frames as an array, or as Pillow has it; (samples, rate_hz); packets.
        options: How to read it.

    Returns:
        The packets, with what is known of their source.

    Raises:
        MediaError: It cannot be read.
        UsageError: It is nothing of these, or an option does not fit it.

    Example:
        >>> with open_input((np.zeros(8_000, np.int16), 8_000)) as media:
        ...     media.source.duration_s, [(block.time_s, len(block.samples)) for block in media]
        (1.0, [(0.0, 4000), (0.5, 4000)])
    """
    asked = options or InputOptions()
    return _open(value, asked) if asked.span.is_whole else _open_stretch(value, asked)


@contextmanager
def _open_stretch(value: Any, asked: InputOptions) -> Iterator[PacketSource]:
    with _open(value, asked) as media:
        if media.source.is_photo:
            raise UsageError(f"{describe(value)} is a photo, which has no start and no end", "leave them out")
        is_cut = isinstance(media, MediaReader) or (isinstance(media, _Named) and isinstance(media.media, MediaReader))
        yield media if is_cut else _Stretch(media, asked.span)


def _open(value: Any, asked: InputOptions) -> AbstractContextManager[PacketSource]:
    if asked.fps is not None and not (_is_array(value) and np.ndim(value) in (3, 4)):
        raise UsageError(
            f"fps: {shown(asked.fps)} is for frames, (T, H, W, 3)", "leave it out; a recording has its own"
        )
    if _is_pillow(value):
        return nullcontext(_photo(Pixels(np.asarray(value.convert("RGBA"))).rgb(), "picture"))
    if isinstance(value, str | os.PathLike):
        return _open_path(value, asked)
    if isinstance(value, bytes | bytearray | memoryview):
        return _open_bytes(io.BytesIO(value), "bytes", asked)
    if callable(getattr(value, "read", None)):
        return _open_file(value, asked)
    if isinstance(value, tuple) and is_sound(value):
        return nullcontext(_sound(*(value if _is_number(value[1]) else value[::-1])))
    if _is_array(value):
        return nullcontext(_pictures(np.asarray(value), asked))
    if isinstance(value, Iterable) and not isinstance(value, dict | set | list | tuple):
        return nullcontext(value if hasattr(value, "source") else PacketStream(value))  # type: ignore[arg-type]
    raise UsageError(f"{shown(value)} is not a recording", ACCEPTED)


def is_sound(value: Sequence[Any]) -> bool:
    """Return whether a tuple is sound: samples and their rate, in either order."""
    return len(value) == 2 and any(_is_array(a) and _is_number(b) for a, b in (value, value[::-1]))


def are_frames(value: Any) -> bool:
    """Return whether an input of a list is a film, (T, H, W, 3) or (T, H, W) of grey pictures, and no photo."""
    shape: tuple[int, ...] = np.shape(value) if _is_array(value) else ()
    return len(shape) == 4 or (len(shape) == 3 and shape[2] not in (3, 4))


def describe(value: Any) -> str:
    """Return what a timeline calls an input as its source, in a few words."""
    if isinstance(value, str | os.PathLike):
        return without_secrets(str(value))
    if _is_pillow(value):
        return f"picture of {value.width} x {value.height}"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if callable(getattr(value, "read", None)):
        return _file_name(value)
    if isinstance(value, tuple) and is_sound(value):
        return "sound"
    if _is_array(value):
        return f"array {np.shape(value)}"
    return "packets"


def recordings_below(folder: str | os.PathLike[str]) -> list[Path]:
    """Return the recordings and photos in a folder and below it, as the command finds them.

    Raises MediaError where there is none, or something in it cannot be read.
    """
    from emofuse.recordings.finding import find_recordings  # a layer above, where folders are known

    found = find_recordings([Path(folder)])
    if found.failures:
        place, reason = found.failures[0]
        raise MediaError(f"{place}: {reason}", "name a folder with recordings or photos")
    return [Path(place) for place, _ in found.recordings]


class BlueSkin:
    """Warns, once, of pictures in memory whose faces are bluer than they are red: OpenCV has blue first."""

    def __init__(self) -> None:
        self._has_looked = False

    def look(self, frame: Frame, moment: Moment) -> None:
        """Look at the faces of a picture, as `session.run` shows it."""
        if self._has_looked or not moment.faces:
            return
        self._has_looked = True
        left, top, right, bottom = np.maximum(moment.faces[0].box_xyxy, 0).round().astype(int)
        skin = frame.image[top:bottom, left:right].reshape(-1, 3)
        if len(skin) and float(skin[:, 2].mean() - skin[:, 0].mean()) > _BLUER:
            warnings.warn(
                "the face is bluer than it is red: if this is BGR, as OpenCV reads pictures, give channels='bgr'",
                stacklevel=2,
            )


class PacketStream:
    """Packets that come from an iterator. What they are of is known once they have come."""

    def __init__(self, packets: Iterable[Any]) -> None:
        self._packets = packets
        self._source = SourceInfo("packets", None, None, None, None, has_audio=False, has_video=False)

    @property
    def source(self) -> SourceInfo:
        """What has come so far."""
        return self._source

    @property
    def warnings(self) -> list[str]:
        """Nothing: what an iterator raises goes to whoever gave it."""
        return []

    def __iter__(self) -> Iterator[Packet]:
        for packet in self._packets:
            self._note(packet)
            yield packet

    def _note(self, packet: Any) -> None:
        source, end_s = self._source, self._source.duration_s or 0.0
        if isinstance(packet, Frame):
            height, width = packet.image.shape[:2]
            end_s = max(end_s, packet.time_s)
            size = (source.width or width, source.height or height)
            source = replace(source, duration_s=end_s, width=size[0], height=size[1], has_video=True)
        elif isinstance(packet, AudioBlock):
            source = replace(source, duration_s=max(end_s, packet.end_s), has_audio=True)
        self._source = source


@dataclass(frozen=True, slots=True)
class _Made:
    """Packets that are made of something in memory."""

    source: SourceInfo
    make: Callable[[], Iterator[Packet]]
    warnings: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[Packet]:
        return self.make()


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A recording that is handed on as it is, but for what a subclass changes."""

    media: PacketSource

    @property
    def source(self) -> SourceInfo:
        return self.media.source

    @property
    def warnings(self) -> list[str]:
        return self.media.warnings

    def __iter__(self) -> Iterator[Packet]:
        return iter(self.media)


@dataclass(frozen=True, slots=True)
class _Named(_Wrapped):
    """A recording under another name than that of the file that holds it for now."""

    name: str

    @property
    def source(self) -> SourceInfo:
        return replace(self.media.source, path=self.name)


@dataclass(frozen=True, slots=True)
class _Stretch(_Wrapped):
    """A stretch of what is in memory."""

    span: Span

    def __iter__(self) -> Iterator[Packet]:
        return within(self.media, self.span, self.media.source.path)


def _open_path(path: str | os.PathLike[str], asked: InputOptions) -> AbstractContextManager[PacketSource]:
    if is_photo(path):
        name = without_secrets(os.fspath(path))
        return nullcontext(_photo(read_photo(path, max_pixels=asked.max_pixels), name))
    return open_media(
        path,
        audio_track=asked.audio_track,
        speech_s=speech_in,
        repeat_s=STANDING_S,
        max_pixels=asked.max_pixels,
        span=asked.span,
    )


def _open_file(file: Any, asked: InputOptions) -> AbstractContextManager[PacketSource]:
    name = _file_name(file)
    if isinstance(file, io.TextIOBase):
        raise UsageError(f"{name} is open as text", "open it with 'rb'")
    return _open_bytes(file, name, asked)


def _file_name(file: Any) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "file"


@contextmanager
def _open_bytes(file: BinaryIO, name: str, asked: InputOptions) -> Iterator[PacketSource]:
    """Read on from where a file stands. A recording is written to a temporary file, as its streams are read apart."""
    head = file.read(HEAD_BYTES)
    if not isinstance(head, bytes):
        raise UsageError(f"{name} gives {type(head).__name__}, not bytes", "open it with 'rb'")
    if not head:
        raise MediaError(f"{name} is empty (0 bytes)", "is it read to its end already?")
    if begins_as_photo(head):
        yield _photo(read_photo(head + file.read(), name, asked.max_pixels), name)
        return
    with TemporaryDirectory(prefix="emofuse-") as folder:
        path = Path(folder) / "recording"
        with path.open("wb") as copy:
            copy.write(head)
            shutil.copyfileobj(file, copy)
        try:
            with _open_path(path, asked) as media:
                yield _Named(media, name)
        except MediaError as error:
            raise MediaError(error.message.replace(str(path), name), error.hint) from error


def _pictures(array: NDArray[Any], asked: InputOptions) -> PacketSource:
    name = f"array {array.shape}"
    if asked.fps is not None:
        return _film(array, name, asked.fps, asked.channels)
    if array.ndim == 4:
        raise UsageError(f"{name} has several pictures", "give fps=, how many there are a second")
    if array.ndim == 1:
        raise UsageError(f"{name} may be sound, of which the rate is not known", "give (samples, rate_hz)")
    return _photo(Pixels(array, name, asked.channels).rgb(), name)


def _photo(image: NDArray[np.uint8], name: str) -> PacketSource:
    height, width = image.shape[:2]
    source = SourceInfo(name, PHOTO_S, width, height, None, has_audio=False, has_video=True)
    return _Made(source, lambda: iter((Frame(image, 0.0),)))


def _film(array: NDArray[Any], name: str, fps: Any, channels: Channels) -> PacketSource:
    if not (_is_number(fps) and 0 < fps <= 1000):
        raise UsageError(f"fps: {shown(fps)} is not a number of pictures a second", "give one above 0, such as 25")
    pixels = Pixels(array, name, channels, n_dims=4)
    height, width = array.shape[1:3]
    source = SourceInfo(name, len(pixels) / fps, width, height, float(fps), has_audio=False, has_video=True)
    return _Made(source, lambda: (Frame(pixels.rgb(i), i / fps) for i in range(len(pixels))))


def _sound(array: Any, rate: Any) -> PacketSource:
    samples, rate_hz = sound_of(array, rate)
    size = round(_BLOCK_S * rate_hz)
    source = SourceInfo("sound", len(samples) / rate_hz, None, None, None, has_audio=True, has_video=False)
    starts = range(0, len(samples), size)
    return _Made(source, lambda: (AudioBlock(samples[i : i + size], rate_hz, i / rate_hz) for i in starts))


def _is_array(value: Any) -> bool:
    """Return whether a value is an array of any library, or can be one without a copy element by element."""
    return isinstance(value, np.ndarray) or (hasattr(value, "__array__") and not np.isscalar(value))


def _is_pillow(value: Any) -> bool:
    """Return whether a value is a picture of Pillow, which whoever has one has imported."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
