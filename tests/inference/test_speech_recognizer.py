"""Speech recognition through faster-whisper's documented interface; the library itself is not needed."""

import os
import sys
import threading
import wave
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

import emofuse
from emofuse.errors import AssetError, MediaError, UsageError
from emofuse.inference import asr
from emofuse.inference.asr import SpeechRecognizer, read_sound
from emofuse.media import Span
from emofuse.preprocessing.audio_buffer import RATE_HZ
from emofuse.types import AudioBlock, Line, Word
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
    transcript = SpeechRecognizer("tiny").transcribe(voice_wav, reached.append)
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
            SpeechRecognizer("absent")
        assert ("EMOFUSE_OFFLINE forbids" in caught.value.hint) == (offline == os.environ["HF_HUB_OFFLINE"] == "1")
    assert whisper.local_files_only[-2:] == [False, True]


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities of their own here")
def test_live_it_comes_after_the_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, tuple[object, ...]]] = []

    def make(*given: object) -> object:
        made.append((os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), given))
        return object()

    monkeypatch.setattr(asr, "SpeechRecognizer", make)
    monkeypatch.setattr(asr, "allowed_threads", lambda: 6)
    asr.load_recognizer.cache_clear()
    ours = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    for is_live in (True, False):
        asr.load_recognizer("tiny", None, "cpu", is_live=is_live)
    asr.load_recognizer.cache_clear()
    assert made == [(min(ours + 5, 19), ("tiny", None, "cpu", 3)), (ours, ("tiny", None, "cpu"))]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == ours


def test_a_language_that_was_given_needs_no_note(whisper: type[WhisperModel], voice_wav: Path) -> None:
    assert SpeechRecognizer("tiny", "de", "cuda").transcribe(voice_wav).notes == ()
    assert whisper.made["compute_type"] == "default"


def test_it_goes_into_the_timeline(whisper: type[WhisperModel], voice_wav: Path) -> None:
    timeline = emofuse.analyze(voice_wav, transcript=SpeechRecognizer().transcribe(voice_wav), text_model=StandInText())
    assert "text" in timeline.summary.used
    assert timeline.summary.by_modality["text"] is not None
    assert timeline.summary.by_modality["text"].as_dict()["angry"] > 0.4  # as old as the other line, nearly


def test_nothing_recognised(
    whisper: type[WhisperModel], voice_wav: Path, silent_film_mp4: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whisper, "segments", ())
    transcript = SpeechRecognizer().transcribe(voice_wav)
    assert transcript.lines == () and transcript.notes == ("no words were recognised",)
    timeline = emofuse.analyze(voice_wav, transcript=transcript, text_model=StandInText())
    assert timeline.summary.why["text"] == "nothing said"
    assert SpeechRecognizer().transcribe(silent_film_mp4).notes == ("there is no sound, so nothing was transcribed",)


def test_faults_are_one_line(
    whisper: type[WhisperModel], voice_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssetError, match=r"'absent' cannot be loaded: Unable to open file .*model 'absent' \(give"):
        SpeechRecognizer("absent")
    with pytest.raises(UsageError, match="'xx' is not a valid language code"):
        SpeechRecognizer("tiny", "xx").transcribe(voice_wav)
    with pytest.raises(MediaError):
        SpeechRecognizer("tiny").transcribe(tmp_path / "absent.wav")
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(UsageError, match=r"needs faster-whisper \(pip install 'emofuse\[asr\]'\)"):
        SpeechRecognizer()


def test_the_sound_is_on_the_clock_of_the_pictures(tmp_path: Path) -> None:
    late = record(tmp_path / "late.mkv", Video(), Sound("pcm_s16le", 16_000, "mono", duration_s=0.5, start_s=0.25))
    ((start_s, samples),) = read_sound(late)
    assert start_s == 0
    loud = np.flatnonzero(np.abs(samples) > 0.1)
    assert loud[0] / RATE_HZ == pytest.approx(0.25, abs=0.02)


def test_long_sound_is_read_in_stretches_that_are_cut_where_it_is_quiet(tmp_path: Path) -> None:
    rate = RATE_HZ
    samples = np.sin(np.arange(10 * rate) * 0.2).astype(np.float32) * 0.3
    samples[round(3.2 * rate) : round(3.6 * rate)] = 0
    samples[round(6.0 * rate) : round(6.5 * rate)] = 0
    path = tmp_path / "long.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    stretches = list(read_sound(path, longest_s=4.0))
    assert [start for start, _ in stretches] == pytest.approx([0.0, 3.4, 6.25], abs=0.16)
    assert all(len(each) <= 4 * rate for _, each in stretches)
    np.testing.assert_allclose(np.concatenate([each for _, each in stretches]), samples, atol=1e-3)


def test_lines_of_later_stretches_have_the_recordings_times_and_its_first_language(
    whisper: type[WhisperModel], voice_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stretches = [(0.0, np.zeros(9)), (600.0, np.zeros(9))]
    monkeypatch.setattr(asr, "read_sound", lambda path, tracks, span: iter(stretches))
    asked: list[str | None] = []
    original = WhisperModel.transcribe

    def transcribe(self: WhisperModel, audio: np.ndarray, language: str | None = None, **how: bool) -> Any:
        asked.append(language)
        return original(self, audio, language, **how)

    monkeypatch.setattr(WhisperModel, "transcribe", transcribe)
    transcript = SpeechRecognizer("tiny").transcribe(voice_wav)
    assert [line.start_s for line in transcript.lines] == [0.2, 0.7, 600.2, 600.7]
    assert transcript.lines[2].words[1].end_s == pytest.approx(600.7)
    assert asked == [None, "en"]
    assert transcript.notes == ("transcribed by Whisper tiny: en (93% sure)",)


def test_a_gap_of_hours_is_silence_in_bounded_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [AudioBlock(np.ones(1600, np.float32), RATE_HZ, time_s) for time_s in (0.0, 50.0)]
    monkeypatch.setattr(asr, "open_media", lambda path, **how: nullcontext(blocks))
    monkeypatch.setattr(asr, "most_filling_s", lambda path: 60.0)  # there is no file
    stretches = list(read_sound("gap.wav", longest_s=4.0))
    assert all(len(each) <= 4 * RATE_HZ for _, each in stretches)
    whole = np.concatenate([each for _, each in stretches])
    assert len(whole) == round(50.1 * RATE_HZ)
    assert np.flatnonzero(whole).tolist() == [*range(1600), *range(50 * RATE_HZ, len(whole))]


def test_of_a_stretch_the_sound_has_the_times_of_the_recording(voice_wav: Path) -> None:
    whole = np.concatenate([samples for _, samples in asr.read_sound(voice_wav)])
    (part,) = asr.read_sound(voice_wav, span=Span(0.25, 0.75))
    assert part[0] == 0.25 and len(part[1]) == pytest.approx(8_000, abs=2)
    assert np.corrcoef(part[1][100:7_900], whole[4_100:11_900])[0, 1] > 0.9
