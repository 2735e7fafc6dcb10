"""`emofuse corpus audit` as people run it: what it prints, and the exit code that a script reads."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from rich.console import Console

from emofuse.cli import corpus_audit
from emofuse.research.corpora.manifest import write_manifest
from emofuse.research.corpora.readers.ravdess import read_ravdess

Audit = Callable[..., tuple[int, str, str]]
ROWS = "".join(f"clip{i}.wav,{'sad' if i % 2 else 'calm'},s{i // 2},say {i}\n" for i in range(8))
FOLDS = "speaker,fold\ns0,1\ns1,1\ns2,2\ns3,2\n"


@pytest.fixture
def audit(emofuse: Callable[..., Any]) -> Audit:
    """Return a function that runs the command and returns its exit code, what it printed, and its errors."""
    return lambda *arguments: tuple(emofuse("corpus", "audit", *arguments))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Return a manifest of four speakers with two clips each, every one with its own sound and sentence."""
    for i in range(8):
        noise = np.random.default_rng(i).integers(-16_000, 16_000, 1_600, dtype=np.int16)
        soundfile.write(tmp_path / f"clip{i}.wav", noise, 16_000)
    path = tmp_path / "clips.csv"
    path.write_text(f"path,emotion,speaker,statement\n{ROWS}", encoding="utf-8")
    return path


def write(folder: Path, text: str) -> Path:
    path = folder / "split.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_clean_split_file_exits_with_0(audit: Audit, clips: Path) -> None:
    code, out, err = audit(clips, "--split", write(clips.parent, FOLDS))
    assert code == 0, out + err
    assert "clean: no two parts of a fold share speakers or sounds or sentences" in out
    assert "LEAKY" not in out
    table = [line.split() for line in out.splitlines() if line.startswith("  ")]
    assert table == [
        ["fold", "part", "clips", "speakers", "calm", "sad"],
        ["1", "train", "4", "2", "2", "2"],
        ["1", "valid", "0", "0", "0", "0"],
        ["1", "test", "4", "2", "2", "2"],
        ["2", "train", "4", "2", "2", "2"],
        ["2", "valid", "0", "0", "0", "0"],
        ["2", "test", "4", "2", "2", "2"],
    ]
    assert "8 of 8 clips have no session in the manifest: not compared by session" in err


def test_speakers_are_held_out_of_a_file_when_asked(audit: Audit, clips: Path) -> None:
    _, out, _ = audit(clips, "--split", write(clips.parent, FOLDS), "--n-valid", 1)
    assert [line.split()[2] for line in out.splitlines() if " valid " in line] == ["2", "2"]


def test_every_planted_overlap_is_a_line_and_the_exit_code_is_1(audit: Audit, clips: Path) -> None:
    samples, rate_hz = soundfile.read(clips.parent / "clip0.wav", dtype="int16")
    soundfile.write(clips.parent / "copy.flac", samples, rate_hz)
    rows = ROWS.replace("clip6.wav", "copy.flac").replace("say 7", "Say 1!")
    sessions = [row + "," + ("x" if i in (2, 4) else str(i)) for i, row in enumerate(rows.splitlines())]
    clips.write_text("path,emotion,speaker,statement,session\n" + "\n".join(sessions) + "\n", encoding="utf-8")
    parts = ["train", "train", "train", "test", "test", "test", "test", "test"]
    names = [row.split(",")[0] for row in rows.splitlines()]
    split = write(clips.parent, "path,part\n" + "".join(f"{n},{p}\n" for n, p in zip(names, parts, strict=True)))
    code, out, err = audit(clips, "--split", split)
    assert code == 1
    lines = [line for line in out.splitlines() if line.startswith(("speaker:", "session:", "audio:", "sentence:"))]
    one, other = clips.parent / "clip0.wav", clips.parent / "copy.flac"
    assert lines == [
        "speaker: fold 1, train and test: 's1' (1 clip in train, 1 in test)",
        "session: fold 1, train and test: 'x' (1 clip in train, 1 in test)",
        f"audio: fold 1, train and test: {one} and {other} (1 clip in train, 1 in test)",
        "sentence: fold 1, train and test: 'say 1' (1 clip in train, 1 in test)",
    ]
    assert "LEAKY" in out
    assert "4 overlaps: speaker 1, session 1, audio 1, sentence 1" in out
    assert f"the same sound under different speakers or emotions: {one} (s0, calm), {other} (s3, calm)" in err
    allowed = [part for kind in ("speaker", "session", "audio", "sentence") for part in ("--allow", kind)]
    assert audit(clips, "--split", split, *allowed[2:])[0] == 1
    code, out, err = audit(clips, "--split", split, *allowed)
    assert code == 0
    assert "sentence: 1 overlap, allowed" in out
    assert "LEAKY" in out  # allowed or not
    assert "sounds were not compared" in err


