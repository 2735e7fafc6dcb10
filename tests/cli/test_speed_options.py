"""What trades detail for speed reaches the analysis, and says so in its result."""

import itertools
import json
from pathlib import Path

import pytest

from emofuse.cli.speed_options import FAST, speed_settings
from emofuse.inference.analyzer import AnalyzerSettings


def test_fast_is_a_preset_that_what_is_given_goes_over() -> None:
    assert AnalyzerSettings(**speed_settings(False, None, None, None)) == AnalyzerSettings()
    assert AnalyzerSettings(**speed_settings(True, None, None, None)) == FAST
    mixed = AnalyzerSettings(**speed_settings(True, 3, 0.0, 80.0))
    assert (mixed.every, mixed.detect_period_s, mixed.min_face_px) == (3, 0.0, 80.0)
    assert mixed.face_period_s == FAST.face_period_s


@pytest.mark.parametrize("every", [1, 3])
def test_of_every_nth_picture_there_is_a_moment(emofuse, clip_mp4: Path, tmp_path: Path, every: int) -> None:
    options = ["--mode", "frame", "--formats", "json", "--every", every, "--min-face", 60, "-o", tmp_path]
    result = emofuse("analyze", clip_mp4, *options)
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "clip.json").read_text(encoding="utf-8"))
    settings = document["provenance"]["settings"]
    assert (settings["every"], settings["min_face_px"]) == (every, 60.0)
    times = [moment["time_s"] for moment in document["moments"]]
    steps = {round(b - a, 2) for a, b in itertools.pairwise(times)}
    assert max(steps) == pytest.approx(every / 25, abs=0.011) and len(times) == -(-38 // every)
    assert all(moment["faces"] for moment in document["moments"])


def test_a_number_that_is_none_is_refused(emofuse, clip_mp4: Path) -> None:
    for option in (["--every", 0], ["--min-face", 0], ["--detect-period-s", -1], ["--threads", 0]):
        assert emofuse("analyze", clip_mp4, *option).code == 2, option
