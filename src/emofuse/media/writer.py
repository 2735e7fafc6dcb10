"""Writes pictures, with the sound of the recording they come from, to an MP4 that any browser plays."""

from __future__ import annotations

import contextlib
import errno
import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emofuse.errors import MediaError, OutputError
from emofuse.media._container import DAMAGE_ERRORS, LIBRARY_ERRORS, mux
from emofuse.media._soundtrack import PushedSoundtrack, Soundtrack
from emofuse.media.reader import MediaReader, open_media
from emofuse.media.yuv import BT709, YuvFrame
from emofuse.staging import StagedPath
from emofuse.types import AudioBlock, Frame

# x264's settings: half to four fifths of the CPU that "veryfast" at 20 takes, pictures as good (47.6 to
# 50.4 dB for 46.8 to 49.5), and files 1.3 to 1.9 times as large: a film is made to be looked at once, and soon.
PRESET: Final = "superfast"
CRF: Final = 23
_LARGE_PIXELS: Final = 2560 * 1440  # over it, memory goes before size
MAX_SIDE: Final = 3840  # pixels; browsers and their hardware decoders play H.264 up to here
_TIME_BASE: Final = Fraction(1, 90_000)  # seconds per tick, as MPEG has it: any frame rate's times are whole
_LONGEST_STEP_S: Final = 0.5  # of the last picture: the reader hands out one that stands for longer anew


