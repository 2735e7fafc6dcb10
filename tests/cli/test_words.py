"""Words from the command line: transcripts of one recording, of a folder, beside them, or recognised."""

import csv
import json
import re
import shutil
import sys
import wave
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from emofuse.cli.demo import CLIP
from emofuse.inference import asr
from emofuse.recordings import words
from emofuse.recordings.plan import Task
from emofuse.transcripts import Transcript
from emofuse.types import Line
from make_media import beginning
from stand_in_text import StandInText

SCHEMA = json.loads(files("emofuse.outputs").joinpath("timeline.schema.json").read_text(encoding="utf-8"))
SRT = "1\n00:00:00,500 --> 00:00:01,000\nI am so angry.\n\n2\n00:00:02,000 --> 00:10:00,000\nsad\n"


@pytest.fixture(autouse=True)
def scorer(monkeypatch: pytest.MonkeyPatch) -> StandInText:
    """Put the stand-in in the place of a text model."""
    stand_in = StandInText()
    stand_in.notes = ("labels of it that are left out: none",)  # type: ignore[attr-defined]
    monkeypatch.setattr(words, "load_hub_text", lambda *arguments: stand_in)
    return stand_in


@pytest.fixture
def clip(tmp_path: Path, voice_wav: Path) -> Path:
    """Return a recording of a second in a folder of its own."""
    (tmp_path / "in").mkdir()
    return Path(shutil.copy(voice_wav, tmp_path / "in" / "clip.wav"))


def document(folder: Path, name: str = "clip") -> dict:
    loaded = json.loads((folder / f"{name}.json").read_text())
    jsonschema.validate(loaded, SCHEMA)
    return loaded


def test_a_transcript_is_used_like_the_other_modalities(emofuse, tmp_path: Path, scorer) -> None:
    srt = tmp_path / "said.srt"
    srt.write_text(SRT)
    film = beginning(CLIP, tmp_path / "clip.mp4", 2.5)
    result = emofuse("analyze", film, "--transcript", srt, "--text-model", "some/model", "-o", tmp_path / "out")
    assert result.code == 0, result.err
    made = document(tmp_path / "out")
    assert made["summary"]["used"] == ["face", "voice", "text"] and made["summary"]["why"] == {}
    by_time = {m["time_s"]: m["by_modality"]["text"] for m in made["moments"]}
    assert by_time[0.5] is None and max(by_time[1.0], key=by_time[1.0].get) == "angry"
    rows = list(csv.DictReader((tmp_path / "out" / "clip.csv").open(newline="")))
    assert rows[1]["used"].split("+")[-1] == "text" and float(rows[1]["text_angry"]) == by_time[1.0]["angry"]
    assert re.search(r"Face, voice and text agree|Face \w+, voice \w+, text \w+: together", result.out)
    assert scorer.asked == ["I am so angry.", "sad"]  # the second ends with the clip
    assert "left out: none" in result.err


@pytest.mark.usefixtures("in_this_process")
def test_beside_and_in_a_folder(emofuse, tmp_path: Path, clip: Path) -> None:
    shutil.copy(clip, clip.with_name("other.wav"))
    clip.with_suffix(".srt").write_text(SRT)
    others = tmp_path / "transcripts"
    others.mkdir()
    (others / "other.txt").write_text("So sad.")
    run = ("analyze", clip.parent, "--text-model", "m", "--formats", "json")
    result = emofuse(*run, "--transcript", "auto", "-o", tmp_path / "a")
    assert result.code == 0 and "other.wav: no transcript is beside it" in result.err
    assert document(tmp_path / "a")["summary"]["used"][-1] == "text"  # a tone may or may not be a voice
    assert document(tmp_path / "a", "other")["summary"]["why"]["text"] == "no transcript"
    result = emofuse(*run, "--transcript", others, "-o", tmp_path / "b")
    assert result.code == 0 and f"clip.wav: no transcript of its name is in {others}" in result.err
    assert "spread over the recording" in result.err
    text = document(tmp_path / "b", "other")["summary"]["by_modality"]["text"]
    assert max(text, key=text.get) == "sad"


def test_own_results_are_no_transcripts(emofuse, tmp_path: Path, clip: Path) -> None:
    clip.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nhappy 66 %\n\n")
    emofuse("analyze", clip, "--formats", "json", "-o", clip.parent)
    result = emofuse("analyze", clip, "--transcript", "auto", "--formats", "csv", "-o", tmp_path / "out")
    assert result.code == 0 and "no transcript is beside it" in result.err


