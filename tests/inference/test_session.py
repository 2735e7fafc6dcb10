"""A file analysed equals its packets pushed one by one; and the real clips give whole answers."""

import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

import emofuse
from emofuse.cli.demo import CLIP
from emofuse.inference.analyzer import Analyzer, AnalyzerSettings
from emofuse.inference.bundle import load_bundle
from emofuse.inference.smoothing import Smoother, SmoothingSettings
from emofuse.media import open_media
from emofuse.timeline import Timeline
from emofuse.types import Frame
from make_media import beginning


# the first is longer than what a voice network hears at a time
@pytest.mark.parametrize(("mode", "duration_s"), [("queue", 3.5), ("frame", 1.5)])
def test_a_file_equals_its_packets_pushed(mode: str, duration_s: float, tmp_path: Path) -> None:
    talk = beginning(CLIP, tmp_path / "talk.mp4", duration_s)
    whole = emofuse.analyze(talk, mode=mode)
    bundle = load_bundle()
    analyzer = Analyzer(bundle, settings=AnalyzerSettings(mode=mode))
    with open_media(talk) as media:
        pushed = [m for packet in media for m in analyzer.push(packet)] + analyzer.flush()
    assert len(whole.moments) == len(pushed) > 0
    for a, b in zip(whole.moments, pushed, strict=True):
        assert a.time_s == b.time_s and a.why == b.why
        assert [f.track_id for f in a.faces] == [f.track_id for f in b.faces]
        assert (a.fused is None) == (b.fused is None)
        if a.fused is not None and b.fused is not None:
            np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)


def test_a_file_is_steadied_only_on_request(clip_mp4: Path) -> None:
    raw, steady = emofuse.analyze(clip_mp4), emofuse.analyze(clip_mp4, smoothing=SmoothingSettings())
    smoother = Smoother()
    for a, b in zip(map(smoother.push, raw.moments), steady.moments, strict=True):
        assert a.time_s == b.time_s
        assert a.fused is not None and b.fused is not None
        np.testing.assert_array_equal(a.fused.probabilities, b.fused.probabilities)
    last, first = steady.moments[-1].fused, raw.moments[-1].fused
    assert last is not None and first is not None and not np.allclose(last.probabilities, first.probabilities)


def test_the_demo_clip_is_seen_and_heard() -> None:
    timeline = emofuse.analyze(CLIP)
    assert timeline.summary.used == ["face", "voice"]
    assert timeline.summary.by_modality["face"] is not None
    assert timeline.summary.by_modality["face"].label == "happy"  # an open smile
    assert timeline.bundle["name"] == "base"
    seen = {f.track_id for m in timeline.moments for f in m.faces}
    assert seen == {1}


def test_frame_mode_follows_the_container(clip_mp4: Path) -> None:
    timeline = emofuse.analyze(clip_mp4, mode="frame")
    with open_media(clip_mp4) as media:
        times = [p.time_s for p in media if isinstance(p, Frame)]
    assert [m.time_s for m in timeline.moments if m.faces or m.time_s in times] == times


def clips(pattern: str) -> list[Path]:
    root = os.environ.get("EMOFUSE_DATA")
    return sorted(Path(root).glob(pattern)) if root else []


@pytest.mark.corpus
@pytest.mark.parametrize("pattern", ["cremad/videos/*.flv", "ravdess_original/videos/Actor_05/*.mp4"])
def test_real_clips_give_whole_answers(pattern: str) -> None:
    found = clips(pattern)
    if not found:
        pytest.skip("EMOFUSE_DATA does not name a folder with this corpus")
    for path in found:
        timeline = emofuse.analyze(path)
        assert timeline.summary.used == ["face", "voice"], path
        assert timeline.summary.fused is not None
        assert len({f.track_id for m in timeline.moments for f in m.faces}) == 1, path
        times = [m.time_s for m in timeline.moments]
        assert all(b > a for a, b in itertools.pairwise(times))
        assert Timeline.from_json(json.loads(json.dumps(timeline.to_json()))).to_json() == timeline.to_json()