class VideoWriter:
    """Writes an MP4 (H.264, AAC) with the pictures given to it and the sound of a recording.

    Use it in a `with` block. Pictures keep their times; the sound is copied bit for bit where it is AAC without holes
    and seams, and is encoded to AAC otherwise, in the places that its stamps say. source: the recording, or the reader
    of it, whose choice among several sound tracks is then followed. Without it (a live stream) the sound is what is
    given to `write_sound`; sound_rate_hz is its rate, None where there is none. The file appears under its name only
    when the block ends well; on any exception nothing is left behind. n_dropped: pictures that were not later than the
    one before. trailer: is given the size of the whole file, in bytes, and returns boxes that are to follow.

    Raises OutputError when the file cannot be written, MediaError when source cannot be read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: str | os.PathLike[str] | MediaReader | None,
        *,
        crf: int = CRF,
        sound_rate_hz: int | None = None,
        trailer: Callable[[int], bytes] | None = None,
    ) -> None:
        self._path, self._crf, self._sound_rate_hz = Path(path), crf, sound_rate_hz
        self._source = source
        self._trailer = trailer
        self._recording: MediaReader | None = None
        self._staged: StagedPath | None = None
        self._output: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._sound: Soundtrack | PushedSoundtrack | None = None
        self._size = (0, 0)  # width and height of the first picture, which all others are fitted into
        self._coding = BT709  # of its colours, which all others get
        self._last_tick: int | None = None
        self._converter = VideoReformatter()
        self.n_dropped = 0

    def __enter__(self) -> Self:
        if self._path.suffix.lower() not in (".mp4", ".m4v"):
            raise OutputError(f"cannot write {self._path}: the video is an MP4", "give it a name in .mp4")
        if self._path.is_dir():
            raise OutputError(f"cannot write {self._path}: it is a folder", "name a file in it")
        if not self._path.parent.is_dir():
            raise OutputError(f"cannot write {self._path}: no such folder", "make the folder first")
        source = self._source
        if source is not None:
            source_path = Path(source.path if isinstance(source, MediaReader) else source)
            if self._path.exists() and source_path.exists() and self._path.samefile(source_path):
                raise OutputError(f"{self._path} is the recording itself", "choose another name for the result")
            if isinstance(source, MediaReader):
                self._recording = source
            else:
                with open_media(source) as self._recording:
                    pass
        with self._translated():
            # Made now, so that a folder that cannot be written in is known before an hour of analysis.
            self._staged = StagedPath(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self._let_go()

    def write(self, image: NDArray[np.uint8], time_s: float) -> None:
        """Add a picture. image: (H, W, 3) uint8 RGB; time_s: seconds, as the reader gave it.

        A picture that is not later than the one before, by the 1/90000 s, is dropped and counted. One of
        another size than the first is scaled into that size, with black bars. Raises OutputError.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        if not math.isfinite(time_s):
            raise ValueError(f"time_s must be finite, not {time_s}")
        self.write_frame(Frame(image, time_s))

    def write_frame(self, frame: Frame) -> None:
        """Add a picture, as `write` does; one that is encoded already, like the first one, stays as it is."""
        tick = round(frame.time_s / _TIME_BASE)
        if self._last_tick is not None and tick <= self._last_tick:
            self.n_dropped += 1
            return
        with self._translated():
            if self._stream is None:
                self._open(frame)
            self._last_tick = tick
            picture = self._picture(frame)
            picture.pts, picture.time_base = tick, _TIME_BASE
            self._encode(picture)
            if self._sound is not None:
                self._sound.write_until(frame.time_s)

    def write_sound(self, block: AudioBlock) -> None:
        """Add a block of a live stream's sound, at sound_rate_hz and in the order of time, after the first picture.

        Raises OutputError.
        """
        assert isinstance(self._sound, PushedSoundtrack) and block.rate_hz == self._sound_rate_hz, "a live stream's"
        with self._translated():
            self._sound.push(block)

    def _open(self, frame: Frame) -> None:
        width, height = self._size = frame.size
        if isinstance(frame, YuvFrame):
            self._coding = frame.coding
        scale = min(1.0, MAX_SIDE / max(width, height))
        assert self._staged is not None
        self._output = av.open(
            str(self._staged.path.absolute()),
            "w",
            format="mp4",
            # Times of edit lists are in the movie's time scale, which is whole milliseconds if not set.
            options={"movflags": "+faststart", "movie_timescale": str(_TIME_BASE.denominator)},
        )
        recording = self._recording
        fps = (recording.source.fps if recording is not None else None) or 25.0
        # H.264 with subsampled colour has even sides only.
        even = [max(2, 2 * math.ceil(round(n * scale) / 2)) for n in (width, height)]
        is_large = even[0] * even[1] > _LARGE_PIXELS
        # What x264 looks ahead at and each thread of whole pictures hold pictures: at 4K, over 700 MB of them.
        options = {"preset": PRESET, "crf": str(self._crf), **({"tune": "zerolatency"} if is_large else {})}
        stream = self._output.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.width, stream.height = even
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = _TIME_BASE
        # Whole pictures per thread: x264 then works on while the caller analyses, and does not make it wait.
        stream.thread_type = "SLICE" if is_large else "FRAME"
        context = stream.codec_context
        context.colorspace, context.color_range = self._coding.space, ColorRange.MPEG
        context.color_primaries, context.color_trc = self._coding.primaries, self._coding.transfer
        self._stream, self._step = stream, round(min(1 / fps, _LONGEST_STEP_S) / _TIME_BASE)
        if recording is None and self._sound_rate_hz is not None:
            self._sound = PushedSoundtrack(self._output, self._sound_rate_hz)
        elif recording is not None and recording.source.has_audio:
            self._sound = Soundtrack(self._output, recording)
        self._output.start_encoding()

    def _picture(self, frame: Frame) -> VideoFrame:
        assert self._stream is not None
        is_alike = frame.size == self._size == (self._stream.width, self._stream.height)
        if is_alike and isinstance(frame, YuvFrame) and frame.coding == self._coding:
            return frame.encoded()
        image = frame.image
        if image.shape[1::-1] != self._size:
            image = _fitted(image, self._size)
        width, height = self._stream.width, self._stream.height
        if max(self._size) <= MAX_SIDE and (width, height) != self._size:
            below, right = height - self._size[1], width - self._size[0]
            image = cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE).astype(np.uint8)
        rgb = VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
        return self._converter.reformat(
            rgb,
            width=width,
            height=height,
            format="yuv420p",
            dst_colorspace=self._coding.space,
            dst_color_range=ColorRange.MPEG,
        )

    def _encode(self, picture: VideoFrame | None) -> None:
        assert self._stream is not None and self._output is not None
        for packet in self._stream.encode(picture):
            packet.duration = self._step  # of the last one only; others last until the next
            mux(self._output, packet)

    def _finish(self) -> None:
        if self._stream is None or self._output is None or self._staged is None:
            raise OutputError(f"nothing to write to {self._path}: no picture was given")
        with self._translated():
            self._encode(None)
            if self._sound is not None:
                self._sound.write_until(math.inf)
            # Damaged packets of the sound may come up as late as here; what counts is that the result can be read.
            with contextlib.suppress(*DAMAGE_ERRORS):
                self._output.close()
            if self._trailer is not None:
                with self._staged.path.open("ab") as file:
                    file.write(self._trailer(file.tell()))
            try:
                with open_media(self._staged.path):
                    pass
            except MediaError as error:
                raise OutputError(f"cannot write {self._path}: what was written cannot be read") from error
            self._staged.publish()

    def _let_go(self) -> None:
        """Close everything, and remove the unfinished file; after success there is none."""
        if self._sound is not None:
            self._sound.close()
        if self._output is not None:
            with contextlib.suppress(*LIBRARY_ERRORS):
                self._output.close()
        self._sound = self._output = self._stream = None  # which frees the encoder's memory
        if self._staged is not None:
            self._staged.discard()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except LIBRARY_ERRORS as error:
            number = getattr(error, "errno", None)
            reason = getattr(error, "strerror", None) or str(error)
            hint = {
                errno.ENOSPC: "free some space, or write to another disk",
                errno.EACCES: "choose a folder that you may write in",
                errno.EROFS: "choose a folder that you may write in",
            }.get(number or 0, "")
            raise OutputError(f"cannot write {self._path}: {reason}", hint) from error


def _fitted(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Scale a picture into (width, height), centred on black."""
    width, height = size
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    canvas = np.zeros((height, width, 3), dtype=np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    canvas[top : top + h, left : left + w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA)
    return canvas
