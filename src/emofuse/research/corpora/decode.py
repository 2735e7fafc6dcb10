"""From a clip to its samples, and whether there is anything in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import CorpusError, MediaError
from emofuse.media import AUDIO_RATE_HZ, MediaReader, open_media
from emofuse.research.corpora.manifest import Clip
from emofuse.types import AudioBlock, Frame

ROUNDING_S: Final = 0.1  # by which an annotated end may be after that of the recording


def read_samples(clip: Clip, rate_hz: int) -> NDArray[np.int16]:
    """Decode a clip's sound from start_s to end_s: (T,) int16 mono at `rate_hz`.

    Raises CorpusError when the file cannot be read, when there is no sound, when it ends before the clip does,
    and when it is digital silence: all samples alike.
    """
    with open_recording(clip.sound_file, rate_hz) as media:
        return _sound(clip, [packet for packet in clip_packets(clip, media) if isinstance(packet, AudioBlock)])


def check_clip(clip: Clip) -> float:
    """Decode all of a clip, pictures too; return the duration of its sound, or else of its pictures, in seconds.

    Raises CorpusError as `read_samples` does, where a part of a file is damaged or missing, and where the sound is
    in a recording of its own and there is no picture to go with it. A film without a sound track that is paired
    with no other has nothing to be silent.
    """
    sounds, times, has_audio = _decoded(clip, clip.path)
    if clip.sound_path is not None:
        if not times:
            raise CorpusError(f"{clip.path} has no picture{stretch_of(clip)}", f"its sound is in {clip.sound_path}")
        sounds = _decoded(clip, clip.sound_path)[0]
    elif times and not has_audio:
        return times[-1] - times[0]
    return len(_sound(clip, sounds)) / AUDIO_RATE_HZ


def _decoded(clip: Clip, path: Path) -> tuple[list[AudioBlock], list[float], bool]:
    """Return the sound of a clip in one of its files, the times of its pictures there, and whether the file has a
    sound track. Raises CorpusError where it is damaged."""
    sounds: list[AudioBlock] = []
    times: list[float] = []
    with open_recording(path) as media:
        for packet in clip_packets(clip, media):
            if isinstance(packet, AudioBlock):
                sounds.append(packet)
            else:
                times.append(packet.time_s)
        if media.warnings:
            raise CorpusError(f"{path}: {'; '.join(media.warnings)}")
        return sounds, times, media.source.has_audio


@contextmanager
def open_recording(path: Path, rate_hz: int = AUDIO_RATE_HZ) -> Iterator[MediaReader]:
    """Open a file of a corpus; raises CorpusError where it cannot be read."""
    try:
        with open_media(path, audio_rate_hz=rate_hz) as media:
            yield media
    except MediaError as error:
        raise CorpusError(error.message, error.hint) from None


def clip_packets(clip: Clip, media: MediaReader) -> Iterator[AudioBlock | Frame]:
    """Yield what is of the clip, sound cut to the sample, and stop where it ends."""
    for packet in media:
        if clip.end_s is not None and packet.time_s >= clip.end_s:
            return
        if isinstance(packet, Frame):
            if packet.time_s >= clip.start_s:
                yield packet
            continue
        first = max(0, round((clip.start_s - packet.time_s) * packet.rate_hz)) if clip.start_s else 0
        last = len(packet.samples)
        if clip.end_s is not None:
            last = min(last, round((clip.end_s - packet.time_s) * packet.rate_hz))
        if first < last:
            time_s = packet.time_s + first / packet.rate_hz
            yield AudioBlock(packet.samples[first:last], packet.rate_hz, time_s)


def _sound(clip: Clip, blocks: list[AudioBlock]) -> NDArray[np.int16]:
    if not blocks:
        raise CorpusError(f"{clip.sound_file} has no sound{stretch_of(clip)}")
    end_s = blocks[-1].end_s
    if clip.end_s is not None and clip.end_s - end_s > ROUNDING_S:
        raise CorpusError(f"{clip.sound_file}: its sound ends at {end_s:.2f} s, but the clip at {clip.end_s:g} s")
    samples = np.concatenate([block.samples for block in blocks])
    integers: NDArray[np.int16] = np.round(np.clip(samples, -1.0, 32767 / 32768) * 32768).astype(np.int16)
    if integers.min() == integers.max():
        raise CorpusError(f"{clip.sound_file} is silent{stretch_of(clip)}")
    return integers


def stretch_of(clip: Clip) -> str:
    """Return what an error adds to the file's name for a clip that is not the whole file."""
    return "" if clip.end_s is None and not clip.start_s else f" from {clip.start_s:g} s on"
