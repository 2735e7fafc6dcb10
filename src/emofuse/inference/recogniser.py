"""From a recording's sound to its words, through faster-whisper (https://github.com/SYSTRAN/faster-whisper)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import prepare_hub
from emofuse.errors import AssetError, MediaError, UsageError
from emofuse.inference import onnx_runtime  # noqa: F401  before faster-whisper imports ONNX Runtime by itself
from emofuse.media import open_media
from emofuse.transcripts.transcript import Transcript, in_order
from emofuse.types import AudioBlock, Line, Word

RATE_HZ: Final = 16_000  # what Whisper hears
INSTALL: Final = "pip install 'emofuse[asr]'"
MODEL: Final = "small"


class Recogniser:
    """Transcribes recordings, with a time for every word.

    model: a size ("tiny" to "large-v3", "turbo"), which is downloaded at its first use, or a folder that holds one;
    language: a code like "en", recognised where it is None. Raises UsageError where faster-whisper is not installed
    or knows no such language, AssetError for a model that cannot be had.
    """

    def __init__(self, model: str = MODEL, language: str | None = None, device: str = "cpu") -> None:
        local_files_only = prepare_hub()
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise UsageError("speech recognition needs faster-whisper", INSTALL) from None
        self.name, self.language = model, language
        # 8-bit integers make the model several times as fast on a processor, at hardly a cost
        compute_type = "int8" if device == "cpu" else "default"
        try:
            self._model: Any = WhisperModel(
                model, device=device, compute_type=compute_type, local_files_only=local_files_only
            )
        except Exception as error:  # noqa: BLE001 (of four libraries, without a common base)
            hint = "give a size such as 'small', or the folder of a model that is here already"
            if local_files_only:
                hint = f"EMOFUSE_OFFLINE forbids the download; {hint}"
            raise AssetError(f"the speech model {model!r} cannot be loaded: {_first_line(error)}", hint) from None

    def transcribe(
        self,
        path: str | Path,
        on_progress: Callable[[float], None] | None = None,
        audio_tracks: Sequence[int] = (),
    ) -> Transcript:
        """Transcribe a recording; one without sound or speech gives no lines, and a note.

        on_progress gets the time reached, in seconds; audio_tracks: those to listen to, from 1, none for the default.
        Raises MediaError where the recording cannot be read.
        """
        samples = read_sound(path, audio_tracks)
        if not len(samples):
            return Transcript((), ("there is no sound, so nothing was transcribed",))
        try:
            # silence is cut out beforehand: Whisper makes up words for it
            segments, info = self._model.transcribe(
                samples, language=self.language, word_timestamps=True, vad_filter=True
            )
            lines = list(_lines(segments, len(samples) / RATE_HZ, on_progress))
        except ValueError as error:
            raise UsageError(f"{self.name!r} cannot transcribe this: {_first_line(error)}") from None
        except Exception as error:  # noqa: BLE001
            raise MediaError(f"the sound of {path} cannot be transcribed: {_first_line(error)}") from None
        if not lines:
            return Transcript((), ("no words were recognised",))
        note = f"transcribed by Whisper {self.name}: {info.language} ({info.language_probability:.0%} sure)"
        return in_order(lines, [note] if self.language is None else [])


def read_sound(path: str | Path, audio_tracks: Sequence[int] = ()) -> NDArray[np.float32]:
    """Decode the sound of a recording: (T,) float32 at 16 kHz, on the clock of its pictures; gaps are silence.

    audio_tracks: those to listen to, from 1, none for the default.
    """
    with open_media(path, audio_rate_hz=RATE_HZ, audio_track=audio_tracks or None) as media:
        blocks = [packet for packet in media if isinstance(packet, AudioBlock)]
    samples = np.zeros(max((round(b.time_s * RATE_HZ) + len(b.samples) for b in blocks), default=0), np.float32)
    for block in blocks:
        first = round(block.time_s * RATE_HZ)
        kept = block.samples[max(0, -first) :]
        samples[max(0, first) : max(0, first) + len(kept)] = kept
    return samples


def _lines(segments: Iterable[Any], length_s: float, on_progress: Callable[[float], None] | None) -> Iterable[Line]:
    """Turn faster-whisper's segments into lines, as they are recognised."""
    for segment in segments:
        if on_progress is not None:
            on_progress(min(segment.end, length_s))
        words = tuple(Word(w.word.strip(), w.start, max(w.start, w.end)) for w in segment.words or () if w.word.strip())
        if segment.text.strip():
            yield Line(segment.text.strip(), segment.start, max(segment.start, segment.end), words)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
