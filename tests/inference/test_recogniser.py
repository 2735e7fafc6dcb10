"""Speech recognition through faster-whisper's documented interface; the library itself is not needed."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import emofuse
from emofuse.errors import AssetError, MediaError, UsageError
from emofuse.inference.recogniser import RATE_HZ, Recogniser, read_sound
from emofuse.types import Line, Word
from make_media import Sound, Video, record
from stand_in_text import StandInText


class WhisperModel:
    """As faster-whisper 1.2 documents it: transcribe returns a generator of segments, and what is known of all."""

    made: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[dict[str, Any]] = {}
    local_files_only: ClassVar[list[bool]] = []
    segments: tuple[Any, ...] = ()

    def __init__(
        self,
        model_size_or_path: str,
        device: str = "auto",
        compute_type: str = "default",
        local_files_only: bool = False,
    ) -> None:
        self.local_files_only.append(local_files_only)
        if model_size_or_path == "absent":
            raise RuntimeError("Unable to open file 'model.bin' in model 'absent'\nsecond line")
        self.made.update(model=model_size_or_path, device=device, compute_type=compute_type)

    def transcribe(
        self,
        audio: np.ndarray,
        language: str | None = None,
        word_timestamps: bool = False,
        vad_filter: bool = False,
    ) -> tuple[Iterator[Any], Any]:
        if language == "xx":
            raise ValueError("'xx' is not a valid language code (accepted language codes: af, am)")
        self.asked.update(audio=audio, word_timestamps=word_timestamps, vad_filter=vad_filter)
        return iter(self.segments), SimpleNamespace(language=language or "en", language_probability=0.93)


def segment(text: str, start: float, end: float, words: list[tuple[str, float, float]] | None) -> SimpleNamespace:
    spoken = None if words is None else [SimpleNamespace(word=w, start=a, end=b, probability=0.9) for w, a, b in words]
    return SimpleNamespace(text=text, start=start, end=end, words=spoken)


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> type[WhisperModel]:
    module = ModuleType("faster_whisper")
    module.WhisperModel = WhisperModel  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faster_whisper", module)
    said = segment(" I'm angry.", 0.2, 0.7, [(" I'm", 0.2, 0.3), (" angry.", 0.3, 0.7)])
    monkeypatch.setattr(WhisperModel, "segments", (said, segment(" Yes.", 0.7, 0.9, None), segment(" ", 0.9, 1.0, [])))
    return WhisperModel


def test_a_recording_is_transcribed_with_word_times(whisper: type[WhisperModel], voice_wav: Path) -> None:
    reached: list[float] = []
    transcript = Recogniser("tiny").transcribe(voice_wav, reached.append)
    assert transcript.lines == (
        Line("I'm angry.", 0.2, 0.7, (Word("I'm", 0.2, 0.3), Word("angry.", 0.3, 0.7))),
        Line("Yes.", 0.7, 0.9),
    )
    assert transcript.notes == ("transcribed by Whisper tiny: en (93% sure)",)
    assert reached == [0.7, 0.9, 1.0]
    assert whisper.made == {"model": "tiny", "device": "cpu", "compute_type": "int8"}
    assert whisper.asked["word_timestamps"] and whisper.asked["vad_filter"]
    assert whisper.asked["audio"].dtype == np.float32 and len(whisper.asked["audio"]) == RATE_HZ


def test_offline_only_models_that_are_here_are_used(
    whisper: type[WhisperModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    for offline in ("0", "1"):
        monkeypatch.setenv("EMOFUSE_OFFLINE", offline)
        with pytest.raises(AssetError) as caught:
            Recogniser("absent")
        assert ("EMOFUSE_OFFLINE forbids" in caught.value.hint) == (offline == os.environ["HF_HUB_OFFLINE"] == "1")
    assert whisper.local_files_only[-2:] == [False, True]


def test_a_language_that_was_given_needs_no_note(whisper: type[WhisperModel], voice_wav: Path) -> None:
    assert Recogniser("tiny", "de", "cuda").transcribe(voice_wav).notes == ()
    assert whisper.made["compute_type"] == "default"


def test_it_goes_into_the_timeline(whisper: type[WhisperModel], voice_wav: Path) -> None:
    timeline = emofuse.analyze(voice_wav, transcript=Recogniser().transcribe(voice_wav), text_model=StandInText())
    assert "text" in timeline.summary.used
    assert timeline.summary.by_modality["text"] is not None
    assert timeline.summary.by_modality["text"].as_dict()["angry"] > 0.4  # as old as the other line, nearly


def test_nothing_recognised(
    whisper: type[WhisperModel], voice_wav: Path, silent_film_mp4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "segments", ())
    transcript = Recogniser().transcribe(voice_wav)
    assert transcript.lines == () and transcript.notes == ("no words were recognised",)
    timeline = emofuse.analyze(voice_wav, transcript=transcript, text_model=StandInText())
    assert timeline.summary.why["text"] == "nothing said"
    assert Recogniser().transcribe(silent_film_mp4).notes == ("there is no sound, so nothing was transcribed",)


def test_faults_are_one_line(
    whisper: type[WhisperModel], voice_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssetError, match=r"'absent' cannot be loaded: Unable to open file .*model 'absent' \(give"):
        Recogniser("absent")
    with pytest.raises(UsageError, match="'xx' is not a valid language code"):
        Recogniser("tiny", "xx").transcribe(voice_wav)
    with pytest.raises(MediaError):
        Recogniser("tiny").transcribe(tmp_path / "absent.wav")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(UsageError, match=r"needs faster-whisper \(pip install 'emofuse\[asr\]'\)"):
        Recogniser()


def test_the_sound_is_on_the_clock_of_the_pictures(tmp_path: Path) -> None:
    late = record(tmp_path / "late.mkv", Video(), Sound("pcm_s16le", 16_000, "mono", duration_s=0.5, start_s=0.25))
    samples = read_sound(late)
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert loud[0] / RATE_HZ == pytest.approx(0.25, abs=0.02)
