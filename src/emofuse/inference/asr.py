"""From a recording's sound to its words, through faster-whisper (https://github.com/SYSTRAN/faster-whisper)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emofuse.assets import prepare_hub
from emofuse.errors import AssetError, MediaError, UsageError
from emofuse.inference import onnx_runtime  # noqa: F401  before faster-whisper imports ONNX Runtime by itself
from emofuse.inference.utterances import quietest
from emofuse.media import Span, most_filling_s, open_media
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.provenance import TranscriptOrigin
from emofuse.reading import file_hash, first_line
from emofuse.threads import allowed_threads, come_last
from emofuse.transcripts.transcript import Transcript, in_order
from emofuse.types import AudioBlock, Line, Word

INSTALL: Final = "pip install 'emofuse[asr]'"
MODEL: Final = "small"
LONGEST_S: Final = 600.0  # of sound that is recognised at once
CUT_WITHIN_S: Final = 30.0
CUT_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was recognised in a stretch of sound.

    Attributes:
        lines: What is spoken, in the order of time.
        language: A code like "en".
        p_language: How sure that is, in [0, 1].
    """

    lines: tuple[Line, ...]
    language: str
    p_language: float


class SpeechRecognizer:
    """Transcribes recordings, with a time for every word.

    model: a size ("tiny" to "large-v3", "turbo"), which is downloaded at its first use, or a folder that holds one;
    language: a code like "en", recognised where it is None; n_threads: to use at most, 0 for what CTranslate2 takes
    by itself; origin: for the provenance of words. Raises UsageError where faster-whisper is not installed
    or knows no such language, AssetError for a model that cannot be had.
    """

    def __init__(
        self, model: str = MODEL, language: str | None = None, device: str = "cpu", n_threads: int = 0
    ) -> None:
        local_files_only = prepare_hub()
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise UsageError("speech recognition needs faster-whisper", INSTALL) from None
        self.name, self.language = model, language
        # 8-bit integers make the model several times as fast on a processor, at hardly a cost
        compute_type = "int8" if device == "cpu" else "default"
        settings: dict[str, Any] = {"cpu_threads": n_threads} if n_threads else {}
        try:
            self._model: Any = WhisperModel(
                model, device=device, compute_type=compute_type, local_files_only=local_files_only, **settings
            )
        except Exception as error:  # noqa: BLE001 (of four libraries, without a common base)
            hint = "give a size such as 'small', or the folder of a model that is here already"
            if local_files_only:
                hint = f"EMOFUSE_OFFLINE forbids the download; {hint}"
            raise AssetError(f"the speech model {model!r} cannot be loaded: {first_line(error)}", hint) from None
        self.origin = TranscriptOrigin("recognised", f"Whisper {model}", _weights_hash(model))

    def transcribe(
        self,
        path: str | os.PathLike[str],
        on_progress: Callable[[float], None] | None = None,
        audio_tracks: Sequence[int] = (),
        span: Span | None = None,
    ) -> Transcript:
        """Transcribe a recording; one without sound or speech gives no lines, and a note.

        on_progress gets the time reached, in seconds; audio_tracks: those to listen to, from 1, none for the default;
        span: the stretch to transcribe, None for all of it. Raises MediaError where the recording cannot be read.
        """
        lines: list[Line] = []
        language, note, has_sound = self.language, "", False
        for start_s, samples in read_sound(path, audio_tracks, span=span):
            has_sound = True
            found = self.recognize(samples, start_s, language, on_progress, name=f"the sound of {path}")
            lines += found.lines
            if found.lines and language is None:  # what is spoken first is taken to be spoken in the rest too
                language = found.language
                note = f"transcribed by Whisper {self.name}: {language} ({found.p_language:.0%} sure)"
        if not has_sound:
            return Transcript((), ("there is no sound, so nothing was transcribed",), self.origin)
        if not lines:
            return Transcript((), ("no words were recognised",), self.origin)
        return replace(in_order(lines, [note] if note else []), origin=self.origin)

    def recognize(
        self,
        samples: NDArray[np.float32],
        start_s: float = 0.0,
        language: str | None = None,
        on_progress: Callable[[float], None] | None = None,
        *,
        name: str = "speech",
    ) -> Recognition:
        """Recognise what is spoken in a stretch of sound.

        Args:
            samples: (T,) at 16 kHz.
            start_s: When it begins, in seconds: the times of words count from there.
            language: A code; None for that of the recogniser, or what it takes it for.
            on_progress: Gets the time reached, in seconds.
            name: Of the sound, for errors.

        Raises:
            UsageError: The model knows no such language.
            MediaError: It cannot be transcribed.
        """
        try:
            # silence is cut out beforehand: Whisper makes up words for it
            segments, info = self._model.transcribe(
                samples, language=language or self.language, word_timestamps=True, vad_filter=True
            )
            lines = tuple(_lines(segments, start_s, len(samples) / RATE_HZ, on_progress))
        except ValueError as error:
            raise UsageError(f"{self.name!r} cannot transcribe this: {first_line(error)}") from None
        except Exception as error:  # noqa: BLE001
            raise MediaError(f"{name} cannot be transcribed: {first_line(error)}") from None
        return Recognition(lines, info.language, info.language_probability)


