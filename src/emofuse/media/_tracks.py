"""Which of the streams of a recording are its film and its sound; what is heard of a track to tell that."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.formatting import pluralise
from emofuse.media import _container, _sound
from emofuse.media._container import LIBRARY_ERRORS, Damage

Samples = NDArray[np.float32]  # (T,) at RATE_HZ
SpeechMeasure = Callable[[Samples], float]  # seconds of speech
Look = Callable[[int], Samples]  # of the stream with that index, from a few places

_NO_FILM: Final = Disposition.attached_pic | Disposition.timed_thumbnails  # a cover, pictures of chapters
_ASIDE: Final = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke | Disposition.lyrics
_STILL_CODECS: Final = {"mjpeg", "png", "apng", "bmp", "gif", "webp", "tiff", "jpeg2000", "jpegls", "ppm", "targa"}
MOST_MICROPHONES: Final = 16  # tracks that are listened to together
RATE_HZ: Final = 16_000  # of a look: what Silero scores
_N_PLACES: Final = 4
_LOOK_S: Final = 10.0  # at each place


@dataclass(frozen=True, slots=True)
class SoundTrack:
    """A sound track. number: counts from 1; index: of its stream; language: as in the file, "" where it has none."""

    number: int
    index: int
    n_channels: int
    language: str
    is_default: bool
    is_aside: bool

    @property
    def words(self) -> str:
        """What people call it: `2 (deu)`."""
        return f"{self.number} ({self.language})" if self.language else str(self.number)


@dataclass(frozen=True, slots=True)
class SoundChoice:
    """Tracks that are listened to together, and why they are: "it is the default one"."""

    tracks: tuple[SoundTrack, ...]
    reason: str


def films(container: InputContainer) -> list[int]:
    """Return the indices of the streams that may be the film, the likeliest first: no cover, no pictures of chapters.

    Of several, one of a codec for films comes before one of single pictures (a camera's thumbnail), the default one
    before others, and the larger one before the smaller.
    """
    found = [s for s in container.streams.video if s.codec_context is not None and not s.disposition & _NO_FILM]
    return [stream.index for stream in sorted(found, key=_unlikeliness)]


def n_films(container: InputContainer) -> int:
    """Return how many streams of pictures there are, covers left out, those that no decoder is for too."""
    return sum(not s.disposition & _NO_FILM for s in container.streams.video)


def _unlikeliness(stream: VideoStream) -> tuple[bool, bool, int]:
    context = stream.codec_context
    is_default = bool(stream.disposition & Disposition.default)
    return context.name in _STILL_CODECS, not is_default, -context.width * context.height


def sound_tracks(container: InputContainer) -> list[SoundTrack]:
    """Return the sound tracks that there is a decoder for, in their order; the numbers count the others too."""
    return [
        _described(number, stream)
        for number, stream in enumerate(container.streams.audio, start=1)
        if stream.codec_context is not None
    ]


def _described(number: int, stream: AudioStream) -> SoundTrack:
    language = stream.language or ""
    return SoundTrack(
        number,
        stream.index,
        stream.codec_context.layout.nb_channels,
        "" if language == "und" else language,
        bool(stream.disposition & Disposition.default),
        bool(stream.disposition & _ASIDE),
    )


def asked_tracks(tracks: Sequence[SoundTrack], numbers: Sequence[int], n_tracks: int) -> SoundChoice:
    """Return the tracks that were asked for. Raises UsageError where there is none of such a number."""
    found = {track.number: track for track in tracks}
    return SoundChoice(tuple(found.get(n) or _missing(n, n_tracks) for n in numbers), "as was asked for")


def _missing(number: int, n_tracks: int) -> NoReturn:
    has = f"it has {pluralise(n_tracks, 'sound track')}" if n_tracks else "it has no sound"
    what = "cannot be decoded" if 1 <= number <= n_tracks else "is not in the recording"
    raise UsageError(f"sound track {number} {what}: {has}", "--audio-track counts from 1; leave it out for the default")


def sound_choices(tracks: Sequence[SoundTrack], look: Look, speech_s: SpeechMeasure | None) -> list[SoundChoice]:
    """Return what may be listened to, the first choice first; what cannot be decoded gives way to the next.

    One track a microphone (all mono, of one language) are listened to together. Else it is the default track; where
    none or several are called that, the first with speech at the places that `look` gives of each, as speech_s
    measures it; comments and descriptions come last.
    """
    if _are_microphones(tracks):
        together = tuple(tracks[:MOST_MICROPHONES])
        return [SoundChoice(together, "each is of one microphone"), *(SoundChoice((t,), "") for t in together)]
    plain = [track for track in tracks if not track.is_aside] or list(tracks)
    defaults = [track for track in plain if track.is_default]
    if len(defaults) == 1:
        first, reason = defaults, "it is the default one"
    else:
        first, reason = _by_speech(defaults or plain, look, speech_s)
    rest = [track for track in (*plain, *tracks) if track not in first]
    later = "the tracks before it cannot be decoded"
    ordered = [SoundChoice((track,), reason if track is first[0] else later) for track in first]
    return ordered + [SoundChoice((track,), later) for track in dict.fromkeys(rest)]


def _are_microphones(tracks: Sequence[SoundTrack]) -> bool:
    are_mono = len(tracks) > 1 and all(track.n_channels == 1 and not track.is_aside for track in tracks)
    return are_mono and len({track.language for track in tracks}) == 1


def _by_speech(
    tracks: Sequence[SoundTrack], look: Look, speech_s: SpeechMeasure | None
) -> tuple[list[SoundTrack], str]:
    if len(tracks) < 2 or speech_s is None:
        return list(tracks), "it is the first one"
    spoken = {track.index: speech_s(look(track.index)) for track in tracks}
    if not any(spoken.values()):
        return list(tracks), "it is the first one, and no speech was found in any"
    enough_s = max(spoken.values()) / 2  # of two languages the first, though one speaks a little more
    return sorted(tracks, key=lambda track: spoken[track.index] < enough_s), "it has speech, and is the first that has"


def listen(path: str | os.PathLike[str], index: int, length_s: float, start_s: float) -> Samples:
    """Return (T,) float32 at 16 kHz of a stream: all of a short one, of a longer one 10 s from each of four places.

    length_s: of the recording. Raises MediaError where it cannot be opened.
    """
    is_short = length_s <= _N_PLACES * _LOOK_S
    places = [0.0] if is_short else [length_s * i / _N_PLACES for i in range(_N_PLACES)]
    found: list[Samples] = []
    with _container.open_container(path) as container:
        stream = container.streams[index]
        assert isinstance(stream, AudioStream)
        _container.discard_other_streams(container, stream)
        for place_s in places:
            if place_s:
                try:
                    container.seek(int((start_s + place_s) * 1_000_000))
                except LIBRARY_ERRORS:
                    break
            most_s = _N_PLACES * _LOOK_S if is_short else _LOOK_S
            decoded = _container.decode_audio(container, stream, Damage("sound"))
            part = _stretch(decoded, start_s + place_s, most_s)
            found += [block.samples for block in _sound.blocks(part, 0.0, RATE_HZ, Damage("sound"))]
    return np.concatenate([np.zeros(0, np.float32), *found])


def _stretch(decoded: Iterator[AudioFrame], from_s: float, most_s: float) -> Iterator[AudioFrame]:
    """Yield so much sound from a time on: a search ends at an entry of the index before it."""
    length_s = 0.0
    for frame in decoded:
        if (_container.seconds(frame) or from_s) < from_s - 0.1:
            continue
        yield frame
        length_s += frame.samples / frame.sample_rate
        if length_s >= most_s:
            return
