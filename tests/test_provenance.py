"""How a result came about is known, and is not part of the result."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from emofuse.provenance import ModelFile, Provenance, TranscriptOrigin, model_file

HOW = Provenance(
    version="1.2.3",
    created="2026-01-31T09:30:00Z",
    call="emofuse analyze 'a\nb\x1b\udcff.mp4'",
    settings={"mode": "queue", "smoothing": {"persistence": 1.5}, "text_model": None},
    bundle={"name": "base", "version": "0.1.0"},
    models=(ModelFile("face", "face.onnx", "ab" * 32), ModelFile("text", "Own", None)),
    transcript=TranscriptOrigin("found", "clip.en.srt", "cd" * 32),
)


def test_it_survives_json() -> None:
    assert Provenance.from_json(HOW.to_json()) == HOW
    bare = replace(HOW, transcript=None)
    assert Provenance.from_json(bare.to_json()) == bare


@pytest.mark.parametrize(
    "change", [{"created": 5}, {"call": None}, {"models": 3}, {"settings": 3}, {"transcript": {"how": "given"}}]
)
def test_a_document_that_is_not_what_was_written_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((TypeError, KeyError, ValueError)):
        Provenance.from_json({**HOW.to_json(), **change})


def test_in_words_every_entry_is_one_line_that_any_document_holds() -> None:
    entries = dict(HOW.entries())
    assert list(entries) == ["emofuse", "made", "by", "settings", "bundle", "device", "face", "text", "transcript"]
    assert entries["settings"] == "mode=queue, smoothing=(persistence=1.5), text_model=none"
    assert entries["face"] == f"face.onnx (SHA-256 {'ab' * 32})" and entries["text"] == "Own"
    assert entries["transcript"] == f"clip.en.srt, found by the recording's name (SHA-256 {'cd' * 32})"
    for value in entries.values():
        assert "\n" not in value and "\x1b" not in value
        value.encode("utf-8")


def test_the_date_can_be_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert Provenance.now("1", "x").created == "2023-11-14T22:13:20Z"
    for odd in ("", "soon", "-1"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", odd)
        assert Provenance.now("1", "x").created > "2026"


def test_a_model_of_ones_own_is_known_by_its_kind() -> None:
    class Known:
        model_file = ModelFile("text", "some/model", hashlib.sha256(b"").hexdigest())

    assert model_file("text", Known()) == Known.model_file
    assert model_file("text", object()) == ModelFile("text", "object", None)