@cache
def load_recognizer(
    model: str = MODEL, language: str | None = None, device: str = "cpu", *, is_live: bool = False
) -> SpeechRecognizer:
    """Return a recogniser, loaded at the first call: see `SpeechRecognizer`.

    is_live: whether pictures are analysed beside it: they have half of the cores for themselves, and go before it.
    """
    if not is_live:
        return SpeechRecognizer(model, language, device)
    # CTranslate2's threads begin here, and have the priority of the one that begins them
    with ThreadPoolExecutor(1, initializer=come_last) as last:
        return last.submit(SpeechRecognizer, model, language, device, max(1, allowed_threads() // 2)).result()


def _weights_hash(model: str) -> str | None:
    """Return the SHA-256 of the weights of a model that has been loaded; None where they cannot be found."""
    try:
        from faster_whisper.utils import download_model

        folder = model if Path(model).is_dir() else download_model(model, local_files_only=True)
        return file_hash(Path(folder) / "model.bin")
    except Exception:  # noqa: BLE001 (whatever a library says that does not know where it is)
        return None


def read_sound(
    path: str | os.PathLike[str],
    audio_tracks: Sequence[int] = (),
    longest_s: float = LONGEST_S,
    span: Span | None = None,
) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Decode the sound of a recording in stretches, so that a long one takes no more memory than a short one.

    Args:
        path: The recording.
        audio_tracks: Those to listen to, from 1; none for the default.
        longest_s: Of a stretch; it is cut where it is quietest, in the last CUT_WITHIN_S.
        span: The part of the recording to read; None for all of it.

    Yields:
        The second at which a stretch begins on the clock of the pictures, and its samples (T,) float32 at 16 kHz. What
        lies before 0 is left out; gaps are silence.

    Raises:
        MediaError: The recording cannot be read, or has more gaps than a recording of its size can have.
    """
    begin_s = 0.0 if span is None else span.start_s
    stretch = _Stretch(round(longest_s * RATE_HZ), round(begin_s * RATE_HZ))
    with open_media(path, audio_rate_hz=RATE_HZ, audio_track=audio_tracks or None, span=span) as media:
        end_s, silent_s = begin_s, 0.0
        for block in media:
            if not isinstance(block, AudioBlock):
                continue
            silent_s, end_s = silent_s + max(block.time_s - end_s, 0.0), block.end_s
            if silent_s > most_filling_s(path):
                raise MediaError(
                    f"{path} has over {silent_s:.0f} s of gaps in its sound, which no recording of its size can have",
                    "its times are damaged; convert it, or give a transcript",
                )
            yield from stretch.push(block)
    yield from stretch.flush()


class _Stretch:
    """Collects sound until there is enough of it to be recognised."""

    def __init__(self, n_most: int, begin: int = 0) -> None:
        self._samples = np.zeros(n_most, np.float32)
        self._n = 0  # of them that are filled
        self._begin = begin  # of the first, on the clock of the recording

    def push(self, block: AudioBlock) -> Iterator[tuple[float, NDArray[np.float32]]]:
        """Take a block; yield the stretches that are full."""
        at = round(block.time_s * RATE_HZ) - self._begin
        left = block.samples[max(0, -at) :]
        at = max(0, at)
        while len(left):
            while at >= len(self._samples):  # after a gap
                self._n = len(self._samples)
                before = self._begin
                yield self._cut()
                at -= self._begin - before
            taken = left[: len(self._samples) - at]
            self._samples[at : at + len(taken)] = taken
            at += len(taken)
            self._n = max(self._n, at)
            left = left[len(taken) :]

    def flush(self) -> Iterator[tuple[float, NDArray[np.float32]]]:
        """Yield what is left."""
        if self._n:
            yield self._begin / RATE_HZ, self._samples[: self._n]

    def _cut(self) -> tuple[float, NDArray[np.float32]]:
        """Take off what is before the quietest place at the end."""
        n_within = min(len(self._samples) // 2, round(CUT_WITHIN_S * RATE_HZ))
        cut = len(self._samples) - n_within + quietest(self._samples[-n_within:], CUT_S)
        begin_s, taken, rest = self._begin / RATE_HZ, self._samples[:cut].copy(), self._samples[cut:].copy()
        self._samples[:] = 0
        self._samples[: len(rest)] = rest
        self._n, self._begin = len(rest), self._begin + cut
        return begin_s, taken


def _lines(
    segments: Iterable[Any], start_s: float, length_s: float, on_progress: Callable[[float], None] | None
) -> Iterable[Line]:
    """Turn faster-whisper's segments of a stretch into lines, as they are recognised."""
    for segment in segments:
        if on_progress is not None:
            on_progress(start_s + min(float(segment.end), length_s))
        begin_s, end_s = start_s + float(segment.start), start_s + float(segment.end)
        words = tuple(
            Word(w.word.strip(), start_s + float(w.start), start_s + max(float(w.start), float(w.end)))
            for w in segment.words or ()
            if w.word.strip()
        )
        if segment.text.strip():
            yield Line(segment.text.strip(), begin_s, max(begin_s, end_s), words)
