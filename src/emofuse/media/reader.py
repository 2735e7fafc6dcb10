"""Reads a recording as one stream of pictures and sound, in the order in which a viewer meets them."""

from __future__ import annotations

import heapq
import itertools
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emofuse.errors import MediaError
from emofuse.media import _container, _picture, _scan, _sound, _structure, _tracks
from emofuse.media._container import MOST_PIXELS, READABLE, Damage
from emofuse.media._tracks import SoundChoice, SoundTrack, SpeechMeasure
from emofuse.media.excerpt import Span, within
from emofuse.remote import without_secrets
from emofuse.timeline import SourceInfo
from emofuse.types import AudioBlock, Frame, Packet

AUDIO_RATE_HZ: Final = 16_000  # what the speech models were trained on
STANDING_S: Final = 0.5  # an analysis looks again so often at a picture that stands for longer
_RUN_IN_S: Final = 1.0  # that is decoded before a stretch: sound codecs need some of it
_LEAST_STAND_S: Final = 0.1  # for less at the end of the recording the last picture does not come again

FrameT = TypeVar("FrameT", VideoFrame, AudioFrame)
StreamT = TypeVar("StreamT", VideoStream, AudioStream)


def probe(path: str | os.PathLike[str]) -> SourceInfo:
    """Return what a recording is, from its packets and its first picture and sound.

    Raises MediaError as `open_media` does.
    """
    with open_media(path) as reader:
        return reader.source


def picture_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Return the width and height that the header states, None where it states no picture. Decodes nothing.

    Raises MediaError for a file that cannot be opened.
    """
    with _container.as_media_errors(path):
        with _container.open_container(path) as container:
            indices = _tracks.films(container)
        return next((size for index in indices if (size := _container.stated_size(path, index))), None)


def open_media(
    path: str | os.PathLike[str],
    *,
    audio_rate_hz: int = AUDIO_RATE_HZ,
    audio_track: int | Sequence[int] | None = None,
    speech_s: SpeechMeasure | None = None,
    repeat_s: float | None = None,
    max_pixels: int = MOST_PIXELS,
    span: Span | None = None,
    keeps_yuv: bool = False,
    hears: bool = True,
) -> MediaReader:
    """Open a recording for reading; use the result in a `with` block.

    Args:
        path: The recording.
        audio_rate_hz: Samples a second of the sound that is handed out.
        audio_track: The sound track to listen to, from 1, or several that are mixed; by default the reader chooses.
        speech_s: Measures the seconds of speech in (T,) float32 samples at 16 kHz. It is asked where there are several
            sound tracks and none of them is the default one; without it that is the first.
        repeat_s: A picture that stands for longer, as slides do, comes again every so many seconds for as long as it
            stands; by default it comes once.
        max_pixels: A film of larger pictures is refused, before one of them takes memory.
        span: The stretch that is read, by default all of it. What is before it is skipped where the file can be.
        keeps_yuv: Whether pictures are left as they were encoded, as `YuvFrame`s, where they can be shown like that.
        hears: Whether sound is decoded. Where it is not, pictures have the same times, but the last of slides
            (`are_slides`) does not stand until the sound ends.

    Returns:
        The reader.

    Raises:
        MediaError: There is no such file, it is encrypted, its pictures are too large, or neither a picture nor a sound
            in it can be decoded.
        UsageError: There is no sound track of that number.

    Example:
        >>> from emofuse.cli.demo import CLIP
        >>> with open_media(CLIP) as media:
        ...     media.source.width, media.source.audio_tracks
        (640, (1,))
    """
    return MediaReader(
        path,
        audio_rate_hz=audio_rate_hz,
        audio_track=audio_track,
        speech_s=speech_s,
        repeat_s=repeat_s,
        max_pixels=max_pixels,
        span=span,
        keeps_yuv=keeps_yuv,
        hears=hears,
    )


@dataclass(slots=True)
class _Opened(Generic[StreamT, FrameT]):
    """A stream that decodes. start_s: of its first frame, in the container's seconds."""

    stream: StreamT
    frames: Iterator[FrameT]
    start_s: float
    damage: Damage


