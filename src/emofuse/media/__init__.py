"""Recordings in and out: decoding to frames and sound, and encoding an MP4 with the original sound."""

from emofuse.media._container import MOST_PIXELS, most_filling_s
from emofuse.media._levels import Mixer
from emofuse.media._sound import MonoSound, resample
from emofuse.media._tracks import SpeechMeasure
from emofuse.media.excerpt import Span, parse_time, within
from emofuse.media.reader import AUDIO_RATE_HZ, STANDING_S, MediaReader, open_media, picture_size, probe
from emofuse.media.writer import VideoWriter

__all__ = [
    "AUDIO_RATE_HZ",
    "MOST_PIXELS",
    "STANDING_S",
    "MediaReader",
    "Mixer",
    "MonoSound",
    "Span",
    "SpeechMeasure",
    "VideoWriter",
    "most_filling_s",
    "open_media",
    "parse_time",
    "picture_size",
    "probe",
    "resample",
    "within",
]
