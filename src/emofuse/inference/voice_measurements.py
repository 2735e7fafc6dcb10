"""What a voice does, in the units of phonetics: pitch, loudness, rate, pauses, jitter and shimmer, by openSMILE."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.errors import UsageError
from emofuse.inference.vad import speech_in
from emofuse.media import open_media
from emofuse.people import Stretch
from emofuse.preprocessing.audio_buffer import RATE_HZ, SoundBuffer
from emofuse.timeline import Timeline
from emofuse.types import AudioBlock, VoiceMeasurement

INSTALL: Final = "pip install 'emofuse[voice]'"
SHORTEST_S: Final = 0.3  # of a stretch: in less, openSMILE finds no pitch to speak of
_LOWEST_HZ: Final = 27.5  # of which openSMILE's semitones count
# Names of eGeMAPSv02's functionals (doi:10.1109/TAFFC.2015.2457417)
_PITCH, _LOUDNESS = "F0semitoneFrom27.5Hz_sma3nz_amean", "loudness_sma3_amean"
_JITTER, _SHIMMER = "jitterLocal_sma3nz_amean", "shimmerLocaldB_sma3nz_amean"
_RATE, _PAUSE = "VoicedSegmentsPerSec", "MeanUnvoicedSegmentLength"

Functionals = Callable[[NDArray[np.float32]], Mapping[str, float]]


def measure_voice(timeline: Timeline, recording: str | os.PathLike[str] | None = None) -> Timeline:
    """Measure the voice in each segment of a recording, and in each stretch in which a person speaks.

    Args:
        timeline: Of the recording.
        recording: Where it is; by default where it was when it was analysed.

    Returns:
        The timeline with `voice_measurements`, whose table is "voice".

    Raises:
        UsageError: openSMILE is not installed (`pip install 'emofuse[voice]'`).
        MediaError: The recording cannot be read.

    Example:
        >>> import emofuse
        >>> from emofuse.cli.demo import CLIP
        >>> measured = emofuse.measure_voice(emofuse.analyze(CLIP))
        >>> 80 < measured.voice_measurements[0].pitch_hz < 300
        True
    """
    functionals = _functionals()
    spoken: list[tuple[float, float, int | None]] = [(s.start_s, s.end_s, None) for s in timeline.segments()]
    spoken += [(start, end, person.id) for person in timeline.people for start, end in person.spoke or ()]
    path = timeline.source.path if recording is None else recording
    windows = _read(path, [(start, end) for start, end, _ in spoken])
    found = [
        _measured(samples, (start, end), person_id, functionals)
        for samples, (start, end, person_id) in zip(windows, spoken, strict=True)
    ]
    return replace(timeline, voice_measurements=tuple(found))


def _read(path: str | os.PathLike[str], spans: Sequence[Stretch]) -> list[NDArray[np.float32]]:
    """Return the sound of each span, (T,) at 16 kHz; silence where the recording has none."""
    sound = SoundBuffer(math.ceil(max((end for _, end in spans), default=0.0)) + 1.0)
    with open_media(path, speech_s=speech_in) as media:
        for packet in media:
            if isinstance(packet, AudioBlock):
                sound.push(packet)
    return [sound.window(start, end) for start, end in spans]


def _measured(
    samples: NDArray[np.float32], span: Stretch, person_id: int | None, functionals: Functionals
) -> VoiceMeasurement:
    """Measure a stretch. Where nothing in it has a pitch, or it is too short, what is not known is None."""
    if len(samples) < SHORTEST_S * RATE_HZ:
        return VoiceMeasurement(*span, person_id)
    values = functionals(samples)
    is_voiced = values[_PITCH] > 0
    return VoiceMeasurement(
        *span,
        person_id,
        pitch_hz=_LOWEST_HZ * 2 ** (values[_PITCH] / 12) if is_voiced else None,
        loudness=values[_LOUDNESS],
        rate_hz=values[_RATE],
        pause_s=values[_PAUSE],
        jitter=values[_JITTER] if is_voiced else None,
        shimmer_db=values[_SHIMMER] if is_voiced else None,
    )


def _functionals() -> Functionals:
    try:
        opensmile: Any = importlib.import_module("opensmile")
    except ImportError:
        raise UsageError("measurements of voices need openSMILE, which is not installed", INSTALL) from None
    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.Functionals
    )

    def compute(samples: NDArray[np.float32]) -> Mapping[str, float]:
        row = smile.process_signal(samples, RATE_HZ)
        return {name: float(row[name].iloc[0]) for name in (_PITCH, _LOUDNESS, _JITTER, _SHIMMER, _RATE, _PAUSE)}

    return compute
