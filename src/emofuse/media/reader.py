"""Reads a recording as one stream of pictures and sound, in the order in which a viewer meets them."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from emofuse.errors import MediaError
from emofuse.media import _container, _picture, _sound
from emofuse.media._container import READABLE, Damage
from emofuse.timeline import SourceInfo
from emofuse.types import Frame, Packet

AUDIO_RATE_HZ: Final = 16_000  # what the speech models were trained on
# Formats whose header states the duration; the others' is an estimate, and says nothing about missing data.
_STATES_DURATION: Final = ("mov,mp4", "matroska", "avi", "flv", "wav")


def probe(path: str | os.PathLike[str]) -> SourceInfo:
    """Return what a recording is, from its header and its first picture and sound.

    Raises MediaError as `open_media` does.
    """
    with open_media(path) as reader:
        return reader.source


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return the width and height that the header states, None where it states no picture. Decodes nothing.

    Raises MediaError for a file that cannot be opened.
    """
    with _container.open_container(path) as container:
        video = _container.pick(container.streams.video)
        if video is None or video.codec_context is None:
            return None
        return video.codec_context.width, video.codec_context.height


def open_media(path: str | os.PathLike[str], *, audio_rate_hz: int = AUDIO_RATE_HZ) -> MediaReader:
    """Open a recording for reading; use the result in a `with` block.

    Raises MediaError when there is no such file, or when neither a picture nor a sound in it can be decoded.
    """
    return MediaReader(path, audio_rate_hz=audio_rate_hz)


class MediaReader:
    """Iterates over the packets of a recording, once, in the order of their time_s.

    Frames are upright RGB with square pixels and may change size on the way; sound is mono at audio_rate_hz,
    and a gap in it is a gap between one block's end_s and the next one's time_s. Times are the container's,
    less its start. Memory does not grow with the length of the recording.

    source: what the recording is. start_s: the container's own time, in seconds, of which time_s counts.
    """

    source: SourceInfo
    start_s: float

    def __init__(self, path: str | os.PathLike[str], *, audio_rate_hz: int = AUDIO_RATE_HZ) -> None:
        if audio_rate_hz <= 0:
            raise ValueError(f"audio_rate_hz must be positive, not {audio_rate_hz}")
        self._path = os.fspath(path)
        self._damage = {"picture": Damage("picture"), "sound": Damage("sound")}
        self._notes: list[str] = []
        self._end_s = 0.0
        self._packets: Iterator[Packet] = iter(())
        self._containers: list[InputContainer] = [_container.open_container(path)]
        try:
            self._packets = self._open(audio_rate_hz)
        except BaseException:
            self.close()
            raise

    @property
    def warnings(self) -> list[str]:
        """What was damaged or missing so far, a line each; complete when the iteration has ended."""
        lines = [line for damage in self._damage.values() for line in damage.lines(self.start_s)]
        return self._notes + lines

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Packet]:
        return self._packets

    def close(self) -> None:
        """Let go of the file; the iteration is over then."""
        self._packets = iter(())
        for container in self._containers:
            container.close()

    def _open(self, rate_hz: int) -> Iterator[Packet]:
        first = self._containers[0]
        video, audio = _container.pick(first.streams.video), _container.pick(first.streams.audio)
        if video is None and audio is None:
            raise MediaError(f"{self._path} holds neither a picture nor a sound", READABLE)
        second = first
        if video is not None and audio is not None:
            # Each stream is read at its own pace, so nothing piles up however the file is interleaved.
            second = _container.open_container(self._path)
            self._containers.append(second)
            audio = _container.pick(second.streams.audio)
        pictures, sounds = self._streams(first, video, second, audio, rate_hz)
        picture, sound = next(pictures, None), next(sounds, None)
        self._describe(first, video, audio, picture, sound is not None)
        return self._merge(
            itertools.chain([] if sound is None else [sound], sounds),
            itertools.chain([] if picture is None else [picture], pictures),
        )

    def _streams(
        self,
        video_from: InputContainer,
        video: VideoStream | None,
        audio_from: InputContainer,
        audio: AudioStream | None,
        rate_hz: int,
    ) -> tuple[Iterator[Packet], Iterator[Packet]]:
        pictures: Iterator[av.VideoFrame] = iter(())
        sounds: Iterator[av.AudioFrame] = iter(())
        # A stream that no decoder exists for has no codec context.
        if video is not None and video.codec_context is not None:
            _container.use_threads(video)
            _container.only(video_from, video)
            pictures = _container.decode_video(video_from, video, self._damage["picture"])
        if audio is not None and audio.codec_context is not None:
            _container.only(audio_from, audio)
            sounds = _container.decode_audio(audio_from, audio, self._damage["sound"])
        picture, sound = next(pictures, None), next(sounds, None)
        starts = [_container.seconds(frame) or 0.0 for frame in (picture, sound) if frame is not None]
        self.start_s = _start(video_from, starts)
        frames: Iterator[Packet] = iter(())
        if picture is not None and video is not None:
            pictures = itertools.chain([picture], pictures)
            frames = _picture.frames(pictures, video, self.start_s, self._damage["picture"])
        if sound is None:
            return frames, iter(())
        sounds = itertools.chain([sound], sounds)
        return frames, _sound.blocks(sounds, self.start_s, rate_hz, self._damage["sound"])

    def _describe(
        self,
        container: InputContainer,
        video: VideoStream | None,
        audio: AudioStream | None,
        picture: Packet | None,
        has_sound: bool,
    ) -> None:
        image = picture.image if isinstance(picture, Frame) else None
        if image is None and not has_sound:
            raise MediaError(
                f"nothing in {self._path} can be decoded: no picture and no sample of sound",
                "the file may be cut off or damaged; record or convert it again",
            )
        for kind, stream, is_read in (("picture", video, image is not None), ("sound", audio, has_sound)):
            if stream is not None and not is_read:
                self._notes.append(f"the {kind} cannot be decoded and was left out")
        self._states_duration = container.format.name.startswith(_STATES_DURATION)
        self.source = SourceInfo(
            path=self._path,
            duration_s=_container.duration_s(container),
            width=None if image is None else image.shape[1],
            height=None if image is None else image.shape[0],
            fps=None if image is None or video is None else _container.frame_rate(video),
            has_audio=has_sound,
            has_video=image is not None,
        )

    def _merge(self, sounds: Iterator[Packet], pictures: Iterator[Packet]) -> Iterator[Packet]:
        for packet in heapq.merge(sounds, pictures, key=lambda packet: packet.time_s):
            self._end_s = max(self._end_s, packet.time_s if isinstance(packet, Frame) else packet.end_s)
            yield packet
        stated_s = self.source.duration_s
        if stated_s is None or not self._states_duration:
            return
        if stated_s - self._end_s > max(0.5, 0.02 * stated_s) + 2.0 / (self.source.fps or 25.0):
            self._notes.append(f"stopped at {self._end_s:.1f} s of {stated_s:.1f} s: the rest of the file is missing")


def _start(container: InputContainer, first_s: list[float]) -> float:
    """Return the container's start in seconds.

    A start before 0 is the run-in of a sound codec, of which a decoder hands out nothing: then it is where
    the first frame is.
    """
    earliest_s = min(first_s, default=0.0)
    stated = container.start_time
    if stated is None:
        return earliest_s
    return stated / av.time_base if stated >= 0 else max(stated / av.time_base, min(earliest_s, 0.0))
