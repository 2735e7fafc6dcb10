"""Corpora of voices: what a file's name tells, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from emofuse.research.corpora.manifest import Clip
from emofuse.research.corpora.registry import read_corpus

CLIPS = {
    ("ased", "n1-01-02-02-65"): ("neutral", "ased-65", "male", "01", "am", "acted, neutral text"),
    ("ased", "S4-04-02-01-29"): ("sad", "ased-29", "female", "sad 04", "am", "acted, emotional text"),
    ("nemo", "SM0_happiness_12"): ("happy", "nemo-SM0", "male", "12", "pl", "acted"),
    ("nemo", "EB0_surprised_90"): ("surprised", "nemo-EB0", "female", "90", "pl", "acted"),
    ("emotale", "EN_013_B_5"): ("boredom", "emotale-013", "unknown", "EN5", "en", "acted"),
    ("emotale", "DK_001_A_1"): ("anger", "emotale-001", "unknown", "DK1", "da", "acted"),
    ("emovo", "pau-f2-d1"): ("fearful", "emovo-f2", "female", "d1", "it", "acted"),
    ("emovo", "tri-m2-n5"): ("sad", "emovo-m2", "male", "n5", "it", "acted"),
    ("korean", "ema00201"): ("angry", "korean-ema", "unknown", "line 1", "ko", "acted"),
    ("korean", "nea00400"): ("sad", "korean-nea", "unknown", "line 400", "ko", "acted"),
    ("emogator", "000012-03-1"): ("angry", "emogator-000012", "unknown", "03", "", "burst"),
}
NONE_OF_IT = {
    "ased": "n1-01-01-03-01",
    "nemo": "XX0_anger_1",
    "emotale": "EN_013_X_5",
    "emovo": "abc-f1-b1",
    "korean": "nea00401",
    "emogator": "000012-04-1",
}


def told(clip: Clip) -> tuple[str, ...]:
    return clip.emotion, clip.speaker, clip.sex, clip.statement, clip.language, clip.style


@pytest.mark.parametrize(("corpus", "name"), CLIPS)
def test_a_name_becomes_a_clip(corpus: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio" / f"{name}.flac").touch()
    (tmp_path / "audio" / f"{NONE_OF_IT[corpus]}.flac").touch()
    manifest = read_corpus(corpus, tmp_path)
    assert [told(clip) for clip in manifest] == [CLIPS[corpus, name]]
    assert [path.stem for path, _ in manifest.skipped] == [NONE_OF_IT[corpus]]
