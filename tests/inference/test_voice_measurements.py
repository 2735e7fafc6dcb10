"""Measurements of a voice: a made voice has the pitch it was made with, and what is not installed is named."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import emofuse
from emofuse.errors import UsageError
from emofuse.inference.voice_measurements import SHORTEST_S, _functionals, _measured
from emofuse.people import Person
from make_timelines import course, timeline


def voice(pitch_hz: float, duration_s: float, wobble: float = 0.0) -> np.ndarray:
    """Return harmonics of a pitch whose periods differ by a share of it, in three bursts a second."""
    random = np.random.default_rng(0)
    time = np.arange(round(duration_s * 16_000)) / 16_000
    drift = np.repeat(random.normal(0, wobble, len(time) // 80 + 1), 80)[: len(time)]
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + drift)) / 16_000
    bursts = np.clip(np.sin(2 * np.pi * 3 * time) * 4, 0, 1)
    return (sum(np.sin(k * phase) / k for k in range(1, 15)) * bursts * 0.1).astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [110.0, 220.0])
def test_pitch_rate_and_pauses_are_those_of_the_voice(pitch_hz: float) -> None:
    pytest.importorskip("opensmile")
    found = _measured(voice(pitch_hz, 3.0), (0.0, 3.0), 2, _functionals())
    assert found.person_id == 2 and found.pitch_hz == pytest.approx(pitch_hz, rel=0.03)
    assert found.rate_hz == pytest.approx(3.0, abs=0.5) and 0.05 < found.pause_s < 0.3
    quiet = _measured(voice(pitch_hz, 3.0) / 4, (0.0, 3.0), None, _functionals())
    assert quiet.loudness < found.loudness and quiet.pitch_hz == pytest.approx(found.pitch_hz, rel=0.02)


def test_jitter_tells_a_rough_voice_from_a_smooth_one() -> None:
    pytest.importorskip("opensmile")
    smooth, rough = (_measured(voice(150, 3.0, wobble), (0, 3), None, _functionals()) for wobble in (0.0, 0.03))
    assert rough.jitter > 2 * smooth.jitter and rough.shimmer_db is not None


def test_silence_has_no_pitch_and_a_short_stretch_nothing() -> None:
    pytest.importorskip("opensmile")
    silent = _measured(np.zeros(16_000, np.float32), (0.0, 1.0), None, _functionals())
    assert silent.pitch_hz is None and silent.jitter is None and silent.loudness == pytest.approx(0.0, abs=0.05)
    short = _measured(np.zeros(round(SHORTEST_S * 16_000) - 1, np.float32), (0.0, 0.2), None, _functionals())
    assert short.loudness is None and short.end_s == 0.2


def test_each_segment_and_each_person_is_measured(voice_wav: Path) -> None:
    pytest.importorskip("opensmile")
    made = timeline(*course([("happy", 6), ("sad", 6)]), duration_s=1.2)
    made = replace(made, people=(Person(1, seen=((0.0, 1.0),), spoke=((0.2, 0.9),)),))
    measured = emofuse.measure_voice(made, voice_wav)
    table = measured.to_dataframe("voice")
    assert len(table) == len(made.segments()) + 1 and list(table.person_id.dropna()) == [1]
    assert table.pitch_hz.iloc[-1] == pytest.approx(440, rel=0.03)  # a tone of 440 Hz
    assert len(measured.between(0.95, 1.2).voice_measurements) < len(measured.voice_measurements)


def test_without_opensmile_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name == "opensmile":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(UsageError, match=r"openSMILE, which is not installed \(pip install 'emofuse\[voice\]'\)"):
        emofuse.measure_voice(timeline())