def test_a_bundle_without_a_network_says_so_once(emofuse, tmp_path: Path, clip: Path, monkeypatch) -> None:
    monkeypatch.setattr(words, "text_scorer", lambda bundle: None)
    clip.with_suffix(".vtt").write_text("WEBVTT\n\n00:00.500 --> 00:01.000\nangry\n")
    result = emofuse("analyze", clip, "--transcript", "auto", "--formats", "json", "-o", tmp_path / "out")
    assert result.code == 0
    assert result.err.count("has no network for text: the words are not used") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--transcript", "{tmp}/absent.srt"], "no transcript {tmp}/absent.srt"),
        (["--transcript", "{tmp}/in/clip.wav"], "one of .srt, .vtt, .json, .txt"),
        (["--transcript", "{tmp}/said.srt", "{tmp}/in/other.wav"], "the transcript of one recording, and there are 2"),
        (["--transcript", "{tmp}/said.srt", "--asr"], "choose one"),
        (["--transcript", "{tmp}/said.srt", "--formats", "srt"], "would replace a transcript"),
        (["--asr"], "pip install 'emofuse[asr]'"),
    ],
)
def test_wrong_usage(emofuse, tmp_path: Path, clip: Path, monkeypatch, arguments: list[str], says: str) -> None:
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    asr.load_recognizer.cache_clear()
    (tmp_path / "said.srt").write_text(SRT)
    shutil.copy(clip, clip.with_name("other.wav"))
    shutil.copy(clip, tmp_path / "said.wav")
    source = tmp_path / "said.wav" if "--formats" in arguments else clip
    out = tmp_path if "--formats" in arguments else tmp_path / "out"
    given = [argument.format(tmp=tmp_path) for argument in arguments]
    result = emofuse("analyze", source, *given, "-o", out)
    assert result.code == 2, result.err
    assert says.format(tmp=tmp_path) in result.err
    assert (tmp_path / "said.srt").read_text() == SRT


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1\n00:00:05,000 --> 00:00:01,000\nNo\n", "line 2: the cue ends at 1 s, before it starts at 5 s"),
        ("", "no words are in it"),
        ("1\n00:00:00,100 --> 00:00:00,900\n[Music]\n", "no words are in it"),
        ("1\n01:00:00,000 --> 01:00:01,000\nNo\n", "all of the transcript is after the end"),
        ("1\n00:00:00,100 -> 00:00:00,900\nNo\n\n2\n00:00:00,1 --> tomorrow\nNo\n", "line"),
    ],
)
def test_a_transcript_that_cannot_be_used_costs_the_words_alone(
    emofuse, tmp_path: Path, clip: Path, text: str, why: str
) -> None:
    clip.with_suffix(".srt").write_text(text)
    for place in ("auto", clip.with_suffix(".srt")):
        run = ("--transcript", place, "--formats", "json", "--text-model", "m", "-o", tmp_path / "out")
        result = emofuse("analyze", clip, *run)
        assert result.code == 0, result.err
        assert f"clip.wav: the words are left out: {clip.with_suffix('.srt')}: " in result.err and why in result.err
        made = document(tmp_path / "out")
        assert made["summary"]["why"]["text"].startswith("clip.srt: ") and why in made["summary"]["why"]["text"]
        assert made["moments"]


def test_words_where_nobody_speaks_are_told_of(emofuse, tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", "not compressed"))
        file.writeframes(bytes(2 * 5 * 16_000))
    silence.with_suffix(".srt").write_text("1\n00:00:00,100 --> 00:00:04,900\nI am so angry.\n")
    result = emofuse("analyze", silence, "--text-model", "m", "--formats", "json", "-o", tmp_path / "out")
    assert result.code == 0, result.err
    assert "silence.wav: at 8 of the 10 moments with words nobody speaks: " in result.err


NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("recording", "transcripts", "chosen"),
    [
        ("clip.wav", ["clip.SRT"], "clip.SRT"),
        ("clip.wav", ["clip.en.srt"], "clip.en.srt"),
        ("clip.wav", ["clip.wav.srt"], "clip.wav.srt"),
        ("clip.wav", ["clip.pt-BR.vtt"], "clip.pt-BR.vtt"),
        ("clip.wav", ["clip.de.srt", "clip.en-GB.srt", "clip.fr.srt"], "clip.en-GB.srt"),
        ("clip.wav", ["clip.en.srt", "clip.srt", "clip.wav.srt"], "clip.srt"),
        ("clip.wav", ["clip.txt", "clip.en.srt"], "clip.en.srt"),
        (f"{NFC}.wav", [f"{NFD}.srt"], f"{NFD}.srt"),
        (f"{NFD}.wav", [f"{NFC}.wav.srt"], f"{NFC}.wav.srt"),
        ("clip.wav", ["clip2.srt", "clip.part.srt", "other.srt", "clip.srt.bak"], None),
    ],
)
def test_a_transcript_beside_is_found_by_any_usual_name(
    tmp_path: Path, recording: str, transcripts: list[str], chosen: str | None
) -> None:
    for name in (recording, *transcripts):
        (tmp_path / name).write_text(SRT)
    task = Task(tmp_path / recording, tmp_path / "out" / "clip")
    found = words.plan_words([task], ("json",), "auto", False).found
    assert found == ({} if chosen is None else {task.source: tmp_path / chosen})


def test_a_transcript_of_another_recording_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "clip.en.srt").write_text(SRT)
    tasks = [Task(tmp_path / name, tmp_path / "out" / name) for name in ("clip.wav", "clip.en.wav")]
    found = words.plan_words(tasks, ("json",), "auto", False).found
    assert found == {tmp_path / "clip.en.wav": tmp_path / "clip.en.srt"}


@pytest.mark.usefixtures("in_this_process")
def test_recognised_where_no_transcript_is_found(emofuse, tmp_path: Path, clip: Path, monkeypatch) -> None:
    asked: list[object] = []

    class Fake:
        def __init__(self, model: str, language: str | None, device: str) -> None:
            asked.append((model, language, device))

        def transcribe(self, path: Path, on_progress: object) -> Transcript:
            asked.append(path.name)
            return Transcript((Line("angry", 0.1, 0.9),), ("transcribed by a fake",))

    monkeypatch.setattr(asr, "SpeechRecognizer", Fake)
    asr.load_recognizer.cache_clear()
    shutil.copy(clip, clip.with_name("other.wav"))
    clip.with_suffix(".srt").write_text(SRT)
    call = ("--transcript", "auto", "--asr", "--asr-language", "en", "--text-model", "m", "--formats", "json")
    result = emofuse("analyze", clip.parent, *call, "-o", tmp_path / "out")
    asr.load_recognizer.cache_clear()
    assert result.code == 0, result.err
    assert asked == [(asr.MODEL, "en", "cpu"), "other.wav"]
    assert "other.wav: transcribed by a fake" in result.err
    assert document(tmp_path / "out", "other")["summary"]["used"][-1] == "text"
