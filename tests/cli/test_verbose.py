"""`analyze --verbose`: what is loaded, with its hash, and how long the steps took; on standard error."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

from emofuse.cli import live
from emofuse.cli.demo import CLIP
from emofuse.inference.bundle import BUNDLES, MANIFEST
from emofuse.provenance import TranscriptOrigin
from emofuse.reading import file_hash

STEPS = re.compile(r"(\w+) (\d+\.\d\d) s")


def steps_of(err: str, name: str) -> dict[str, float]:
    """Return the seconds of each step of the work on a recording."""
    line = next(line for line in err.splitlines() if line.startswith(f"{name}: ") and "s in all" in line)
    assert len(re.findall(rf"^{re.escape(name)}: .* in all$", err, re.MULTILINE)) == 1
    return {step: float(spent_s) for step, spent_s in STEPS.findall(line.partition(";")[0])}


def test_models_and_steps_of_one_recording(emofuse, tmp_path: Path) -> None:
    result = emofuse("analyze", "-v", CLIP, "--end", 2, "-o", tmp_path, "--formats", "json,mp4,html", "--explain")
    assert result.code == 0, result.err
    base = BUNDLES / "base"
    for role, file in (("fusion", MANIFEST), ("face", "face.onnx"), ("voice", "voice.onnx"), ("text", "text.onnx")):
        assert result.err.count(f"  {role}: {file} (SHA-256 {file_hash(base / file)})\n") == 1
    assert re.search(r"^bundle base \S+ on cpu, loaded in \d+\.\d\d s$", result.err, re.MULTILINE)
    assert re.search(r"^  face detector: \S+ \(SHA-256 [0-9a-f]{64}\)$", result.err, re.MULTILINE)
    assert (
        f"clip.mp4: transcript: clip.srt, found by the recording's name (SHA-256 {file_hash(CLIP.with_suffix('.srt'))})"
        in result.err
    )
    steps = steps_of(result.err, "clip.mp4")
    assert list(steps) == ["opening", "words", "analysing", "drawing", "explaining", "writing"]
    assert steps["analysing"] > steps["words"]
    assert "SHA-256" not in result.out  # which is for results


def test_every_recording_of_a_batch_is_told_and_each_model_once(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    batch = ("analyze", "--verbose", CLIP, voice_wav, "--end", 1, "--jobs", 2)
    result = emofuse(*batch, "-o", tmp_path, "--formats", "json")
    assert result.code == 0, result.err
    for name in ("clip.mp4", voice_wav.name):
        assert list(steps_of(result.err, name)) == ["opening", "words", "analysing", "writing"]
    assert result.err.count("  voice: voice.onnx ") == 1


def test_without_it_nothing_of_this_is_printed(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    result = emofuse("analyze", voice_wav, "-o", tmp_path, "--formats", "json")
    assert result.code == 0 and "SHA-256" not in result.err + result.out and " in all" not in result.err


def test_live_tells_of_the_models_and_of_the_recogniser(
    emofuse, tmp_path: Path, voice_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = SimpleNamespace(origin=TranscriptOrigin("recognised", "Whisper tiny", "0" * 64))
    monkeypatch.setattr(live, "load_recognizer", lambda *given, **named: recogniser)
    result = emofuse("live", "-v", "--file", voice_wav, "--seconds", 0.1, "--asr", "--view", "none")
    assert result.code == 0, result.err
    assert result.err.count("  voice: voice.onnx (SHA-256 ") == 1
    assert f"  speech recogniser: Whisper tiny (SHA-256 {'0' * 64})\n" in result.err


def test_it_does_not_go_with_quiet(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    result = emofuse("analyze", voice_wav, "-o", tmp_path, "-q", "-v")
    assert result.code == 2 and "--quiet and --verbose at once" in result.err
