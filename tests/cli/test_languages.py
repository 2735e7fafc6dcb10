"""Transcripts in other languages than English, with the bundle that knows them."""

from __future__ import annotations

import json
from pathlib import Path

SRT = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"


def analysed(emofuse, wav: Path, text: str, folder: Path, *options: object) -> dict:
    lines = folder / "said.srt"
    folder.mkdir()
    lines.write_text(SRT.format(text), encoding="utf-8")
    result = emofuse("analyze", wav, "--transcript", lines, "--formats", "json", "-o", folder, *options)
    assert result.code == 0, result.err
    return json.loads((folder / f"{wav.stem}.json").read_text(encoding="utf-8"))


def test_german_words_count_where_the_bundle_knows_them(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    text = "Ich habe solche Angst!"
    known = analysed(emofuse, voice_wav, text, tmp_path / "known", "--bundle", "languages")
    assert "text" in known["summary"]["used"] and known["lines"][0]["label"] == "fearful"
    unknown = analysed(emofuse, voice_wav, text, tmp_path / "unknown")
    assert "not English" in unknown["summary"]["why"]["text"] and unknown["lines"][0]["label"] is None


def test_a_language_that_it_does_not_know_is_named_as_the_reason(emofuse, tmp_path: Path, voice_wav: Path) -> None:
    found = analysed(emofuse, voice_wav, "会えて本当にうれしいです。", tmp_path / "ja", "--bundle", "languages")
    assert "text" not in found["summary"]["used"]
    assert found["summary"]["why"]["text"].startswith("the words are in no language that the network knows")