def test_a_random_split_is_leaky_in_red(audit: Audit, clips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, color_system="standard", soft_wrap=True)
    monkeypatch.setattr(corpus_audit, "OUT", terminal)
    code, _, _ = audit(clips, "--split", "random-2fold", "--n-valid", 1)
    assert code == 1
    printed = terminal.file.getvalue()
    red = "\x1b[1;31mLEAKY\x1b[0m"
    assert f"; {red}: the model knows the test speakers" in printed
    assert f"\n{red}: speakers of a test part" in printed


def test_protocols_hold_speakers_out_unless_told_not_to(audit: Audit, clips: Path) -> None:
    code, out, _ = audit(clips, "--split", "loso", "--allow", "sentence")
    assert code == 0
    assert [line.split()[3] for line in out.splitlines() if " valid " in line] == ["2"] * 4
    code, out, _ = audit(clips, "--split", "loso", "--n-valid", 0)
    assert [line.split()[3] for line in out.splitlines() if " valid " in line] == ["0"] * 4


def test_an_emotion_that_a_file_leaves_nothing_of_is_noted(audit: Audit, clips: Path) -> None:
    rows = "".join(f"clip{i}.wav,{'test' if i % 2 else 'train'}\n" for i in range(8))
    _, _, err = audit(clips, "--split", write(clips.parent, f"path,part\n{rows}"))
    assert "fold 1 has no clip of sad to train on" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--split", "actor-6folds"], 2, "error: there is no split 'actor-6folds' (did you mean 'actor-6fold'?"),
        (["--split", "gone.csv"], 2, "error: there is no split file gone.csv"),
        (["--split", "loso", "--allow", "noise"], 2, "error: there is no overlap 'noise' to allow (one of speaker, "),
        (["--split", "session"], 1, "error: 8 of 8 clips of clips name no session"),
        (["--split", "actor-6fold"], 1, "error: 4 speakers cannot make 6 folds"),
        (["--split", "loso", "--n-valid", "3"], 1, "error: fold s0: no speaker is left to train on"),
    ],
)
def test_a_mistake_is_one_line(audit: Audit, clips: Path, arguments: list[str], code: int, message: str) -> None:
    got, out, err = audit(clips, *arguments)
    assert got == code
    assert err.startswith(message)
    assert err.count("\n") == 1
    assert out == ""


@pytest.mark.load
@pytest.mark.corpus
def test_ravdess_is_clean_but_for_its_sentences(audit: Audit, tmp_path: Path) -> None:
    data = os.environ.get("EMOFUSE_DATA")
    if not data:
        pytest.skip("EMOFUSE_DATA names no folder with the corpora")
    manifest = write_manifest(read_ravdess(Path(data) / "ravdess"), tmp_path / "ravdess.csv")
    code, out, _ = audit(manifest, "--split", "actor-6fold", "--allow", "sentence")
    assert code == 0
    assert "clean: no two parts of a fold share speakers or sounds" in out
    code, out, err = audit(manifest, "--split", "actor-6fold", "--allow", "audio")
    assert code == 1
    assert out.count("sentence: fold ") == 36
    assert "add --allow sentence" in err