class MediaReader:
    """Iterates over the packets of a recording, once, in the order of their time_s.

    Frames are upright, with square pixels, and may change size on the way. Sound is mono at audio_rate_hz, placed by
    its stamps, and a gap in it is a gap between one block's end_s and the next one's time_s. Times are the container's,
    less its start; where parts were joined, they go on. Memory does not grow with the length of the recording.

    source: what the recording is; its duration is that of the packets that are there, and, once all was read, of what
    was read. start_s: the container's own time, in seconds, of which time_s counts. sound_indices: the streams that
    are listened to, together where there are several.
    """

    source: SourceInfo
    start_s: float
    sound_indices: tuple[int, ...]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        audio_rate_hz: int = AUDIO_RATE_HZ,
        audio_track: int | Sequence[int] | None = None,
        speech_s: SpeechMeasure | None = None,
        repeat_s: float | None = None,
        max_pixels: int = MOST_PIXELS,
        span: Span | None = None,
        keeps_yuv: bool = False,
        hears: bool = True,
    ) -> None:
        """See open_media."""
        if audio_rate_hz <= 0:
            raise ValueError(f"audio_rate_hz must be positive, not {audio_rate_hz}")
        self.path = os.fspath(path)
        self._shown = without_secrets(self.path)
        self._rate_hz, self._repeat_s, self._max_pixels = audio_rate_hz, repeat_s, max_pixels
        self._keeps_yuv, self._hears = keeps_yuv, hears
        self._asked_tracks = () if audio_track is None else _numbers(audio_track)
        self._speech_s = speech_s
        self._span = span or Span()
        self._damage: list[Damage] = []
        self._notes: list[str] = []
        self._stated_s: float | None = None  # the duration by the header
        self._has_more_sound = False
        self._packets: Iterator[Packet] = iter(())
        self._pictures: _picture.Pictures | None = None
        self._containers: list[InputContainer] = [_container.open_container(path, max_pixels)]
        self._spare: InputContainer | None = self._containers[0]
        try:
            with _container.as_media_errors(path):
                packets = self._open()
            if not self._span.is_whole:
                packets = within(packets, self._span, self._shown)
            self._packets = self._guarded(packets)
        except BaseException:
            self.close()
            raise

    @property
    def are_slides(self) -> bool:
        """Whether the pictures are few, and the last one stands for as long as there is sound.

        That is known when the iteration has ended.
        """
        return self._pictures is not None and self._pictures.are_few

    @property
    def warnings(self) -> list[str]:
        """What was chosen, damaged or missing so far, a line each; complete when the iteration has ended."""
        return self._notes + [line for damage in self._damage for line in damage.lines(self.start_s)]

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

    def _guarded(self, packets: Iterator[Packet]) -> Iterator[Packet]:
        while True:
            with _container.as_media_errors(self.path):
                packet = next(packets, None)
            if packet is None:
                return
            yield packet

    def _open(self) -> Iterator[Packet]:
        first = self._containers[0]
        self._refuse_encrypted(first)
        tracks, n_sounds = _tracks.sound_tracks(first), len(first.streams.audio)
        n_films = _tracks.n_films(first)
        if not n_sounds and not n_films:
            raise MediaError(f"{self._shown} holds neither a picture nor a sound", READABLE)
        self._stated_s = _container.duration_s(first)
        stated_start = first.start_time
        film_indices = _tracks.films(first)
        film = self._open_film(film_indices)
        if film is None:
            self._refuse_large(film_indices)
        choice, sounds = self._open_sounds(tracks, n_sounds)
        if film is None and not sounds:
            raise self._nothing()
        self.start_s = _start(stated_start, [one.start_s for one in (film, *sounds) if one is not None])
        self.sound_indices = tuple(one.stream.index for one in sounds)
        film_index = None if film is None else film.stream.index
        self.scan = _scan.scan(self.path, film_index, self.sound_indices, self.start_s)
        self._note_choice(film_indices, film, n_films, choice, n_sounds, bool(sounds))
        if self._span.start_s > _RUN_IN_S and self.scan.seams.is_empty:  # the times of joined parts are found nowhere
            film = None if film is None else self._skip_film(film)
            sounds = [self._skip_sound(one) for one in sounds]
        return self._begin(film, sounds, choice)

    def _skip_film(self, film: _Opened[VideoStream, VideoFrame]) -> _Opened[VideoStream, VideoFrame]:
        """Go on shortly before the stretch that is asked for; where that cannot be, from the beginning."""
        container = self._container()
        stream = container.streams[film.stream.index]
        assert isinstance(stream, VideoStream)
        _container.bound_decoder(stream, self._max_pixels)
        if not self._seek(container, stream):
            return film
        return self._from_here(stream, _container.decode_video(container, stream, film.damage), film) or film

    def _skip_sound(self, sound: _Opened[AudioStream, AudioFrame]) -> _Opened[AudioStream, AudioFrame]:
        """Do the same with a sound track."""
        container = self._container()
        stream = container.streams[sound.stream.index]
        assert isinstance(stream, AudioStream)
        if not self._seek(container, stream):
            return sound
        return self._from_here(stream, _container.decode_audio(container, stream, sound.damage), sound) or sound

    def _seek(self, container: InputContainer, stream: VideoStream | AudioStream) -> bool:
        _container.discard_other_streams(container, stream)
        before_s = self.start_s + self._span.start_s - _RUN_IN_S
        try:
            container.seek(math.floor(before_s / (stream.time_base or 1)), stream=stream)
        except _container.LIBRARY_ERRORS:
            return False
        return True

    def _from_here(
        self, stream: StreamT, frames: Iterator[FrameT], opened: _Opened[StreamT, FrameT]
    ) -> _Opened[StreamT, FrameT] | None:
        """Return a stream from where it stands on; None where that is after the stretch has begun."""
        first = next(frames, None)
        at_s = None if first is None else _container.seconds(first)
        if first is None or at_s is None or at_s > self.start_s + self._span.start_s:
            return None
        return _Opened(stream, itertools.chain([first], frames), opened.start_s, opened.damage)

    def _nothing(self) -> MediaError:
        return MediaError(
            f"nothing in {self._shown} can be decoded: no picture and no sample of sound",
            "the file may be cut off or damaged; record or convert it again",
        )

    def _refuse_encrypted(self, container: InputContainer) -> None:
        has_key = any("enc_key_id" in stream.metadata for stream in container.streams)  # of WebM and Matroska
        if has_key or _structure.is_encrypted(self.path):
            raise MediaError(f"{self._shown} is encrypted (DRM), and cannot be read", "give one without protection")

    def _refuse_large(self, film_indices: list[int]) -> None:
        """Say why a film does not decode, where that is its size."""
        for index in film_indices:
            width, height = _container.stated_size(self.path, index) or (0, 0)
            if width * height > self._max_pixels:
                most = f"{self._max_pixels / 1e6:g} megapixels"
                raise MediaError(
                    f"{self._shown}: its pictures, {width} x {height}, are larger than {most}",
                    "--max-pixels allows more, where there is memory for them",
                )

    def _container(self) -> InputContainer:
        """Return a container that nothing was read from yet: each stream has its own, and is read at its own pace, so
        that nothing piles up however the file is interleaved."""
        if self._spare is not None:
            container, self._spare = self._spare, None
            return container
        self._containers.append(_container.open_container(self.path, self._max_pixels))
        return self._containers[-1]

    def _open_film(self, indices: list[int]) -> _Opened[VideoStream, VideoFrame] | None:
        for index in indices:
            container, damage = self._container(), Damage("picture")
            stream = container.streams[index]
            assert isinstance(stream, VideoStream)
            _container.bound_decoder(stream, self._max_pixels)
            _container.discard_other_streams(container, stream)
            frames = _container.decode_video(container, stream, damage)
            first = next(frames, None)
            if first is not None:
                start_s = _container.seconds(first) or 0.0
                return _Opened(stream, itertools.chain([first], frames), start_s, damage)
        return None

    def _open_sound(self, track: SoundTrack) -> _Opened[AudioStream, AudioFrame] | None:
        container, damage = self._container(), Damage("sound")
        stream = container.streams[track.index]
        assert isinstance(stream, AudioStream)
        _container.discard_other_streams(container, stream)
        frames = _container.decode_audio(container, stream, damage)
        first = next(frames, None)
        if first is None:
            return None
        return _Opened(stream, itertools.chain([first], frames), _container.seconds(first) or 0.0, damage)

    def _open_sounds(
        self, tracks: list[SoundTrack], n_tracks: int
    ) -> tuple[SoundChoice | None, list[_Opened[AudioStream, AudioFrame]]]:
        """Open the tracks that are to be listened to; where none of a choice decodes, those of the next one."""
        if self._asked_tracks:
            choices = [_tracks.asked_tracks(tracks, self._asked_tracks, n_tracks)]
        else:
            choices = _tracks.sound_choices(tracks, self._listen, self._speech_s)
        for choice in choices:
            found = {track: opened for track in choice.tracks if (opened := self._open_sound(track)) is not None}
            if found:
                return SoundChoice(tuple(found), choice.reason), list(found.values())
        if self._asked_tracks:
            numbers = ", ".join(map(str, self._asked_tracks))
            raise MediaError(f"sound track {numbers} of {self._shown} cannot be decoded", "choose another")
        return None, []

    def _listen(self, index: int) -> _tracks.Samples:
        with _container.open_container(self.path) as container:
            start_s = (container.start_time or 0) / av.time_base
        return _tracks.listen(self.path, index, self._stated_s or 0.0, start_s)

    def _note_choice(
        self,
        film_indices: list[int],
        film: _Opened[VideoStream, VideoFrame] | None,
        n_films: int,
        choice: SoundChoice | None,
        n_sounds: int,
        has_sound: bool,
    ) -> None:
        if n_films and film is None:
            self._notes.append("the picture cannot be decoded and was left out")
        elif film is not None and film_indices and film.stream.index != film_indices[0]:
            self._notes.append("the first picture track cannot be decoded: another one was used")
        if n_sounds and not has_sound:
            self._notes.append("the sound cannot be decoded and was left out")
        elif n_sounds > 1 and choice is not None:
            numbers = ", ".join(track.words for track in choice.tracks)
            several = len(choice.tracks) > 1
            used = f"tracks {numbers} of {n_sounds} were" if several else f"track {numbers} of {n_sounds} was"
            self._notes.append(f"sound {used} used: {choice.reason} (--audio-track chooses another)")

    def _begin(
        self,
        film: _Opened[VideoStream, VideoFrame] | None,
        sounds: list[_Opened[AudioStream, AudioFrame]],
        choice: SoundChoice | None,
    ) -> Iterator[Packet]:
        """Describe the source by its first picture and sound; return all packets."""
        self._damage = [one.damage for one in (film, *sounds) if one is not None]
        seams = self.scan.seams
        pictures = None
        if film is not None:
            pictures = _picture.Pictures(
                film.frames,
                film.stream,
                self.start_s,
                film.damage,
                seams,
                self._repeat_s,
                _container.most_filling_s(self.path),
                self._max_pixels,
                self._keeps_yuv,
            )
        blocks = [
            _sound.blocks(
                one.frames, self.start_s, self._rate_hz, one.damage, seams, self.scan.gains.get(one.stream.index, 1.0)
            )
            for one in sounds
        ]
        heard = blocks[0] if len(blocks) == 1 else _sound.mixed(blocks, self._rate_hz)
        shown = iter(()) if pictures is None else iter(pictures)
        picture, block = next(shown, None), next(heard, None)
        if picture is None and block is None:
            raise self._nothing()
        if film is not None and picture is None:
            self._notes.append("the picture cannot be decoded and was left out")
        self.source = SourceInfo(
            path=self._shown,
            duration_s=self.scan.end_s or None,
            width=None if picture is None else picture.size[0],
            height=None if picture is None else picture.size[1],
            fps=None if picture is None or film is None else _container.frame_rate(film.stream),
            has_audio=block is not None,
            has_video=picture is not None,
            audio_tracks=() if block is None or choice is None else tuple(track.number for track in choice.tracks),
        )
        self._pictures = pictures
        return self._merge(
            itertools.chain([] if block is None else [block], heard) if self._hears else iter(()),
            itertools.chain([] if picture is None else [picture], shown),
            pictures,
        )

    def _merge(
        self, heard: Iterator[AudioBlock], shown: Iterator[Frame], pictures: _picture.Pictures | None
    ) -> Iterator[Packet]:
        sound_end_s = stopped_s = 0.0

        def watched() -> Iterator[AudioBlock]:
            self._has_more_sound = True
            yield from heard
            self._has_more_sound = False

        def stands_until_s() -> float:
            """Until when the last picture stands: for as long as there is sound where there are but few."""
            if pictures is None or pictures.last is None:
                return 0.0
            if pictures.are_few and self._has_more_sound:
                return max(sound_end_s, self.scan.sound_end_s)
            if pictures.are_few and sound_end_s > pictures.last.time_s:
                return sound_end_s
            return pictures.last.time_s + pictures.lasts_s

        def with_last_standing() -> Iterator[Frame]:
            yield from shown
            if pictures is None or pictures.last is None or self._repeat_s is None:
                return
            for frame in pictures.standing(pictures.last, math.inf):
                if frame.time_s >= stands_until_s() - _LEAST_STAND_S:
                    return
                yield frame

        packets: Iterator[Packet] = heapq.merge(watched(), with_last_standing(), key=lambda packet: packet.time_s)
        for packet in packets:
            if isinstance(packet, AudioBlock):
                sound_end_s, stopped_s = packet.end_s, max(stopped_s, packet.end_s)
            elif pictures is not None and pictures.is_over and packet.time_s >= stands_until_s() - _LEAST_STAND_S:
                continue  # asked for before the sound ended
            else:
                stopped_s = max(stopped_s, packet.time_s)
            yield packet
        self.source = replace(self.source, duration_s=max(stopped_s, stands_until_s()) or None)
        loss = self._loss_at_end()
        if loss is not None:
            of = f" of {self._stated_s:.1f} s" if self._stated_s is not None and self._stated_s > stopped_s else ""
            self._notes.append(f"stopped at {stopped_s:.1f} s{of}: the rest of the file is {loss}")

    def _loss_at_end(self) -> str | None:
        """Return what became of the file's end, if it could not be read."""
        if _structure.is_cut_off(self.path):
            return "missing"
        last_byte = self.scan.last_byte
        is_broken = last_byte is not None and _structure.is_broken_after(self.path, last_byte)
        return "damaged, and was not read" if is_broken else None


def _numbers(audio_track: int | Sequence[int]) -> tuple[int, ...]:
    return (audio_track,) if isinstance(audio_track, int) else tuple(audio_track)


def _start(stated: int | None, first_s: list[float]) -> float:
    """Return the container's start in seconds; stated: in microseconds, None where it is not known.

    A start before 0 is the run-in of a sound codec, of which a decoder hands out nothing: then it is where
    the first frame is.
    """
    earliest_s = min(first_s, default=0.0)
    if stated is None:
        return earliest_s
    return stated / av.time_base if stated >= 0 else max(stated / av.time_base, min(earliest_s, 0.0))
